"""Whether the daemon lives, and whether it takes work. Never touches an operation or a network."""

from collections.abc import Callable
from typing import Literal

from wallet.api.operations import DaemonFacts, Operations
from wallet.api.routes import Answer, Call
from wallet.ports.world import Clock
from wallet.wire.owner import HealthView

StatusWord = Literal["ok", "starting", "locked", "stopped", "degraded"]


class Health:
    """The two probes."""

    def __init__(
        self, facts: Callable[[], DaemonFacts], operations: Callable[[], Operations], clock: Clock
    ) -> None:
        self._facts = facts
        self._operations = operations
        self._clock = clock

    async def health(self, call: Call) -> Answer:  # noqa: ARG002
        """Always 200 while the process answers; ``status`` says how it is."""
        return Answer(self._view())

    async def ready(self, call: Call) -> Answer:  # noqa: ARG002
        """200 once recovery at start has run and agents are answered, 503 before."""
        view = self._view()
        return Answer(view, 503 if view.status == "starting" else 200)

    def _view(self) -> HealthView:
        facts, now = self._facts(), self._clock.now()
        return HealthView(
            status=self._status(facts),
            version=facts.version,
            uptime=max(0, now - facts.started_at) // 1000,
            timestamp=now // 1000,
        )

    def _status(self, facts: DaemonFacts) -> StatusWord:
        if not facts.ready:
            return "starting"
        if not self._operations().gate.is_normal:
            return "stopped"
        if facts.locked:
            return "locked"
        return "degraded" if facts.degraded else "ok"
