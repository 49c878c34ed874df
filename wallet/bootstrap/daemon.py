"""The daemon process: HTTP first, heavy imports behind it, one task group, a clean end.

Whatever ends a part unexpectedly ends the process; the supervisor restarts it and recovery makes that safe.
"""

import asyncio
import fcntl
import json
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from scheduler.heartbeat import Heartbeat
from scheduler.jobs import jobs
from scheduler.loop import Loop
from wallet import __version__
from wallet.api.agent import Door, agent_app
from wallet.api.limits import Limits
from wallet.api.operations import DaemonFacts, Operations
from wallet.api.owner import HOST, owner_app
from wallet.bootstrap.compose import App, Ground, build_chains, compose, import_quietly
from wallet.bootstrap.doctor import examine
from wallet.bootstrap.servers import (
    Server,
    bind_loopback,
    bind_owner_socket,
    remove_owner_socket,
    server,
)
from wallet.bootstrap.world import KillAt, NoCheckpoints, SystemClock, SystemIds
from wallet.domain.chains import PUBLIC_IDENTITIES
from wallet.domain.facts import Fact
from wallet.errors import Code, ConflictError, WalletError
from wallet.keystore.files import BOT_TOKEN, read_secret_file
from wallet.operations.setup import read_kind
from wallet.persistence.database import Database
from wallet.ports.chain import Chain
from wallet.ports.world import Checkpoints
from wallet.safety.gate import Gate
from wallet.safety.keyring import Keyring
from wallet.settings import Secret, Settings
from wallet.signer.client import KeyVault
from wallet.wire.policies import parse_rule

log = structlog.get_logger(__name__)

TELEGRAM = "https://api.telegram.org"
EXIT_OK, EXIT_ERROR, EXIT_RUNNING, EXIT_PASSWORD = 0, 1, 2, 4


@dataclass(frozen=True, slots=True)
class Launch:
    """How this process was asked to run. ``kind`` is what the directory must have been born as."""

    settings: Settings
    kind: str
    password: Secret | None = None
    kill_at: str | None = None
    plain_import: bool = False
    runtime_dir: str | None = None


async def serve(launch: Launch) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code: 0, 1, 2 (already running), 4 (wrong password)."""
    try:
        _require_kind(launch)
        async with AsyncExitStack() as stack:
            _take_lock(launch.settings.data_dir, stack)
            return await _Daemon(launch).run(stack)
    except WalletError as error:
        log.error("not_started", code=error.code.value, message=error.message, hint=error.hint)  # noqa: TRY400
        return _exit_code(error)


class _Daemon:
    """The state of one run."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._settings = launch.settings
        self._clock = SystemClock()
        self._ids = SystemIds()
        self._gate = Gate()
        self._keyring = Keyring()
        self._heartbeat = Heartbeat()
        self._started_at = self._clock.now()
        self._stopping = asyncio.Event()
        self._app: App | None = None
        self._ready = False
        self._bot_facts: Callable[[], Mapping[str, Any]] = lambda: {"state": "STARTING"}
        self._failure: WalletError | None = None
        self._chains: dict[str, Chain] = {}
        self._checkpoints: Checkpoints = (
            NoCheckpoints() if launch.kill_at is None else KillAt(launch.kill_at)
        )

    async def run(self, stack: AsyncExitStack) -> int:
        """Open the doors, then everything behind them; close in the opposite order."""
        daemon = self._settings.daemon
        listener = _bind(daemon.host, daemon.port)
        port = listener.getsockname()[1]
        owner_listener, owner_path = bind_owner_socket(
            self._settings.data_dir, self._launch.runtime_dir
        )
        stack.callback(remove_owner_socket, owner_path, self._settings.data_dir)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        agent = server(agent_app(self._door(_hosts(daemon.host, port))))
        owner = server(owner_app(self._door(frozenset({HOST}))))
        async with asyncio.TaskGroup() as group:
            group.create_task(_serve(agent, listener, self._stopping))
            group.create_task(_serve(owner, owner_listener, self._stopping))
            where = f"http://{daemon.host}:{port}"
            group.create_task(self._behind_the_doors(where, owner_path))
        if self._failure is not None:
            raise self._failure
        return EXIT_OK

    async def _behind_the_doors(self, agent_url: str, owner_path: Path) -> None:
        try:
            async with AsyncExitStack() as stack:
                await self._run_parts(stack, agent_url, owner_path)
        except WalletError as error:
            self._failure = error
        finally:
            self._ready = False
            self._stopping.set()

    async def _run_parts(self, stack: AsyncExitStack, agent_url: str, owner_path: Path) -> None:
        settings = self._settings
        vault = await KeyVault.start(settings.data_dir / "keystore")
        stack.push_async_callback(vault.close)
        header = await vault.header()
        _require_header_kind(header.kind, self._launch.kind)
        database = await Database.open(
            settings.database.path,
            ids=self._ids,
            clock=self._clock,
            parse_rule=parse_rule,
            audit_key=self._keyring.audit_key,
            busy_timeout_ms=settings.database.busy_timeout_ms,
        )
        stack.push_async_callback(database.close)
        self._chains = await import_quietly(lambda: build_chains(settings, self._clock))
        for chain in self._chains.values():
            stack.push_async_callback(chain.close)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        app = self._app = compose(self._ground(database, vault, tasks))
        database.told = app.outbox.wake
        try:
            await self._open(app)
        except WalletError as error:  # not through the group, which would wrap it
            self._failure = error
            return
        loop = self._start_loops(tasks, app)
        stack.callback(loop.stop)
        self._ready = True
        _write_daemon_file(settings.data_dir, agent_url, owner_path, self._started_at)
        stack.callback((settings.data_dir / "daemon.json").unlink, missing_ok=True)
        log.info("ready", agent_url=agent_url, locked=app.unlocking.is_locked)
        tasks.create_task(self._run_bot(app, header.bot_api_url))
        await self._stopping.wait()
        await database.run(
            lambda unit: unit.audit.append(
                Fact.DAEMON_STOPPED, actor="system", at=self._clock.now()
            )
        )

    async def _open(self, app: App) -> None:
        """Take over the stored state, unlock if a password was given, and carry on what a crash left."""
        await app.safety.load()
        if self._launch.password is not None and self._gate.is_normal:
            await app.unlocking.unlock(self._launch.password.reveal())
        await app.executor.carry_on()

    def _start_loops(self, group: asyncio.TaskGroup, app: App) -> Loop:
        for name in self._chains:
            group.create_task(app.settlement.run(name, self._stopping))
        group.create_task(app.outbox.run(self._stopping))
        loop = Loop(jobs(app.upkeep), self._heartbeat, self._clock.now)
        loop.start()
        return loop

    async def _run_bot(self, app: App, bot_api_url: str) -> None:
        """Telegram is expected to fail: whatever it does stops only this part."""
        token = read_secret_file(self._settings.data_dir / BOT_TOKEN)
        if token is None:
            self._bot_facts = lambda: {"state": "NOT_CONFIGURED"}
            return
        base_url = None if bot_api_url == TELEGRAM else bot_api_url
        networks = {n: (c.network.symbol, c.network.decimals) for n, c in self._chains.items()}
        try:
            from bot.lean import load  # noqa: PLC0415 - before anything imports aiogram

            await import_quietly(lambda: _import_bot(load, plain=self._launch.plain_import))
            from bot.app import build  # noqa: PLC0415 - heavy
            from bot.doors import Desk  # noqa: PLC0415 - heavy

            desk = Desk(
                app.console, app.inbox, app.queries, app.sessions, app.owner, self._clock, networks
            )
            telegram = build(token.strip(), base_url, desk)
        except WalletError as error:
            refusal = error.message
            self._bot_facts = lambda: {"state": "REFUSED", "lastError": refusal}
            log.error("bot_not_started", code=error.code.value)  # noqa: TRY400
            return
        self._bot_facts = telegram.status.as_dict
        app.outbox.attach(telegram.channel)
        await telegram.run(self._stopping)

    def _ground(self, database: Database, vault: KeyVault, tasks: asyncio.TaskGroup) -> Ground:
        def spawn(work: Coroutine[Any, Any, None]) -> object:
            return tasks.create_task(work)

        async def doctor() -> Mapping[str, Any]:
            return await examine(self._settings, self._chains, self._bot_facts())

        return Ground(
            settings=self._settings,
            clock=self._clock,
            ids=self._ids,
            checkpoints=self._checkpoints,
            database=database,
            vault=vault,
            keyring=self._keyring,
            gate=self._gate,
            chains=self._chains,
            spawn=spawn,
            started_at=self._started_at,
            stop=self._stopping.set,
            bot=self._bot_says,
            jobs=lambda: {"failing": self._heartbeat.failing},
            doctor=doctor,
        )

    def _bot_says(self) -> Mapping[str, Any]:
        return self._bot_facts()

    def _door(self, hosts: frozenset[str]) -> Door:
        limits = self._settings.limits
        return Door(
            version=__version__,
            hosts=hosts,
            facts=self._facts,
            operations=self._operations,
            clock=self._clock,
            ids=self._ids,
            limits=Limits(
                session_rpm=limits.session_rpm,
                send_rpm=limits.send_rpm,
                claim_rpm=limits.claim_rpm,
                failed_auth_ip_rpm=limits.failed_auth_ip_rpm,
                body_bytes=limits.body_bytes,
            ),
        )

    def _facts(self) -> DaemonFacts:
        return DaemonFacts(
            started_at=self._started_at,
            version=__version__,
            ready=self._ready,
            locked=self._app is None or self._app.unlocking.is_locked,
            degraded=bool(self._heartbeat.failing),
        )

    def _operations(self) -> Operations:
        assert self._app is not None  # asked only once ready
        return self._app.operations


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


def _hosts(host: str, port: int) -> frozenset[str]:
    names = {host, "localhost"} if host == "127.0.0.1" else {host}
    return frozenset(f"{name}:{port}" for name in names)


def _import_bot(load: Callable[..., bool], *, plain: bool) -> None:
    load(plain=plain)
    import bot.app  # noqa: F401, PLC0415 - heavy


def _take_lock(data_dir: Path, stack: AsyncExitStack) -> None:
    """The writer lock, held for life. Liveness is this lock, never a pid."""
    descriptor = os.open(data_dir / "daemon.lock", os.O_CREAT | os.O_RDWR, 0o600)
    stack.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConflictError(
            Code.DAEMON_ALREADY_RUNNING,
            "A daemon already runs on this data directory.",
            hint="waiaas status shows it; waiaas stop ends it.",
        ) from error


def _require_kind(launch: Launch) -> None:
    kind = read_kind(launch.settings.data_dir)
    if kind is None:
        raise ConflictError(
            Code.NOT_INITIALISED,
            f"{launch.settings.data_dir} is not set up.",
            hint="waiaas init sets it up; waiaas sandbox needs no set-up.",
        )
    _require_header_kind(kind, launch.kind)
    if launch.kind == "sandbox":
        for name, one in launch.settings.networks.items():
            if one.network.identity in PUBLIC_IDENTITIES:
                raise ConflictError(
                    Code.DATA_DIRECTORY_KIND, f"A sandbox refuses the public network {name}."
                )


def _require_header_kind(kind: str, wanted: str) -> None:
    if kind != wanted:
        raise ConflictError(
            Code.DATA_DIRECTORY_KIND,
            f"This data directory was born as {kind}, not as {wanted}.",
            hint="waiaas start runs production directories, waiaas sandbox its own.",
        )


def _write_daemon_file(data_dir: Path, agent_url: str, owner: Path, started_at: int) -> None:
    facts = {
        "pid": os.getpid(),
        "version": __version__,
        "agent_url": agent_url,
        "owner_socket": str(owner),
        "started_at": started_at,
    }
    temporary = data_dir / "daemon.json.new"
    with suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(facts, file)
    temporary.replace(data_dir / "daemon.json")


def _exit_code(error: WalletError) -> int:
    codes: Mapping[Code, int] = {
        Code.WRONG_PASSWORD: EXIT_PASSWORD,
        Code.DAEMON_ALREADY_RUNNING: EXIT_RUNNING,
        Code.NOT_INITIALISED: 3,
    }
    return codes.get(error.code, EXIT_ERROR)
