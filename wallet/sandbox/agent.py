"""The demo agent: asks for one payment per tier on each chain, over HTTP like any agent, and tells what it gets."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from wallet.sandbox.prepare import Held

SECONDS: Final = 40.0
POLL_SECONDS: Final = 0.2
TERMINAL: Final = frozenset({"CONFIRMED", "FAILED", "CANCELLED", "EXPIRED"})
ENDED: Final = frozenset({"SESSION_REVOKED", "TOKEN_EXPIRED", "INVALID_TOKEN", "SYSTEM_LOCKED"})
# Valid addresses nobody here holds the key of: the first test account of every EVM tool, and a fixed point.
SHOPS: Final = {
    "evm-local": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "solana-localnet": "92VcKcwPfw7vWtiDAW4bGgHKPFn4mybkJRoHKrmNQbYZ",
}
WANTS: Final = {
    "evm-local": ("0.05", "0.5", "2", "8"),
    "solana-localnet": ("0.5", "5", "20", "80"),
}
_WAYS: Final = {
    "INSTANT": "leaves at once",
    "NOTIFY": "leaves at once, and the owner is told",
    "DELAY": "leaves after a delay, unless the owner cancels it in the chat",
    "APPROVAL": "waits for the owner's yes in the chat",
}


class EndedError(Exception):
    """The daemon does not serve this session any more; the message is its reason."""


@dataclass(frozen=True, slots=True)
class Payment:
    """What was asked for and how it stood when last looked at."""

    held: Held
    id: str
    amount: str
    status: str


class Agent:
    """Speaks through ``say``; keeps no secret but its tokens."""

    def __init__(self, url: str, held: Sequence[Held], say: Callable[[str], None]) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=SECONDS)
        self._held = held
        self._say = say
        self._open: list[Payment] = []

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(self) -> None:
        """One payment per tier and chain."""
        for held in self._held:
            for amount in WANTS[held.coin.network]:
                await self._send(held, amount)

    async def follow(self, seconds: float | None = None) -> None:
        """Tell every end until all payments have, or the sessions; at most ``seconds``.

        With ``seconds`` payments that wait for time or for the owner are not waited for.
        """
        until = None if seconds is None else asyncio.get_running_loop().time() + seconds
        try:
            while self._is_worth_waiting(until):
                await asyncio.sleep(POLL_SECONDS)
                self._open = [now for one in self._open if (now := await self._look(one))]
        except EndedError as reason:
            self._open = []
            self._say(f"agent: I stop here: {reason} Thank you.")

    def _is_worth_waiting(self, until: float | None) -> bool:
        if until is None:
            return bool(self._open)
        moving = any(one.status != "QUEUED" for one in self._open)
        return moving and asyncio.get_running_loop().time() < until

    async def _send(self, held: Held, amount: str) -> None:
        body = {"to": SHOPS[held.coin.network], "humanAmount": amount, "memo": "demo"}
        try:
            found = await self._call(held, "POST", "/v1/transactions/send", body)
        except EndedError as reason:
            self._say(f"agent: {reason}")
            return
        if found is None:
            self._say(f"agent: no answer to {amount} {held.coin.symbol}; I do not send it twice")
            return
        if "code" in found:
            self._say(f"agent: {amount} {held.coin.symbol}: refused, {found['message']}")
            return
        way = _WAYS.get(found["tier"], found["tier"])
        self._say(f"agent: {amount} {held.coin.symbol}: {found['tier']}, {way}")
        self._open.append(Payment(held, found["id"], amount, found["status"]))

    async def _look(self, payment: Payment) -> Payment | None:
        """The payment as it is now; None once it has ended."""
        path = f"/v1/transactions/{payment.id}"
        found = await self._call(payment.held, "GET", path, None)
        if found is None or "code" in found:
            return payment
        status = found["status"]
        if status == payment.status:
            return payment
        if status in TERMINAL:
            self._say(f"agent: {payment.amount} {payment.held.coin.symbol}: {_end(found)}")
            return None
        return Payment(payment.held, payment.id, payment.amount, status)

    async def _call(
        self, held: Held, method: str, path: str, body: dict[str, Any] | None
    ) -> dict[str, Any] | None:
        """The answer; None when nobody answered; EndedError when this session is over."""
        headers = {"Authorization": f"Bearer {held.token}"}
        try:
            response = await self._http.request(method, path, json=body, headers=headers)
            found: dict[str, Any] = response.json()
        except (httpx.HTTPError, ValueError):
            return None
        if found.get("code") in ENDED:
            raise EndedError(found["message"])
        return found


def _end(found: dict[str, Any]) -> str:
    if found["status"] == "CONFIRMED":
        return f"paid, {found['txHash']}"
    reason = found["errorMessage"] or found["error"]
    return f"{found['status'].lower()}{f', {reason}' if reason else ''}"
