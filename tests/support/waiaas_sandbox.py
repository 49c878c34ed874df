"""`waiaas sandbox --json` as a process of its own, and the command line run against it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

STOP_SECONDS = 10
COMMAND_SECONDS = 60


def waiaas(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "wallet", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=COMMAND_SECONDS,
        env={**bare_environment(), **environ},
    )


def bare_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("WAIAAS_")}


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """What the ready line said."""

    process: subprocess.Popen[str]
    ready: dict[str, Any]

    @property
    def where(self) -> tuple[str, str]:
        return ("--data-dir", self.ready["data_dir"])

    @property
    def password(self) -> tuple[str, str]:
        return ("--password-file", self.ready["password_file"])

    def json(self, *arguments: str) -> dict[str, Any]:
        """A host command that must succeed; its JSON."""
        done = waiaas(*arguments, "--json", *self.where)
        assert done.returncode == 0, (done.stdout, done.stderr)
        return dict(json.loads(done.stdout))

    def agent(self, number: int, *arguments: str) -> subprocess.CompletedProcess[str]:
        """An agent's command, with the session of the wallet ``number``."""
        return waiaas(*arguments, **self.agent_environment(number))

    def agent_environment(self, number: int) -> dict[str, str]:
        token = self.ready["sessions"][number]["token"]
        return {"WAIAAS_BASE_URL": self.ready["agent_url"], "WAIAAS_SESSION_TOKEN": token}

    def http(self, number: int) -> httpx.Client:
        token = self.ready["sessions"][number]["token"]
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.ready["agent_url"], headers=headers, timeout=40)

    def line(self) -> dict[str, Any]:
        """The next line the sandbox prints."""
        assert self.process.stdout is not None
        return dict(json.loads(self.process.stdout.readline()))


@contextmanager
def running_sandbox(*options: str, **environ: str) -> Iterator[RunningSandbox]:
    """A sandbox on any free port, ended with the context."""
    command = [sys.executable, "-m", "wallet", "sandbox", "--json", "--no-demo"]
    if "--port" not in options:
        command += ["--port", "0"]
    with subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        text=True,
        env={**bare_environment(), **environ},
    ) as process:
        try:
            assert process.stdout is not None
            yield RunningSandbox(process, json.loads(process.stdout.readline()))
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def descendants(pid: int) -> set[int]:
    """The processes below ``pid``, from /proc."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            stat = (path / "stat").read_text()
        except OSError:
            continue
        parents[int(path.name)] = int(stat.rpartition(")")[2].split()[1])
    found: set[int] = set()
    wave = {pid}
    while wave:
        wave = {child for child, parent in parents.items() if parent in wave}
        found |= wave
    return found


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
