"""The sandbox's child processes: each ends when told, when its parent dies, and at the latest when killed."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wallet.errors import Code, UnavailableError

READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Child:
    """A process in a session of its own: Ctrl-C reaches its parent only. Its stdin is the life line."""

    name: str
    process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        return self.process.pid

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def kill_group(self) -> None:
        """The process and whatever it started, at once."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    async def end(self, seconds: float) -> None:
        """SIGTERM, then after ``seconds`` SIGKILL."""
        self.signal(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.process.wait()
        self.kill_group()
        await self.process.wait()


async def spawn(
    name: str, arguments: Sequence[str], environ: Mapping[str, str], *, log: Path | None = None
) -> Child:
    """Start ``python -m ARGUMENTS``. With ``log`` its output goes there, otherwise to our pipe and stderr."""
    command = (sys.executable, "-m", *arguments)
    pipe = asyncio.subprocess.PIPE
    if log is None:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, env=dict(environ), start_new_session=True
        )
        return Child(name, process)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=pipe,
            stdout=descriptor,
            stderr=descriptor,
            env=dict(environ),
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    return Child(name, process)


async def ready_line(child: Child) -> dict[str, Any]:
    """The JSON line that a stand-in prints when it answers."""
    assert child.process.stdout is not None
    try:
        async with asyncio.timeout(READY_SECONDS):
            line = await child.process.stdout.readline()
        found = json.loads(line)
    except (TimeoutError, ValueError):
        raise UnavailableError(
            Code.INTERNAL_ERROR,
            f"The local {child.name} stand-in did not start.",
            hint="Its own message stands above. Is the sandbox extra installed?",
        ) from None
    return dict(found)


async def end_all(daemon: Child | None, stand_ins: Sequence[Child]) -> None:
    """The daemon first, for it speaks to the others; everything within three seconds."""
    if daemon is not None:
        await daemon.end(1.6)
    async with asyncio.TaskGroup() as group:
        for child in stand_ins:
            group.create_task(child.end(0.8))
