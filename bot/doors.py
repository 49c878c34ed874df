"""What the bot may ask of the wallet: the operations behind its buttons and commands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from wallet.domain.owner import Owner
from wallet.domain.safety import SystemState
from wallet.domain.sessions import Session
from wallet.domain.transactions import Transaction
from wallet.domain.wallets import Wallet
from wallet.operations.console import Console
from wallet.operations.inbox import Inbox
from wallet.ports.chain import Balance
from wallet.ports.world import Clock


class WalletLine(Protocol):
    @property
    def wallet(self) -> Wallet: ...
    @property
    def balance(self) -> Balance | None: ...
    @property
    def error(self) -> str | None: ...


class StatusView(Protocol):
    @property
    def state(self) -> SystemState: ...
    @property
    def locked(self) -> bool: ...
    @property
    def wallets(self) -> Sequence[WalletLine]: ...
    @property
    def waiting(self) -> int: ...
    @property
    def open(self) -> int: ...
    @property
    def sessions(self) -> int: ...
    @property
    def audit_head(self) -> str: ...
    @property
    def version(self) -> str: ...


class Queries(Protocol):
    async def status(self) -> Any: ...
    async def pending(self) -> list[Transaction]: ...
    async def limits(self) -> Sequence[Any]: ...


class Sessions(Protocol):
    async def list(self, wallet_id: str | None) -> list[Session]: ...


class OwnerDesk(Protocol):
    async def owner(self) -> Owner | None: ...
    async def pairing_status(self) -> Any: ...
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
