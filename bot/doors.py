"""What the bot may ask of the wallet: the operations behind its buttons and commands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from wallet.domain.owner import Owner
from wallet.domain.sessions import Session
from wallet.domain.transactions import Transaction
from wallet.operations.console import Console
from wallet.operations.inbox import Inbox
from wallet.operations.queries import StatusView
from wallet.operations.rule_words import LimitLine, WaitingRule
from wallet.ports.world import Clock


class Queries(Protocol):
    async def status(self) -> StatusView: ...
    async def pending(self) -> list[Transaction]: ...
    async def limits(self) -> list[LimitLine]: ...
    async def waiting_rules(self) -> list[WaitingRule]: ...


class Sessions(Protocol):
    async def list(self, wallet_id: str | None = None) -> list[Session]: ...


class OwnerDesk(Protocol):
    async def owner(self) -> Owner | None: ...
    async def pairing_status(self) -> Mapping[str, Any]: ...
    async def offer_pairing(
        self, code: str, user_id: int, chat_id: int, name: str, username: str | None
    ) -> bool: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything a handler needs. ``networks`` maps names to (symbol, decimals) of the native coin."""

    console: Console
    inbox: Inbox
    queries: Queries
    sessions: Sessions
    owner_desk: OwnerDesk
    clock: Clock
    networks: Mapping[str, tuple[str, int]]
