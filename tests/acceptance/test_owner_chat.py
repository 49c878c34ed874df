"""The owner's chat on bad days, through the running sandbox: doubled cards, and new claim codes after a stop."""

from typing import Any

import httpx

from tests.support.sandbox import ETH, Agent, Sandbox, sandbox, until


def data_of(message: dict[str, Any], label: str) -> str:
    return str(
        next(b["data"] for row in message["buttons"] for b in row if b["text"].startswith(label))
    )


def with_button(running: Sandbox, message_id: int, label: str) -> dict[str, Any]:
    """The message, once it has a button with that label."""

    def look() -> dict[str, Any] | None:
        for message in running.owner.messages():
            labels = [b["text"] for row in message["buttons"] for b in row]
            if message["message_id"] == message_id and any(la.startswith(label) for la in labels):
                return message
        return None

    return until(look, f"message {message_id} with {label}")


def test_the_first_copy_of_a_doubled_card_pays_once_and_freezes_nothing() -> None:
    with sandbox() as running:
        agent = running.agent("ethereum")
        fault = {"kind": "drop_answer", "count": 1, "method": "sendMessage"}
        httpx.post(f"{running.owner.url}/fault", json=fault).raise_for_status()
        row = agent.asks("6.1")

        def both() -> list[dict[str, Any]] | None:
            found = [m for m in running.owner.messages() if row["id"] in m["text"]]
            return found if len(found) == 2 else None

        first, second = until(both, "two cards of one payment")
        running.owner.presses(first, "Approve")
        running.owner.presses(with_button(running, first["message_id"], "Confirm"), "Confirm")

        agent.waits_for(row["id"], "CONFIRMED")
        assert len(agent.chain.payments_to(row["toAddress"])) == 1
        assert running.host.status()["bot"]["frozen"] is False
        dead = running.owner.presses_data(second["message_id"], data_of(second, "Approve"))
        assert dead["answer"] == "This button is out of date."
        until(
            lambda: [b for m in running.owner.messages() for b in m["buttons"]] == [],
            "no button is left",
        )


def test_after_a_recovery_the_chat_grants_the_ended_sessions_anew_once() -> None:
    with sandbox() as running:
        old = running.agent("ethereum")
        before = running.host.does("GET", "/v1/sessions", proved=False)["items"]
        running.host.does("POST", "/v1/kill-switch", json={"reason": "a drill"})
        running.host.does("POST", "/v1/recover", json={})
        offer = running.owner.finds("Running again", button="New claim codes", seconds=40)
        assert offer["text"].startswith("🟢")
        assert "demo ETH · ETH wallet · at most 1000 ETH, 10000 payments, for 7 d" in offer["text"]

        running.owner.presses(offer, "New claim codes")
        confirm = with_button(running, offer["message_id"], "Confirm")
        running.kills_daemon()
        running.owner.presses(confirm, "Confirm")
        running.owner.presses_data(offer["message_id"], data_of(confirm, "Confirm"))
        running.owner.presses_data(offer["message_id"], data_of(offer, "New claim codes"))

        said = running.owner.finds("Give each code to its agent")["text"].splitlines()
        assert not any("wai_sess_" in m["text"] for m in running.owner.messages())
        live = [
            one
            for one in running.host.does("GET", "/v1/sessions", proved=False)["items"]
            if one["status"] not in ("REVOKED", "EXPIRED")
        ]
        assert sorted(map(granted, live)) == sorted(map(granted, before))
        code = said[said.index("demo ETH · ETH wallet") + 1]
        agent = claimed(running, old, code)
        assert agent.asks("0.01", wait=20)["status"] == "CONFIRMED"
        assert agent.balance() < 10_000 * ETH


def granted(session: dict[str, Any]) -> tuple[str, ...]:
    named = ("name", "walletId", "limits", "maxTransactions")
    return tuple(str(session[name]) for name in named)


def claimed(running: Sandbox, old: Agent, code: str) -> Agent:
    url = f"{running.agent_url}/v1/sessions/claim"
    answer = httpx.post(url, json={"code": code}, timeout=10)
    assert answer.is_success, answer.text
    again = httpx.post(url, json={"code": "0000000000"}, timeout=10)
    assert again.is_client_error
    return Agent(running.agent_url, answer.json()["token"], old.chain, old.wallet)


def test_an_agent_whose_code_was_used_twice_reads_why_its_session_ended() -> None:
    with sandbox() as running:
        agent = running.agent("ethereum")
        body = {
            "walletId": agent.wallet["id"],
            "name": "leaky",
            "limits": {f"{agent.wallet['network']}/native": str(ETH)},
        }
        code = running.host.does("POST", "/v1/sessions", json=body)["claimCode"]
        leaky = claimed(running, agent, code)
        httpx.post(f"{running.agent_url}/v1/sessions/claim", json={"code": code}, timeout=10)

        refused = leaky.request("GET", "/v1/wallet/address").json()

        assert refused["code"] == "SESSION_REVOKED"
        assert "claim code was used twice" in refused["message"]
