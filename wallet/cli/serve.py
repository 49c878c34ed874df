"""`waiaas start` and `stop`: the daemon as a process."""

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final, TextIO, cast

import typer

from wallet.cli import owner, passwords, render
from wallet.cli.log_stream import LossyStream
from wallet.cli.options import AsJson, DataDir, PasswordFile
from wallet.errors import Code, ConflictError, InputError, WalletError
from wallet.settings import Secret, environment
from wallet.signer.hardening import refuse_dumps

STOP_SECONDS: Final = 35.0
POLL_SECONDS: Final = 0.05


def start(
    *,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65_535)] = None,
    log_level: Annotated[str | None, typer.Option("--log-level")] = None,
    locked: Annotated[
        bool, typer.Option("--locked", help="Do not open the keystore; later: waiaas unlock.")
    ] = False,
    sandbox: Annotated[bool, typer.Option("--sandbox", hidden=True)] = False,
    exit_with_stdin: Annotated[bool, typer.Option("--exit-with-stdin", hidden=True)] = False,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Run the daemon in the foreground, until Ctrl-C or `waiaas stop`. With --json one line says when it is ready."""
    refuse_dumps()
    home = owner.directory(data_dir)
    owner.require_initialised(home)
    kind = _require_kind(home, sandbox=sandbox)
    if owner.is_live(home):
        raise ConflictError(
            Code.DAEMON_ALREADY_RUNNING, f"A daemon runs on {home} already.", hint="waiaas status"
        )
    settings = owner.settings(home, **{"daemon.port": port, "daemon.log_level": log_level})
    password = None if locked else _start_password(password_file)
    kill_at = _kill_at(kind)
    if exit_with_stdin:
        _end_with_stdin()
    from wallet.bootstrap.start import Launch, serve  # noqa: PLC0415 - imports the daemon

    launch = Launch(
        settings=settings,
        kind=kind,
        password=password,
        kill_at=kill_at,
        plain_import=environment().get("WAIAAS_TELEGRAM_PLAIN_IMPORT") == "1",
        runtime_dir=environment().get("XDG_RUNTIME_DIR"),
        configure_log=lambda: log_to_stderr(settings.daemon.log_level),
        announce=_say_ready if as_json else _say_nothing,
    )
    raise render.Leave(_run(serve(launch)))


def _say_ready(facts: Mapping[str, object]) -> None:
    print(json.dumps({"ready": True, **facts}), flush=True)


def _say_nothing(_: Mapping[str, object]) -> None:
    """The log tells it."""


def log_to_stderr(level: str) -> None:
    """One line per event on stderr: for people on a terminal, JSON elsewhere."""
    import logging  # noqa: PLC0415

    import structlog  # noqa: PLC0415

    last: Any = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        last = structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, LossyStream(sys.stderr))),
        cache_logger_on_first_use=True,
    )


def _require_kind(home: Path, *, sandbox: bool) -> str:
    from wallet.bootstrap.place import read_kind  # noqa: PLC0415

    kind = read_kind(home) or "production"
    if (kind == "sandbox") != sandbox:
        hint = "Run it with: waiaas sandbox" if kind == "sandbox" else "Run it with: waiaas start"
        raise ConflictError(
            Code.DATA_DIRECTORY_KIND, f"{home} is a {kind} directory, born as such.", hint=hint
        )
    return kind


def _start_password(file: Path | None) -> Secret | None:
    """From a source, or asked; without either the daemon starts locked."""
    found = passwords.given(file)
    if found is not None or not sys.stdin.isatty():
        return found
    return passwords.master_password(None)


def _kill_at(kind: str) -> str | None:
    name = environment().get("WAIAAS_SANDBOX_KILL_AT")
    if name and kind != "sandbox":
        raise InputError(
            Code.CONFIG_ERROR, "WAIAAS_SANDBOX_KILL_AT works in a sandbox only.", hint="Unset it."
        )
    return name or None


def _run(main: Coroutine[Any, Any, int]) -> int:
    run: Callable[[Coroutine[Any, Any, int]], int] = asyncio.run
    with suppress(ImportError):  # not on every platform
        import uvloop  # noqa: PLC0415

        run = uvloop.run
    try:
        return run(main)
    except BaseExceptionGroup as group:
        raise _expected(group) or group from None


def _expected(group: BaseExceptionGroup[BaseException]) -> WalletError | None:
    """The one expected failure that a task group wrapped; None when there was a bug as well."""
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    only_expected = group.split(WalletError)[1] is None
    return first if only_expected and isinstance(first, WalletError) else None


def _end_with_stdin() -> None:
    """The parent's death closes our stdin; that is as good as SIGTERM."""

    def watch() -> None:
        with suppress(OSError):
            while os.read(0, 4096):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="stdin", daemon=True).start()


def stop(
    *,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds.")] = STOP_SECONDS,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """End the daemon cleanly; after the time-out it is killed, exit code 5."""
    home = owner.directory(data_dir)
    pid = owner.running(home).pid
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    if _gone_within(home, timeout):
        render.show(
            {"stopped": True, "pid": pid}, as_json=as_json, say=lambda _: print("Stopped.")
        )
        return
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    told = {"stopped": True, "pid": pid, "killed": True}
    render.show(told, as_json=as_json, say=lambda _: print("It did not end in time; killed."))
    raise render.Leave(render.STOP_TIMED_OUT)


def _gone_within(home: Path, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while owner.is_live(home):
        if time.monotonic() >= until:
            return False
        time.sleep(POLL_SECONDS)
    return True
