"""All there is, in one snapshot and constant memory: for checks that read everything."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from wallet.domain.audit_chain import Head
from wallet.domain.sessions import Session
from wallet.domain.spending import Bucket, Reservation
from wallet.domain.stories import Story
from wallet.domain.transactions import Status
from wallet.domain.wallets import Wallet


@dataclass(frozen=True, slots=True)
class SharedNonce:
    """A nonce of one address that attempts of more than one transaction hold."""

    network: str
    address: str
    nonce: int
    transaction_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as the audit log keeps it: admitted, denied, or denials that were only counted.

    ``status`` and ``fee`` are those of its payment now; None where there is none.
    """

    at: int  # epoch ms
    fact: str
    details: Mapping[str, Any]
    status: Status | None
    fee: int | None


class History(Protocol):
    """Synchronous: for a thread of its own. Raises SHUTTING_DOWN when the store is closed meanwhile."""

    def stories(self) -> Iterator[Story]:
        """Every transaction that a row, an attempt, an answer or a fact tells of, by id."""
        ...

    def requests(self, since: int, at_most: int) -> Iterator[RecordedRequest]:
        """What agents asked for since then (epoch ms), the newest first."""
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
