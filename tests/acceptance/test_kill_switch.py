"""The kill switch: it stops what waits and what is due, answers plainly, and is left by the host only."""

from pathlib import Path

import httpx

from tests.support.sandbox import Agent, Sandbox, sandbox, until

DELAYED = {"ethereum": "2", "solana": "20"}


def pull(running: Sandbox) -> None:
    running.owner.says("/killswitch")
    offer = running.owner.finds(button="Confirm")
    running.owner.presses(offer, "Confirm")
    until(
        lambda: running.host.status()["state"]["state"] == "ACTIVATED", "the kill switch is active"
    )


def send_status(agent: Agent) -> tuple[int, str]:
    answer = agent.sends("0.01")
    return answer.status_code, str(answer.json()["code"])


def test_the_kill_switch_stops_everything_and_the_host_recovers() -> None:
    with sandbox("--delay-seconds", "2") as running:
        agents = [running.agent(chain) for chain in ("ethereum", "solana")]
        payees = [agent.chain.stranger() for agent in agents]
        rows = [
            agent.asks(DELAYED[agent.chain.name], to=payee)
            for agent, payee in zip(agents, payees, strict=True)
        ]

        pull(running)

        for agent in agents:
            assert send_status(agent) == (503, "SYSTEM_LOCKED")
            refused = agent.request("GET", "/v1/wallet/address")
            assert refused.json()["code"] == "SYSTEM_LOCKED"
            assert refused.json()["retryable"] is False
        assert httpx.get(f"{running.agent_url}/health").status_code == httpx.codes.OK
        assert httpx.get(f"{running.agent_url}/ready").status_code == httpx.codes.OK
        # nothing but looking, and the way back, works while stopped
        wallet_id = agents[0].wallet["id"]
        refused = running.host.request("POST", "/v1/unlock", json={})
        assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert running.host.request("GET", "/v1/wallets", proved=False).is_success
        assert wallet_id

        started = running.host.does("POST", "/v1/recover", json={})
        assert started["state"] == "RECOVERING"
        assert send_status(agents[0])[0] == httpx.codes.SERVICE_UNAVAILABLE
        until(lambda: running.host.status()["state"]["state"] == "NORMAL", "NORMAL again", 20)

        for agent in agents:
            assert send_status(agent) == (401, "SESSION_REVOKED")
        fresh = [running.host.new_agent(agent) for agent in agents]
        for agent, row, payee in zip(fresh, rows, payees, strict=True):
            ended = agent.sees(row["id"])
            assert (ended["status"], ended["error"]) == ("CANCELLED", "KILL_SWITCH_ACTIVE")
            assert agent.chain.payments_to(payee) == []
            paid = agent.asks("0.01", wait=20)
            assert paid["status"] == "CONFIRMED"


def test_a_stop_outlives_a_crash_and_stops_a_due_release() -> None:
    with sandbox("--delay-seconds", "3") as running:
        agent = running.agent("ethereum")
        payee = agent.chain.stranger()
        agent.asks("2", to=payee)

        pull(running)
        running.kills_daemon()

        status = running.host.status()
        assert status["state"]["state"] == "ACTIVATED"
        assert status["locked"] is True
        assert send_status(agent) == (503, "SYSTEM_LOCKED")
        assert agent.chain.payments_to(payee) == []


def test_a_halt_file_stops_the_wallet_too() -> None:
    with sandbox() as running:
        (Path(running.facts["data_dir"]) / "HALT").touch()

        until(
            lambda: running.host.status()["state"]["state"] == "ACTIVATED", "the file is noticed"
        )
        assert send_status(running.agent("solana")) == (503, "SYSTEM_LOCKED")


def test_a_running_recovery_can_be_cancelled_from_the_chat_once() -> None:
    with sandbox() as running:
        pull(running)
        running.host.does("POST", "/v1/recover", json={})
        card = running.owner.finds(button="Cancel")
        running.owner.presses(card, "Cancel")

        until(lambda: running.host.status()["state"]["state"] == "ACTIVATED", "stopped again")
