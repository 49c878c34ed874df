"""A clock that stands still until it is moved."""


class SettableClock:
    """Wall and monotonic time move together; ``set_back`` and ``leap`` move the wall clock alone."""

    def __init__(self, at: int = 1_800_000_000_000) -> None:
        self.at = at
        self._seconds = 1_000.0

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return self._seconds

    def advance(self, seconds: float) -> None:
        self.at += round(seconds * 1000)
        self._seconds += seconds

    def set_back(self, seconds: float) -> None:
        self.at -= round(seconds * 1000)

    def leap(self, seconds: float) -> None:
        self.set_back(-seconds)
