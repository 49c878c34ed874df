"""What the console asks of the other operations."""

from collections.abc import Sequence
from typing import Any, Protocol

from wallet.domain.owner import Factor
from wallet.domain.safety import SystemState
from wallet.domain.transactions import Transaction
from wallet.operations.replacements import Offer, Order


class Transactions(Protocol):
    async def cancel(self, transaction_id: str, *, actor: str, reason: str) -> Transaction: ...


class Approvals(Protocol):
    async def factor_needed(self, transaction_id: str) -> Factor: ...
    async def approve(
        self,
        transaction_id: str,
        *,
        digest: str,
        factor: Factor,
        actor: str,
        totp_step: int | None = None,
    ) -> Transaction: ...
    async def check_code(self, code: str) -> int: ...


class Sessions(Protocol):
    async def revoke(self, session_id: str, *, actor: str, reason: str) -> Any: ...


class StopReport(Protocol):
    @property
    def sessions_revoked(self) -> int: ...
    @property
    def transactions_cancelled(self) -> int: ...
    @property
    def exposure(self) -> Sequence[Transaction]: ...
    @property
    def stored(self) -> bool: ...


class Safety(Protocol):
    async def state(self) -> SystemState: ...
    async def halt(self, reason: str, actor: str) -> StopReport: ...
    async def cancel_recovery(self, actor: str, *, from_chat: bool) -> Any: ...


class Loosenings(Protocol):
    async def cancel(self, loosening_id: str, actor: str) -> Any: ...


class Replacements(Protocol):
    async def offer(self, transaction_id: str) -> Offer: ...
    async def factor_needed(self, transaction_id: str) -> Factor: ...
    async def order(self, transaction_id: str, order: Order) -> Transaction: ...
