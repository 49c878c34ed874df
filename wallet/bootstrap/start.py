"""The daemon process from its first moment: the lock, the doors, then everything heavy behind them.

Nothing heavy is imported here, so that the doors answer while the rest is still being loaded.
"""

import asyncio
import signal
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from wallet.api.doorway import Doorway
from wallet.bootstrap.place import (
    read_kind,
    require_honest_wait,
    require_same_kind,
    take_lock,
)
from wallet.bootstrap.prices import require_honest_prices
from wallet.bootstrap.quietly import import_quietly
from wallet.bootstrap.servers import (
    Server,
    bind_loopback,
    bind_owner_socket,
    remove_owner_socket,
    server,
)
from wallet.bootstrap.world import SystemClock
from wallet.domain.chains import PUBLIC_IDENTITIES
from wallet.errors import Code, ConflictError, WalletError
from wallet.settings import Secret, Settings

EXIT_OK, EXIT_ERROR, EXIT_RUNNING, EXIT_PASSWORD = 0, 1, 2, 4
OWNER_HOST = "waiaas"  # of the owner's socket


def _nothing() -> None:
    """Logging stays as it is."""


def _silent(_: Mapping[str, object]) -> None:
    """Nobody is told."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How this process was asked to run. ``kind`` is what the directory must have been born as."""

    settings: Settings
    kind: str
    password: Secret | None = None
    kill_at: str | None = None
    plain_import: bool = False
    runtime_dir: str | None = None
    configure_log: Callable[[], None] = (
        _nothing  # imports the logging library, so it is called late
    )
    announce: Callable[[Mapping[str, object]], None] = _silent  # daemon.json's content, once ready


@dataclass(frozen=True, slots=True)
class Ways:
    """The open doors, for the daemon to put its apps behind. Setting ``stopping`` ends the process."""

    agent: Doorway
    owner: Doorway
    agent_url: str
    owner_path: Path
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


async def serve(launch: Launch) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code: 0, 1, 2 (already running), 4 (wrong password)."""
    try:
        _require_kind(launch)
        async with AsyncExitStack() as stack:
            take_lock(launch.settings.data_dir, stack)
            failure = await _open_doors(launch, stack)
    except WalletError as error:
        failure = error
    if failure is None:
        return EXIT_OK
    _log_failure(launch, failure)
    return _exit_code(failure)


async def _open_doors(launch: Launch, stack: AsyncExitStack) -> WalletError | None:
    """Open the doors, then everything behind them; close in the opposite order."""
    settings, now = launch.settings, SystemClock().now
    host = settings.daemon.host
    listener = _bind(host, settings.daemon.port)
    port = listener.getsockname()[1]
    owner_listener, owner_path = bind_owner_socket(settings.data_dir, launch.runtime_dir)
    stack.callback(remove_owner_socket, owner_path, settings.data_dir)
    ways = Ways(
        Doorway(hosts(host, port), now),
        Doorway(frozenset({OWNER_HOST}), now),
        f"http://{host}:{port}",
        owner_path,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ways.stopping.set)
    async with asyncio.TaskGroup() as group:
        group.create_task(_serve(server(ways.agent), listener, ways.stopping))
        group.create_task(_serve(server(ways.owner), owner_listener, ways.stopping))
        behind = group.create_task(_behind_the_doors(launch, ways))
    return behind.result()


async def _behind_the_doors(launch: Launch, ways: Ways) -> WalletError | None:
    def load() -> Callable[[Launch, Ways], Coroutine[Any, Any, WalletError | None]]:
        launch.configure_log()
        run: Callable[[Launch, Ways], Coroutine[Any, Any, WalletError | None]]
        run = import_module("wallet.bootstrap.daemon").run
        return run

    try:
        run = await import_quietly(load)
        return await run(launch, ways)
    finally:
        ways.stopping.set()


def _log_failure(launch: Launch, error: WalletError) -> None:
    import structlog  # noqa: PLC0415 - heavy

    launch.configure_log()
    log = structlog.get_logger(__name__)
    log.error("not_started", code=error.code.value, message=error.message, hint=error.hint)


async def _serve(door: Server, listener: socket.socket, stopping: asyncio.Event) -> None:
    """Serve until ``stopping``; the listener is closed by the server."""
    async with asyncio.TaskGroup() as group:
        running = group.create_task(door.serve(sockets=[listener]))
        await _first(stopping.wait(), running, group)
        door.should_exit = True


async def _first(
    wait: Coroutine[Any, Any, Any], running: asyncio.Task[None], group: asyncio.TaskGroup
) -> None:
    waiting = group.create_task(wait)
    await asyncio.wait({waiting, running}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


def _bind(host: str, port: int) -> socket.socket:
    try:
        return bind_loopback(host, port)
    except OSError as error:
        raise ConflictError(
            Code.CONFIG_ERROR,
            f"{host}:{port} cannot be bound: {error.strerror}.",
            hint="Stop what uses it, or set [daemon] port.",
        ) from error


def hosts(host: str, port: int) -> frozenset[str]:
    """What a Host header may say."""
    names = {host, "localhost"} if host == "127.0.0.1" else {host}
    return frozenset(f"{name}:{port}" for name in names)


def _require_kind(launch: Launch) -> None:
    kind = read_kind(launch.settings.data_dir)
    if kind is None:
        raise ConflictError(
            Code.NOT_INITIALISED,
            f"{launch.settings.data_dir} is not set up.",
            hint="waiaas init sets it up; waiaas sandbox needs no set-up.",
        )
    require_same_kind(kind, launch.kind)
    require_honest_prices(launch.settings, launch.kind)
    require_honest_wait(launch.settings.policy.loosening_wait_seconds, launch.kind)
    if launch.kind == "sandbox":
        for name, one in launch.settings.networks.items():
            if one.network.identity in PUBLIC_IDENTITIES:
                raise ConflictError(
                    Code.DATA_DIRECTORY_KIND, f"A sandbox refuses the public network {name}."
                )


def _exit_code(error: WalletError) -> int:
    codes: Mapping[Code, int] = {
        Code.WRONG_PASSWORD: EXIT_PASSWORD,
        Code.DAEMON_ALREADY_RUNNING: EXIT_RUNNING,
        Code.NOT_INITIALISED: 3,
    }
    return codes.get(error.code, EXIT_ERROR)
