"""The clockwork on a real APScheduler: late jobs run, slow ones are not doubled, failing ones are seen."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from scheduler.heartbeat import Heartbeat
from scheduler.jobs import Job, jobs
from scheduler.loop import Loop

QUICK = 0.02


@asynccontextmanager
async def running(*work: Callable[[], Awaitable[object]]) -> AsyncIterator[tuple[Loop, Heartbeat]]:
    heartbeat = Heartbeat()
    table = [Job(f"job{n}", QUICK, run) for n, run in enumerate(work)]
    loop = Loop(table, heartbeat, lambda: 42)
    loop.start()
    try:
        yield loop, heartbeat
    finally:
        loop.stop()


class Counter:
    """Counts its runs; ``at`` waits until there were that many."""

    def __init__(self) -> None:
        self.runs = 0
        self._news = asyncio.Condition()

    async def count(self) -> None:
        async with self._news:
            self.runs += 1
            self._news.notify_all()

    async def at(self, runs: int) -> None:
        async with asyncio.timeout(30), self._news:
            await self._news.wait_for(lambda: self.runs >= runs)


async def test_a_job_runs_again_and_again_and_its_beat_is_seen() -> None:
    counter = Counter()
    async with running(counter.count) as (_, heartbeat):
        await counter.at(3)
        assert heartbeat.beats["job0"].outcome == "OK"
        assert heartbeat.beats["job0"].last_run == 42
        assert heartbeat.failing == []


async def test_a_slow_run_is_not_doubled() -> None:
    inside, most, gate, others = 0, 0, asyncio.Event(), Counter()

    async def slow() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await gate.wait()
        inside -= 1

    async with running(slow, others.count):
        await others.at(10)
        assert most == 1
        gate.set()
        await others.at(15)
        assert most == 1


async def test_a_late_job_runs_once_for_all_it_missed() -> None:
    counter = Counter()
    async with running(counter.count) as (loop, _):
        await counter.at(1)
        job = loop._scheduler.get_job("job0")
        loop._scheduler.pause()
        before = counter.runs
        job.modify(next_run_time=datetime.now(UTC) - timedelta(hours=3))
        loop._scheduler.resume()
        await counter.at(before + 1)
        assert counter.runs <= before + 2


async def test_a_failing_job_is_seen_runs_on_and_recovers() -> None:
    others, broken = Counter(), True

    async def failing() -> None:
        if broken:
            raise RuntimeError("a bug")

    async with running(failing, others.count) as (_, heartbeat):
        await others.at(5)
        beat = heartbeat.beats["job0"]
        assert (beat.outcome, beat.error) == ("FAILED", "RuntimeError")
        assert beat.failures >= 2
        assert heartbeat.failing == ["job0"]
        broken = False
        await others.at(others.runs + 4)
        assert heartbeat.failing == []
        assert heartbeat.beats["job0"].failures == 0


async def test_one_failing_job_stops_no_other() -> None:
    others = Counter()

    async def failing() -> None:
        raise RuntimeError("a bug")

    async with running(failing, others.count):
        await others.at(5)


async def test_a_stopped_loop_runs_nothing_and_stops_twice() -> None:
    counter = Counter()
    async with running(counter.count) as (loop, _):
        await counter.at(1)
        loop.stop()
        loop.stop()
        await asyncio.sleep(0)
        before = counter.runs
        other = Counter()
        async with running(other.count):
            await other.at(5)
        assert counter.runs == before


def test_every_sweep_has_a_job_of_its_own() -> None:
    class Anything:
        def __getattr__(self, name: str) -> str:
            return name

    table = jobs(Anything())  # type: ignore[arg-type]
    assert len({job.id for job in table}) == len(table)
    assert all(job.every_seconds > 0 for job in table)
    assert {job.run for job in table} >= {"release_due", "expire_overdue", "carry_on", "recover"}
