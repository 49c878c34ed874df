"""What each job did last, for /health and the owner's status."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Beat:
    """The newest run of a job. Times in epoch ms; ``failures`` counts those in a row."""

    last_run: int
    outcome: str  # OK, FAILED or MISSED
    failures: int = 0
    error: str | None = None


class Heartbeat:
    """Job id to its newest beat."""

    def __init__(self) -> None:
        self.beats: dict[str, Beat] = {}

    def ran(self, job: str, at: int) -> None:
        self.beats[job] = Beat(at, "OK")

    def failed(self, job: str, at: int, error: str) -> None:
        before = self.beats.get(job)
        self.beats[job] = Beat(at, "FAILED", (before.failures if before else 0) + 1, error)

    @property
    def failing(self) -> list[str]:
        return [job for job, beat in self.beats.items() if beat.outcome == "FAILED"]
