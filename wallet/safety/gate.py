"""The stop flag in memory: asked before every signature and before every send.

It starts closed. Only a start or a recovery that read a trusted NORMAL opens it.
"""

from wallet.domain.safety import StopState
from wallet.errors import Code, UnavailableError


class Gate:
    """Closed unless the system is known to be NORMAL."""

    def __init__(self) -> None:
        self._state = StopState.ACTIVATED

    @property
    def state(self) -> StopState:
        return self._state

    @property
    def is_normal(self) -> bool:
        return self._state is StopState.NORMAL

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
