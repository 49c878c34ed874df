"""`waiaas sandbox`: starts the stand-ins and the real daemon, fills it, keeps it running, and ends all of it.

The stand-ins outlive restarts of the daemon, not this process. A daemon that dies is started again
at once, on the same port and the same directory.
"""

import asyncio
import json
import shutil
import signal
import sys
from collections.abc import Awaitable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from wallet.domain.chains import ChainName
from wallet.errors import Code, UnavailableError, WalletError, bad_field
from wallet.operations.setup import Birth
from wallet.sandbox import words
from wallet.sandbox.agent import Agent
from wallet.sandbox.place import Place, config_text, free_port, place
from wallet.sandbox.prepare import Held, OwnerClient, World, prepare
from wallet.sandbox.processes import Child, end_all, ready_line, spawn
from wallet.sandbox.renewal import Renewal
from wallet.settings import CONFIG_FILE, Secret, child_environment, environment, load

READY_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.02
FAILURES: Final = 5
FIRST_SECONDS: Final = 3.0  # what leaves at once is told before the chat is
_PASSED_ON: Final = ("WAIAAS_TELEGRAM_PLAIN_IMPORT",)
_KILL_AT: Final = "WAIAAS_SANDBOX_KILL_AT"


def _kill_points() -> list[str]:
    return environment().get(_KILL_AT, "").split(",")


@dataclass(frozen=True, slots=True)
class Options:
    """How `waiaas sandbox` was called."""

    port: int = 3100
    delay_seconds: int = 10
    demo: bool = True
    evm: str = "py-evm"
    data_dir: Path | None = None
    as_json: bool = False


@dataclass(slots=True)
class Sandbox:
    """One run. ``stopping`` is set by a signal, or by a child that cannot be done without."""

    options: Options
    place: Place
    port: int
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    stand_ins: dict[str, Child] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    daemon: Child | None = None
    failure: WalletError | None = None
    is_announced: bool = False
    # Where each daemon in turn kills itself, for rehearsing crashes; "" and the end of the list: nowhere.
    kill_at: Iterator[str] = field(default_factory=lambda: iter(_kill_points()))

    # ---- children

    async def start_stand_ins(self) -> None:
        evm = ["wallet.sandbox.evm", "--exit-with-stdin", *_engine(self.options.evm)]
        modules = {
            "evm": evm,
            "solana": ["wallet.sandbox.solana", "--exit-with-stdin"],
            "telegram": ["wallet.sandbox.telegram", "--exit-with-stdin"],
        }
        environ = child_environment(environment())
        for name, arguments in modules.items():
            self.stand_ins[name] = await spawn(name, arguments, environ)
        # The directory needs the Bot API's address only, so it is made while the chains still load.
        self.facts["telegram"] = await ready_line(self.stand_ins["telegram"])
        await self.initialise()
        for name in ("evm", "solana"):
            self.facts[name] = await ready_line(self.stand_ins[name])
        text = config_text(self.port, self.facts["evm"], self.facts["solana"])
        self.place.write_private(CONFIG_FILE, text)

    async def initialise(self) -> None:
        from wallet.bootstrap.setup import initialise  # noqa: PLC0415 - heavy

        telegram = self.facts["telegram"]
        birth = Birth(
            kind="sandbox",
            profile="CHEAPEST",
            password=self.place.password.reveal(),
            bot_api_url=telegram["api"],
        )
        await initialise(load(self.place.home, {}), birth, Secret(telegram["token"]))

    async def start_daemon(self) -> None:
        source = environment()
        environ = child_environment(source)
        environ.update({name: source[name] for name in _PASSED_ON if name in source})
        point = next(self.kill_at, "")
        if point:
            environ[_KILL_AT] = point
        arguments = ["wallet", "start", "--sandbox", "--exit-with-stdin"]
        where = ["--data-dir", str(self.place.home)]
        password = ["--password-file", str(self.place.password_file)]
        self.daemon = await spawn(
            "daemon", [*arguments, *where, *password], environ, log=self.place.log
        )

    async def supervise(self) -> None:
        """Start a dead daemon again, at once; give up when it cannot start at all."""
        failures = 0
        while self.daemon is not None:
            code = await self.daemon.process.wait()
            if self.stopping.is_set():
                return
            failures = failures + 1 if code > 0 else 0
            if failures >= FAILURES:
                self.fail(self.not_starting())
                return
            await self.start_daemon()
            self.say_restarted()

    def say_restarted(self) -> None:
        assert self.daemon is not None
        if not self.is_announced:
            return  # nobody knows the first one yet, and the first line must be the ready one
        if self.options.as_json:
            told = {"daemon_restarted": True, "daemon_pid": self.daemon.pid}
            print(json.dumps(told), flush=True)
        else:
            self.say(f"The daemon died and was started again (pid {self.daemon.pid}).")

    async def watch(self, name: str, child: Child) -> None:
        """The stand-ins are the world: without one of them there is nothing to see."""
        await child.process.wait()
        if not self.stopping.is_set():
            message = f"The local {name} stand-in ended unexpectedly."
            self.fail(UnavailableError(Code.INTERNAL_ERROR, message))

    def fail(self, error: WalletError) -> None:
        self.failure = self.failure or error
        self.stopping.set()

    def show_log(self) -> None:
        """The end of the daemon's log: its directory may be gone in a moment."""
        with suppress(OSError):
            tail = self.place.log.read_text("utf-8", "replace").splitlines()[-12:]
            print("\n".join(tail), file=sys.stderr)

    def not_starting(self) -> WalletError:
        self.show_log()
        return UnavailableError(Code.INTERNAL_ERROR, "The daemon does not start; see above.")

    # ---- the daemon's own word

    async def running(self) -> dict[str, Any]:
        """daemon.json of the present daemon, once it is ready."""
        async with asyncio.timeout(READY_SECONDS):
            while True:
                with suppress(OSError, ValueError):
                    found = json.loads((self.place.home / "daemon.json").read_text())
                    if self.daemon is not None and found["pid"] == self.daemon.pid:
                        return dict(found)
                await asyncio.sleep(POLL_SECONDS)

    def world(self, agent_url: str) -> World:
        return World(
            agent_url=agent_url,
            telegram=self.facts["telegram"],
            controls={
                ChainName.ETHEREUM: self.facts["evm"]["control"],
                ChainName.SOLANA: self.facts["solana"]["control"],
            },
        )

    # ---- words

    def say(self, line: str) -> None:
        if not self.options.as_json:
            print(line, flush=True)

    def ready(self, running: dict[str, Any], held: list[Held]) -> dict[str, Any]:
        """The one line of --json."""
        fields = ("id", "chain", "network", "address")
        return {
            "ready": True,
            "agent_url": running["agent_url"],
            "telegram_url": self.facts["telegram"]["chat"],
            "owner_socket": running["owner_socket"],
            "evm_rpc": self.facts["evm"]["rpc"],
            "solana_rpc": self.facts["solana"]["rpc"],
            "data_dir": str(self.place.home),
            "daemon_pid": running["pid"],
            "wallets": [{name: one.wallet[name] for name in fields} for one in held],
            "sessions": [{"walletId": one.wallet["id"], "token": one.token} for one in held],
            "evm_control": self.facts["evm"]["control"],
            "solana_control": self.facts["solana"]["control"],
            "password_file": str(self.place.password_file),
        }


def run(options: Options) -> int:
    """The whole life of a sandbox; the exit code. Raises WalletError when it cannot begin."""
    if options.evm not in ("py-evm", "anvil"):
        raise bad_field("--evm", "must be py-evm or anvil")
    port = free_port(options.port)
    with place(options.data_dir) as found:
        sandbox = asyncio.run(_life(options, found, port))
    if sandbox.failure is not None:
        raise sandbox.failure
    return 0


async def _life(options: Options, found: Place, port: int) -> Sandbox:
    sandbox = Sandbox(options, found, port)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, sandbox.stopping.set)
    if options.port not in (0, port):
        sandbox.say(f"Port {options.port} is taken; using {port}.")
    try:
        await _until_stopped(sandbox)
    finally:
        sandbox.stopping.set()
        await end_all(sandbox.daemon, list(sandbox.stand_ins.values()))
    return sandbox


async def _until_stopped(sandbox: Sandbox) -> None:
    """Run everything in one group that ends with the first signal or failure."""
    try:
        async with asyncio.TaskGroup() as group:
            working = group.create_task(_guarded(sandbox, _work(sandbox, group)))
            await sandbox.stopping.wait()
            working.cancel()
            _end_group()
    except* _OverError:
        pass


class _OverError(Exception):
    """Ends the task group: that is how its other tasks are cancelled."""


def _end_group() -> None:
    raise _OverError


async def _guarded(sandbox: Sandbox, work: Awaitable[None]) -> None:
    """An expected failure ends the sandbox with its message instead of a traceback."""
    try:
        await work
    except WalletError as error:
        sandbox.show_log()
        sandbox.fail(error)
    except (TimeoutError, httpx.HTTPError):
        sandbox.fail(sandbox.not_starting())


async def _work(sandbox: Sandbox, group: asyncio.TaskGroup) -> None:
    sandbox.say("Starting a local Ethereum, Solana and Telegram …")
    await sandbox.start_stand_ins()
    for name, child in sandbox.stand_ins.items():
        group.create_task(sandbox.watch(name, child))
    await sandbox.start_daemon()
    group.create_task(_guarded(sandbox, sandbox.supervise()))
    running = await sandbox.running()
    owner = OwnerClient(Path(running["owner_socket"]), sandbox.place.password)
    world = sandbox.world(running["agent_url"])
    held = await prepare(owner, world, sandbox.options.delay_seconds)
    for one in held:
        text = words.env_text(one, running["agent_url"])
        sandbox.place.write_private(words.env_file(one), text)
    chat, as_json = sandbox.stand_ins["telegram"], sandbox.options.as_json
    renewal = Renewal(sandbox.place, chat, held, sandbox.running, as_json)
    group.create_task(renewal.serve())
    group.create_task(renewal.watch(owner))
    await _present(sandbox, running, held)


async def _present(sandbox: Sandbox, running: dict[str, Any], held: list[Held]) -> None:
    sandbox.is_announced = True
    if sandbox.options.as_json:
        print(json.dumps(sandbox.ready(running, held)), flush=True)
        return
    delay = sandbox.options.delay_seconds
    sandbox.say(words.welcome(sandbox.place, running["agent_url"], held, delay))
    agent = Agent(running["agent_url"], held, sandbox.say)
    try:
        if sandbox.options.demo:
            await agent.ask()
            await agent.follow(FIRST_SECONDS)
        sandbox.say("\nYou are the owner. Open the chat and answer:\n")
        sandbox.say(sandbox.facts["telegram"]["chat"])
        await agent.follow()
    finally:
        await agent.close()


def _engine(wanted: str) -> list[str]:
    if wanted == "py-evm":
        return ["--engine", "py-evm"]
    binary = environment().get("WAIAAS_ANVIL") or shutil.which("anvil")
    if binary is None:
        raise bad_field("--evm", "anvil is not installed; leave the option out")
    return ["--engine", "anvil", "--anvil", binary]
