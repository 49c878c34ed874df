"""The kill switch: it stops what waits and what is due, answers plainly, and is left by the host only."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.sandbox import Agent, Sandbox, sandbox, until

pytestmark = pytest.mark.xdist_group("kill-switch")

DELAYED = {"ethereum": "2", "solana": "20"}


@pytest.fixture(scope="module")
def started() -> Iterator[Sandbox]:
    with sandbox("--delay-seconds", "3") as made:
        yield made


@pytest.fixture
def running(started: Sandbox) -> Sandbox:
    """The module's sandbox, brought back from whatever the test before left it in."""
    if started.host.status()["state"]["state"] != "NORMAL":
        started.host.does("POST", "/v1/recover", json={})
        until(lambda: started.host.status()["state"]["state"] == "NORMAL", "NORMAL again", 20)
        started.renews_sessions()
    return started


def demo_sessions(running: Sandbox) -> list[dict[str, Any]]:
    sessions = running.host.does("GET", "/v1/sessions", proved=False)["items"]
    return [one for one in sessions if one["name"].startswith("demo")]


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


def test_the_kill_switch_stops_everything_and_the_host_recovers(running: Sandbox) -> None:
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
    running.renews_sessions()
    fresh = [running.agent(agent.chain.name) for agent in agents]
    for agent, row, payee in zip(fresh, rows, payees, strict=True):
        ended = agent.sees(row["id"])
        assert (ended["status"], ended["error"]) == ("CANCELLED", "KILL_SWITCH_ACTIVE")
        assert agent.chain.payments_to(payee) == []
        paid = agent.asks("0.01", wait=20)
        assert paid["status"] == "CONFIRMED"


def test_a_stop_outlives_a_crash_and_stops_a_due_release(running: Sandbox) -> None:
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


def test_a_halt_file_stops_the_wallet_too(running: Sandbox) -> None:
    (Path(running.facts["data_dir"]) / "HALT").touch()

    until(lambda: running.host.status()["state"]["state"] == "ACTIVATED", "the file is noticed")
    assert send_status(running.agent("solana")) == (503, "SYSTEM_LOCKED")


def test_a_running_recovery_can_be_cancelled_from_the_chat_once(running: Sandbox) -> None:
    pull(running)
    running.host.does("POST", "/v1/recover", json={})
    card = running.owner.finds(button="Cancel")
    running.owner.presses(card, "Cancel")

    until(lambda: running.host.status()["state"]["state"] == "ACTIVATED", "stopped again")


def test_new_demo_sessions_are_offered_after_a_recovery_only_and_make_the_lines_work(
    running: Sandbox,
) -> None:
    before_all = len(demo_sessions(running))
    home, chat = Path(running.facts["data_dir"]), running.facts["telegram_url"]
    before = {name: (home / name).read_text() for name in ("eth.env", "sol.env")}
    early = httpx.post(f"{chat}/sessions", json={}, timeout=10)
    pull(running)
    stopped = httpx.post(f"{chat}/sessions", json={}, timeout=10)
    running.host.does("POST", "/v1/recover", json={})

    running.renews_sessions()

    assert (early.status_code, stopped.status_code) == (409, 409)
    tokens = [session["token"] for session in running.facts["sessions"]]
    for name, token in zip(before, tokens, strict=True):
        text = (home / name).read_text()
        assert text == (
            f"export WAIAAS_BASE_URL={running.agent_url}\nexport WAIAAS_SESSION_TOKEN={token}\n"
        )
        assert text != before[name]
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    for chain in ("ethereum", "solana"):
        assert running.agent(chain).asks("0.01", wait=20)["status"] == "CONFIRMED"
    demo = demo_sessions(running)
    limits = {(one["walletId"], json.dumps(one["limits"], sort_keys=True)) for one in demo}
    assert len(demo) == before_all + 2
    assert len(limits) == 2
    assert not any(token in json.dumps(running.owner.messages()) for token in tokens)
    assert httpx.post(f"{chat}/sessions", json={}, timeout=10).status_code == 409


def test_the_lines_work_again_after_the_daemon_was_killed_between_recovery_and_press(
    running: Sandbox,
) -> None:
    pull(running)
    running.host.does("POST", "/v1/recover", json={})
    until(lambda: running.host.status()["state"]["state"] == "NORMAL", "NORMAL again", 20)
    running.kills_daemon()

    running.renews_sessions()

    assert running.agent("ethereum").asks("0.01", wait=20)["status"] == "CONFIRMED"
