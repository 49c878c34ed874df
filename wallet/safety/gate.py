"""The stop flag in memory: asked before every signature and before every send.

It starts closed. Only a start or a recovery that read a trusted NORMAL opens it.
"""

from wallet.domain.safety import StopState
from wallet.errors import Code, UnavailableError
from wallet.safety.clock_guard import ClockGuard


class Gate:
    """Closed unless the system is known to be NORMAL. Beside it stands the watch over the clock."""

    def __init__(self, clock_guard: ClockGuard | None = None) -> None:
        self._state = StopState.ACTIVATED
        self._clock_guard = clock_guard

    @property
    def state(self) -> StopState:
        return self._state

    @property
    def is_normal(self) -> bool:
        return self._state is StopState.NORMAL

    @property
    def has_time(self) -> bool:
        """Whether the time of day can be believed, so that what goes by it may happen."""
        return self._clock_guard is None or self._clock_guard.is_trusted

    def require_time(self) -> None:
        """Raise CLOCK_UNTRUSTED while the time of day is in doubt."""
        if self._clock_guard is not None:
            self._clock_guard.require()

    def set(self, state: StopState) -> None:
        self._state = state

    def require_normal(self) -> None:
        """Raise SYSTEM_LOCKED unless money may move."""
        if self._state is not StopState.NORMAL:
            raise UnavailableError(
                Code.SYSTEM_LOCKED,
                "The owner stopped this wallet service.",
                hint="Nothing can be sent until the owner recovers it.",
            )
