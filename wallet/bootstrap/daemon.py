"""The daemon process: HTTP first, heavy imports behind it, one task group, a clean end.

Whatever ends a part unexpectedly ends the process; the supervisor restarts it and recovery makes that safe.
"""

import asyncio
import json
import os
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
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
from wallet.bootstrap.chains import build_chains
from wallet.bootstrap.compose import App, compose
from wallet.bootstrap.doctor import examine
from wallet.bootstrap.ground import Ground
from wallet.bootstrap.place import require_same_kind
from wallet.bootstrap.prices import build_prices
from wallet.bootstrap.quietly import import_quietly
from wallet.bootstrap.start import Launch, Ways
from wallet.bootstrap.world import KillAt, NoCheckpoints, SystemClock, SystemIds
from wallet.domain.facts import Fact
from wallet.errors import Code, UnavailableError, WalletError
from wallet.keystore.files import BOT_TOKEN, read_secret_file
from wallet.persistence.database import Database
from wallet.ports.chain import Chain
from wallet.ports.prices import Prices
from wallet.ports.world import Checkpoints
from wallet.prices.static import NoPrices
from wallet.safety.clock_guard import ClockGuard
from wallet.safety.gate import Gate
from wallet.safety.keyring import Keyring
from wallet.signer.client import KeyVault
from wallet.wire.policies import parse_rule

log = structlog.get_logger(__name__)

TELEGRAM = "https://api.telegram.org"


async def run(launch: Launch, ways: Ways) -> WalletError | None:
    """Run until ``ways.stopping``; what kept it from running, where something did."""
    return await _Daemon(launch, ways).run()


class _Daemon:
    """The state of one run."""

    def __init__(self, launch: Launch, ways: Ways) -> None:
        self._launch = launch
        self._ways = ways
        self._settings = launch.settings
        self._clock = SystemClock()
        self._ids = SystemIds()
        self._clock_guard = ClockGuard(self._clock)
        self._gate = Gate(self._clock_guard)
        self._keyring = Keyring()
        self._heartbeat = Heartbeat()
        self._started_at = self._clock.now()
        self._stopping = ways.stopping
        self._app: App | None = None
        self._ready = False
        self._bot_facts: Callable[[], Mapping[str, Any]] = lambda: {"state": "STARTING"}
        self._failure: WalletError | None = None
        self._chains: dict[str, Chain] = {}
        self._prices: Prices = NoPrices()
        self._checkpoints: Checkpoints = (
            NoCheckpoints() if launch.kill_at is None else KillAt(launch.kill_at)
        )

    async def run(self) -> WalletError | None:
        """Put the apps behind the doors, then everything behind the apps; close in the opposite order."""
        ways = self._ways
        ways.agent.app = agent_app(self._door(ways.agent.hosts))
        ways.owner.app = owner_app(self._door(frozenset({HOST})))
        try:
            async with AsyncExitStack() as stack:
                await self._run_parts(stack, ways.agent_url, ways.owner_path)
        except WalletError as error:
            self._failure = error
        finally:
            self._ready = False
        return self._failure

    async def _run_parts(self, stack: AsyncExitStack, agent_url: str, owner_path: Path) -> None:
        settings = self._settings
        vault = await KeyVault.start(settings.data_dir / "keystore")
        stack.push_async_callback(vault.close)
        header = await vault.header()
        require_same_kind(header.kind, self._launch.kind)
        database = await Database.open(
            settings.database.path,
            ids=self._ids,
            clock=self._clock,
            parse_rule=parse_rule,
            audit_key=self._keyring.audit_key,
            row_key=self._keyring.row_key,
            busy_timeout_ms=settings.database.busy_timeout_ms,
        )
        stack.push_async_callback(database.close)
        self._chains = await import_quietly(lambda: build_chains(settings, self._clock))
        for chain in self._chains.values():
            stack.push_async_callback(chain.close)
        self._prices = await import_quietly(
            lambda: build_prices(settings, self._clock, self._chains)
        )
        stack.push_async_callback(self._prices.close)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        app = self._app = compose(self._ground(database, vault, tasks))
        database.told = app.outbox.wake
        try:
            await self._open(app, database)
        except WalletError as error:  # not through the group, which would wrap it
            self._failure = error
            return
        loop = self._start_loops(tasks, app)
        stack.callback(loop.stop)
        self._ready = True
        facts = _daemon_facts(agent_url, owner_path, self._started_at)
        _write_daemon_file(settings.data_dir, facts)
        self._launch.announce(facts)
        stack.callback((settings.data_dir / "daemon.json").unlink, missing_ok=True)
        log.info("ready", agent_url=agent_url, locked=app.unlocking.is_locked)
        tasks.create_task(self._run_bot(app, header.bot_api_url))
        await self._stopping.wait()
        await self._note_end(app, database)

    async def _note_end(self, app: App, database: Database) -> None:
        await database.run(
            lambda unit: unit.audit.append(
                Fact.DAEMON_STOPPED, actor="system", at=self._clock.now()
            )
        )
        try:
            await app.freshness.note()
        except (OSError, WalletError):  # the next start compares with the one of a moment ago
            log.exception("anchor_not_written")

    async def _open(self, app: App, database: Database) -> None:
        """Take over the stored state, unlock if a password was given, and carry on what a crash left.

        Whether the database is behind the world, and the clock behind the last fact, is asked before
        anything is written.
        """
        await app.clock_watch.load()
        await app.freshness.look()
        await self._note_start(database)
        await app.safety.load()
        await self._look_at_audit(app)
        if self._launch.password is not None and self._gate.is_normal:
            try:
                await app.unlocking.unlock(self._launch.password.reveal())
            except UnavailableError as error:
                if error.code is not Code.SYSTEM_LOCKED:
                    raise
                log.warning("started_stopped", message=error.message, hint=error.hint)
        await app.executor.carry_on()

    async def _note_start(self, database: Database) -> None:
        about = {"version": __version__}
        now = self._clock.now()
        try:
            await database.run(
                lambda unit: unit.audit.append(
                    Fact.DAEMON_STARTED, actor="system", at=now, details=about
                )
            )
        except UnavailableError as error:  # a full disk must not keep what is signed from settling
            log.warning("start_not_noted", message=error.message)

    async def _look_at_audit(self, app: App) -> None:
        """What can be seen of the newest rows without the key; an unlock looks again with it."""
        try:
            await app.guard.require_sound_tail(None)
        except UnavailableError as error:
            log.warning("started_stopped", message=error.message, hint=error.hint)

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
            telegram = build(token.strip(), base_url, desk, heard=self._heard_time)
        except WalletError as error:
            refusal = error.message
            self._bot_facts = lambda: {"state": "REFUSED", "lastError": refusal}
            log.error("bot_not_started", code=error.code.value)  # noqa: TRY400
            return
        self._bot_facts = telegram.status.as_dict
        app.outbox.attach(telegram.channel)
        await telegram.run(self._stopping)

    def _heard_time(self, at: int) -> None:
        self._clock_guard.hear(at, "Telegram")

    def _ground(self, database: Database, vault: KeyVault, tasks: asyncio.TaskGroup) -> Ground:
        def spawn(work: Coroutine[Any, Any, None]) -> object:
            return tasks.create_task(work)

        async def doctor() -> Mapping[str, Any]:
            return await examine(self._settings, self._chains, self._prices, self._bot_facts())

        return Ground(
            settings=self._settings,
            clock=self._clock,
            ids=self._ids,
            checkpoints=self._checkpoints,
            database=database,
            vault=vault,
            keyring=self._keyring,
            gate=self._gate,
            clock_guard=self._clock_guard,
            is_sandbox=self._launch.kind == "sandbox",
            chains=self._chains,
            spawn=spawn,
            started_at=self._started_at,
            stop=self._stopping.set,
            bot=self._bot_says,
            jobs=lambda: {"failing": self._heartbeat.failing},
            doctor=doctor,
            prices=self._prices,
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


def _import_bot(load: Callable[..., bool], *, plain: bool) -> None:
    load(plain=plain)
    import bot.app  # noqa: F401, PLC0415 - heavy


def _daemon_facts(agent_url: str, owner: Path, started_at: int) -> Mapping[str, object]:
    return {
        "pid": os.getpid(),
        "version": __version__,
        "agent_url": agent_url,
        "owner_socket": str(owner),
        "started_at": started_at,
    }


def _write_daemon_file(data_dir: Path, facts: Mapping[str, object]) -> None:
    temporary = data_dir / "daemon.json.new"
    with suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(facts, file)
    temporary.replace(data_dir / "daemon.json")
