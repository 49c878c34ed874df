"""What the node itself remembers of its database, outside of it."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Mark:
    """An audit number that this node has seen committed, and the first eight hex digits of its hash."""

    number: int
    head: str


class Anchor(Protocol):
    """A mark that only rises with the database, so that an older copy of the database is noticed."""

    def read(self) -> Mark | None:
        """The last mark; None where there is none that can be read."""
        ...

    def write(self, mark: Mark) -> None:
        """Replace the mark, whole or not at all, durably."""
        ...

    def suspicion(self) -> str | None:
        """Why the database must be taken for behind, where somebody who replaced it said so."""
        ...

    def suspect(self, why: str) -> None:
        """Have the next start take the database for behind. For whatever puts an older database in place."""
        ...

    def cleared(self) -> None:
        """The suspicion was acted on."""
        ...
