"""Queued changes of rules. They are authority rows: each carries a proof, which is judged before it counts."""

from typing import Protocol

from wallet.domain.loosenings import Loosening


class Loosenings(Protocol):
    """What waits to count."""

    async def add(self, loosening: Loosening) -> None: ...
    async def get(self, loosening_id: str) -> Loosening | None: ...
    async def all(self) -> list[Loosening]:
        """Every one that waits, the next to count first."""
        ...

    async def ids(self) -> list[str]:
        """Of every row, also of those that cannot be read any more and are left out elsewhere."""
        ...

    async def of_rule(self, rule_id: str) -> list[Loosening]: ...
    async def end(self, loosening_id: str) -> bool:
        """It waits no more. Works while locked. False when there is no such row."""
        ...
