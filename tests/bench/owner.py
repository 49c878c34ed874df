"""Figures of the owner's side: how fast he is told, how fast a tap pays, how fast a stop stops."""

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.bench.load import run
from tests.bench.report import figure, percentiles
from tests.bench.world import Bench, bench, is_polling, payment
from tests.support.sandbox import Agent, Person, until

CARDS = 25
STOPS = 3
APPROVAL = "6"


def cards_and_taps(found: Bench) -> None:
    is_polling(found)
    agent = found.running.agent("ethereum")
    told, paid = [], []
    for number in range(CARDS):
        began = time.time_ns()
        row = agent.asks(APPROVAL, memo=f"card {number}")
        _seen(found.running.owner, f"card {number}", "Approve")
        told.append((time.time_ns() - began) / 1e6)
        paid.append(_tap(found, row["id"], f"card {number}"))
    note = "the local Telegram's and chain's own time included"
    figure("card_to_owner", "ms", f"POST to the card in the chat, {note}", **percentiles(told))
    figure("tap_to_broadcast", "ms", f"Confirm to a node has it, {note}", **percentiles(paid))


def _tap(found: Bench, transaction_id: str, text: str) -> float:
    owner = found.running.owner
    owner.presses(_seen(owner, text, "Approve"), "Approve")
    message = _seen(owner, text, "Confirm")
    began = time.time_ns() // 1_000_000
    owner.presses(message, "Confirm")
    sql = "SELECT accepted_at FROM attempts WHERE transaction_id = ?"
    rows = until(
        lambda: [r for r in found.rows(sql, transaction_id) if r[0] is not None], "it was sent"
    )
    return float(rows[0][0] - began)


def _seen(owner: Person, text: str, button: str) -> dict[str, Any]:
    """Like Person.finds, but looking every few milliseconds."""
    return _soon(lambda: _look(owner, text, button))


def _look(owner: Person, text: str, button: str) -> dict[str, Any] | None:
    for message in owner.messages()[::-1]:
        labels = [b["text"] for row in message["buttons"] for b in row]
        if text in message["text"] and any(label.startswith(button) for label in labels):
            return message
    return None


def _soon(look: Callable[[], dict[str, Any] | None], seconds: float = 20) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        threading.Event().wait(0.003)
    raise AssertionError("not seen in time")


def stops() -> None:
    """The last signature after the tap that stops everything, under load; one sandbox each."""
    last, cut = [], []
    for _ in range(STOPS):
        with bench() as found:
            signatures, refusals = _stop(found, found.agents("ethereum", 8))
            last.append(signatures)
            cut.append(refusals)
    note = "8 agents paying; the tap's way through the local Telegram included; 0 = none after the tap"
    figure("kill_tap_to_last_signature", "ms", note, p50=sorted(last)[len(last) // 2], runs=last)
    note = "from the daemon's stop fact; the part that is the daemon's own; 0 = none after it"
    figure("stop_to_last_signature", "ms", note, p50=sorted(cut)[len(cut) // 2], runs=cut)


def _stop(found: Bench, agents: list[Agent]) -> tuple[int, int]:
    is_polling(found)
    owner = found.running.owner
    owner.says("/killswitch")
    offer = owner.finds(button="Confirm")
    wanted = [[payment(agent, "0.0001") for _ in range(50)] for agent in agents]
    load = threading.Thread(target=lambda: run(found.url, wanted, 3))
    load.start()
    threading.Event().wait(1.5)
    tapped = time.time_ns() // 1_000_000
    owner.presses(offer, "Confirm")
    load.join()
    httpx.get(f"{found.url}/health", timeout=10)
    newest = int(found.rows("SELECT max(created_at) FROM attempts")[0][0])
    facts = found.rows("SELECT at FROM audit WHERE fact LIKE '%KILL%ACTIVATED%' ORDER BY number")
    stopped = int(facts[-1][0])
    return max(0, newest - tapped), max(0, newest - stopped)
