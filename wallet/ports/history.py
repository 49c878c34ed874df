"""All there is, in one snapshot and constant memory: for checks that read everything."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from wallet.domain.audit_chain import Head
from wallet.domain.sessions import Session
from wallet.domain.spending import Bucket, Reservation
from wallet.domain.stories import Story
from wallet.domain.wallets import Wallet


@dataclass(frozen=True, slots=True)
class SharedNonce:
    """A nonce of one address that attempts of more than one transaction hold."""

    network: str
    address: str
    nonce: int
    transaction_ids: tuple[str, ...]


class History(Protocol):
    """Synchronous: for a thread of its own. Raises SHUTTING_DOWN when the store is closed meanwhile."""

    def stories(self) -> Iterator[Story]:
        """Every transaction that a row, an attempt, an answer or a fact tells of, by id."""
        ...

    def shared_nonces(self) -> Iterator[SharedNonce]:
        """What must not be: two transactions at one nonce."""
        ...

    def buckets(self) -> Iterator[Bucket]:
        """Every bucket there is."""
        ...

    def reservations(self) -> list[Reservation]: ...

    def sessions(self) -> list[Session]:
        """All of them, ended ones too."""
        ...

    def wallets(self) -> list[Wallet]:
        """All of them."""
        ...

    def head(self) -> Head:
        """(number, hash) of the newest audit row of the snapshot."""
        ...
