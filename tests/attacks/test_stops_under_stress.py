"""The real process: a HALT file, a locked database and a crash do not keep it from being stopped."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx

from tests.attacks.catalogue import scenario
from tests.support.sandbox import Agent, Sandbox, sandbox, until
from tests.support.waiaas_sandbox import descendants, is_alive


def data_dir(running: Sandbox) -> Path:
    return Path(running.facts["data_dir"])


def state(running: Sandbox) -> dict[str, object]:
    return dict(running.host.status()["state"])


def answers(agent: Agent) -> tuple[int, str]:
    answer = agent.sends("0.01")
    return answer.status_code, str(answer.json().get("code"))


@contextmanager
def locked(running: Sandbox) -> Iterator[None]:
    """Another process holds the database for writing."""
    with closing(
        sqlite3.connect(data_dir(running) / "waiaas.db", timeout=10, isolation_level=None)
    ) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def signers(running: Sandbox) -> list[int]:
    found = []
    for pid in descendants(running.daemon_pids[-1]):
        if "wallet.signer" in Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "):
            found.append(pid)
    return found


@scenario("R-10")
def test_an_empty_halt_file_stops_also_in_a_read_only_folder() -> None:
    with sandbox("--delay-seconds", "3") as running:
        agent = running.agent("ethereum")
        payee = agent.chain.stranger()
        agent.asks("2", to=payee)
        folder = data_dir(running)
        (folder / "HALT").touch()
        folder.chmod(0o500)
        try:
            until(lambda: answers(agent) == (503, "SYSTEM_LOCKED"), "it is stopped", 10)
            until(lambda: state(running)["state"] == "ACTIVATED", "the stop is stored", 10)
        finally:
            folder.chmod(0o700)
        assert state(running)["actor"] == "file"
        assert agent.chain.payments_to(payee) == []


@scenario("N-14")
def test_a_kill_while_another_process_holds_the_database_holds_and_is_recorded_later() -> None:
    with sandbox("--delay-seconds", "2") as running:
        agent = running.agent("ethereum")
        payee = agent.chain.stranger()
        agent.asks("2", to=payee)
        (signer,) = signers(running)

        with locked(running):
            body = {"reason": "while locked"}
            killed = running.host.does("POST", "/v1/kill-switch", json=body, proved=False)
            assert (killed["state"], killed["stored"]) == ("ACTIVATED", False)
            assert (data_dir(running) / "HALT").exists()
            assert not is_alive(signer)
            assert answers(agent) == (503, "SYSTEM_LOCKED")
            shown = state(running)
            assert (shown["state"], shown["reason"]) == ("ACTIVATED", "while locked")
            refused = running.host.request("POST", "/v1/recover", json={})
            assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
            assert agent.chain.payments_to(payee) == []

        until(lambda: stored(running) == ("ACTIVATED", "while locked"), "the stop is stored", 15)
        assert agent.chain.payments_to(payee) == []


@scenario("N-14", "R-10")
def test_a_crash_before_a_locked_database_took_the_stop_forgets_nothing() -> None:
    with sandbox("--delay-seconds", "3") as running:
        agent = running.agent("ethereum")
        payee = agent.chain.stranger()
        agent.asks("2", to=payee)

        with locked(running):
            body = {"reason": "before the crash"}
            running.host.does("POST", "/v1/kill-switch", json=body, proved=False)
            assert stored(running)[0] == "NORMAL"
            os.kill(running.daemon_pids[-1], 9)
        running.sees_restart()

        shown = state(running)
        assert shown["state"] == "ACTIVATED"
        assert "before the crash" in str(shown["reason"])
        assert running.host.status()["locked"] is True
        assert answers(agent) == (503, "SYSTEM_LOCKED")
        assert agent.chain.payments_to(payee) == []


def stored(running: Sandbox) -> tuple[str, str | None]:
    """What the file itself says."""
    with closing(sqlite3.connect(data_dir(running) / "waiaas.db", timeout=10)) as db:
        found = db.execute("SELECT state, reason FROM system_state").fetchone()
    return str(found[0]), found[1]
