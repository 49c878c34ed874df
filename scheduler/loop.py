"""APScheduler with a memory store: it only wakes jobs up; rows say what is due.

A slow run is skipped, not doubled; a late one still runs; an exception becomes a visible failure.
"""

from collections.abc import Callable, Sequence
from datetime import UTC

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, JobExecutionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from scheduler.heartbeat import Heartbeat
from scheduler.jobs import Job

log = structlog.get_logger(__name__)


class Loop:
    """Starts on the running event loop. ``stop`` may cut a job short: units of work finish all the same."""

    def __init__(self, jobs: Sequence[Job], heartbeat: Heartbeat, now: Callable[[], int]) -> None:
        self._heartbeat = heartbeat
        self._now = now
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        for job in jobs:
            self._scheduler.add_job(job.run, "interval", seconds=job.every_seconds, id=job.id)
        self._scheduler.add_listener(self._listen, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _listen(self, event: JobExecutionEvent) -> None:
        if event.exception is None:
            self._heartbeat.ran(event.job_id, self._now())
            return
        name = type(event.exception).__name__
        self._heartbeat.failed(event.job_id, self._now(), name)
        log.error("job_failed", job=event.job_id, error=name, exc_info=event.exception)
