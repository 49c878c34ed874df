"""The signer as a process: it starts fast, keeps to itself, dies at once and with its daemon."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import uvloop

from tests.integration.signer.conftest import PASSWORD, World, now_ms, report
from tests.integration.signer.test_signing import evm_payload
from wallet.domain import permits
from wallet.errors import Code, KeystoreError
from wallet.signer import client
from wallet.signer.client import KeyVault
from wallet.signer.protocol import MAX_FRAME_BYTES, BrokenFrameError, Frames, encode

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def gone(pid: int) -> None:
    """Wait, for at most five seconds, until the process has ended."""
    until = time.monotonic() + 5
    while _state(pid) != "Z":
        assert time.monotonic() < until
        time.sleep(0.005)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "Z"


async def test_killing_is_immediate_and_fails_what_is_in_flight(world: World) -> None:
    vault = world.vault
    in_flight = asyncio.gather(
        *(vault.verify_password("wrong") for _ in range(20)), return_exceptions=True
    )
    await asyncio.sleep(0)

    started = time.perf_counter()
    vault.kill()
    vault.kill()
    milliseconds = (time.perf_counter() - started) * 1000

    answers = await asyncio.wait_for(in_flight, 5)
    report(f"kill: {milliseconds:.2f} ms")
    assert milliseconds < 50
    assert vault.locked
    assert not vault.alive
    codes = {answer.code for answer in answers if isinstance(answer, KeystoreError)}
    assert codes == {Code.SIGNER_GONE}
    assert len(answers) == 20


async def test_a_signature_under_way_is_not_delivered_after_a_kill(world: World) -> None:
    payload = evm_payload()
    signing = asyncio.gather(
        world.vault.sign(world.permit(world.evm, payload), payload), return_exceptions=True
    )
    await asyncio.sleep(0)
    time.sleep(0.2)  # the answer is in the socket by now, unread  # noqa: ASYNC251

    world.vault.kill()

    (answer,) = await asyncio.wait_for(signing, 5)
    assert isinstance(answer, KeystoreError)
    assert answer.code is Code.SIGNER_GONE


async def test_a_kill_from_another_thread_works(world: World) -> None:
    pid = world.vault.pid
    assert pid is not None

    await asyncio.to_thread(world.vault.kill)

    gone(pid)
    assert not world.vault.alive


async def test_calls_after_a_kill_say_that_the_signer_is_gone(world: World) -> None:
    world.vault.kill()

    for call in (world.vault.unlock(PASSWORD), world.vault.status(), world.vault.lock()):
        with pytest.raises(KeystoreError) as caught:
            await call
        assert caught.value.code is Code.SIGNER_GONE


async def test_a_restart_after_a_kill_gives_a_fresh_locked_signer(world: World) -> None:
    old = world.vault.pid
    world.vault.kill()

    await world.vault.restart()

    assert world.vault.pid != old
    assert world.vault.alive
    assert world.vault.locked
    assert (await world.vault.status()).locked
    assert await world.vault.unlock(PASSWORD) == world.subkeys


@linux
async def test_a_signer_that_dies_by_itself_is_noticed(world: World) -> None:
    pid = world.vault.pid
    assert pid is not None
    waiting = asyncio.gather(
        *(world.vault.verify_password("wrong") for _ in range(50)), return_exceptions=True
    )
    await asyncio.sleep(0)

    os.kill(pid, signal.SIGKILL)

    answers = await asyncio.wait_for(waiting, 5)
    assert isinstance(answers[-1], KeystoreError)
    assert not world.vault.alive
    assert world.vault.locked


async def test_closing_twice_is_fine_and_starting_is_needed_again(root: Path) -> None:
    vault = await KeyVault.start(root)
    await vault.close()
    await vault.close()
    vault.kill()

    assert vault.locked
    assert not vault.alive
    with pytest.raises(KeystoreError) as caught:
        await vault.totp_enrolled()
    assert caught.value.code is Code.SIGNER_GONE


@linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_signals_of_the_terminal_are_the_daemons_business(
    world: World, number: signal.Signals
) -> None:
    assert world.vault.pid is not None
    os.kill(world.vault.pid, number)

    assert not (await world.vault.status()).locked


@linux
def test_the_signer_dies_with_its_daemon(root: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from wallet.signer.client import KeyVault\n"
        "async def main():\n"
        "    vault = await KeyVault.start(Path(sys.argv[1]))\n"
        "    print(vault.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    daemon = subprocess.Popen([sys.executable, "-c", program, str(root)], stdout=subprocess.PIPE)
    try:
        assert daemon.stdout is not None
        pid = int(daemon.stdout.readline())
        assert _state(pid) != "Z"
    finally:
        daemon.kill()
        daemon.communicate()

    gone(pid)


@linux
async def test_passwords_are_in_no_argument_and_no_environment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAIAAS_MASTER_PASSWORD", PASSWORD)
    await world.vault.restart()
    proc = Path(f"/proc/{world.vault.pid}")

    assert PASSWORD.encode() not in (proc / "cmdline").read_bytes()
    if os.geteuid() == 0:  # not dumpable: nobody else may even look
        assert (proc / "environ").read_bytes().count(b"=") <= 1
    assert PASSWORD not in repr(world.vault)


@linux
async def test_the_signer_leaves_no_core_and_cannot_be_traced(world: World) -> None:
    proc = Path(f"/proc/{world.vault.pid}")
    limits = (proc / "limits").read_text().splitlines()

    core = next(line for line in limits if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]
    if os.geteuid() != 0:
        with pytest.raises(PermissionError):
            (proc / "environ").read_bytes()
    # A process that is not dumpable belongs to root in /proc.
    assert (proc / "stat").stat().st_uid == 0


@linux
def test_the_signer_loads_crypto_and_nothing_that_speaks_to_the_world() -> None:
    program = (
        "import wallet.signer.main, sys; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    )
    output = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()

    heavy = {"asyncio", "aiohttp", "aiogram", "web3", "eth_account", "tortoise", "starlette",
             "httpx", "pydantic", "solders", "ssl", "sqlite3", "logging"}  # fmt: skip
    assert heavy & set(output) == set()
    assert {"nacl", "coincurve", "argon2"} <= set(output)


async def test_a_signer_starts_fast(root: Path) -> None:
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        vault = await KeyVault.start(root)
        seconds.append(time.perf_counter() - started)
        await vault.close()
    report(f"signer start: {min(seconds) * 1000:.0f} ms")
    assert min(seconds) < 2  # 0.15 s on a quiet machine


async def test_a_bug_in_the_signer_is_an_answer_without_secrets(world: World) -> None:
    child = world.vault._living()

    with pytest.raises(KeystoreError, match=r"TypeError|AttributeError") as caught:
        await child.call("unlock", {"password": [PASSWORD]}, 5)

    assert caught.value.code is Code.INTERNAL_ERROR
    assert PASSWORD not in caught.value.message
    assert await child.call("ping", {}, 5) == "pong"


async def test_an_unknown_operation_is_an_error(world: World) -> None:
    with pytest.raises(KeystoreError) as caught:
        await world.vault._living().call("export_keys", {}, 5)

    assert caught.value.code is Code.INTERNAL_ERROR


@linux
async def test_a_signer_that_hangs_is_given_up_in_bounded_time(world: World) -> None:
    assert world.vault.pid is not None
    os.kill(world.vault.pid, signal.SIGSTOP)

    with pytest.raises(KeystoreError, match="did not answer") as caught:
        await world.vault._living().call("ping", {}, 0.05)

    assert caught.value.code is Code.SIGNER_GONE
    os.kill(world.vault.pid, signal.SIGCONT)
    assert await world.vault._living().call("ping", {}, 5) == "pong"


async def test_a_cancelled_call_leaves_the_signer_usable(world: World) -> None:
    checking = asyncio.ensure_future(world.vault.verify_password(PASSWORD))
    await asyncio.sleep(0)
    checking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await checking

    assert await world.vault.verify_password(PASSWORD)


async def test_a_lock_beats_an_unlock_under_way(world: World) -> None:
    await world.vault.restart()
    unlocking = asyncio.gather(
        *(world.vault.unlock(PASSWORD) for _ in range(20)), return_exceptions=True
    )
    await asyncio.sleep(0)
    await world.vault.lock()
    await unlocking

    assert (await world.vault.status()).locked
    assert world.vault.locked


async def test_a_permit_of_the_daemon_is_checked_by_the_signers_own_clock(world: World) -> None:
    payload = evm_payload()
    grant = world.grant(world.evm)
    future = permits.mint(
        world.subkeys.permit, grant, payload=payload, now_ms=now_ms() + 3_600_000
    )

    with pytest.raises(KeystoreError) as caught:
        await world.vault.sign(future, payload)

    assert caught.value.details == {"reason": "early"}


def test_the_client_works_on_uvloop_too(root: Path) -> None:
    async def life() -> None:
        vault = await KeyVault.start(root)
        await vault.create_keystore(PASSWORD, kind="sandbox", profile="CHEAPEST")
        await vault.unlock(PASSWORD)
        checking = asyncio.gather(vault.verify_password("wrong"), return_exceptions=True)
        await asyncio.sleep(0)
        vault.kill()
        (answer,) = await asyncio.wait_for(checking, 5)
        assert isinstance(answer, KeystoreError)
        await vault.restart()
        assert (await vault.status()).locked
        await vault.close()

    uvloop.run(life())


def test_frames_survive_being_cut_anywhere() -> None:
    stream = encode({"id": 1}) + encode({"id": 2, "x": "é"})
    for cut in range(len(stream)):
        frames = Frames()
        got = [*frames.feed(stream[:cut]), *frames.feed(stream[cut:])]
        assert [message["id"] for message in got] == [1, 2]


@pytest.mark.parametrize(
    "data", [b"\xff\xff\xff\xff", b"\0\0\0\1{", b"\0\0\0\2[]", b"\0\0\0\1\xff"]
)
def test_a_broken_frame_is_refused(data: bytes) -> None:
    with pytest.raises(BrokenFrameError):
        list(Frames().feed(data))


def test_a_frame_is_bounded_on_the_way_out() -> None:
    with pytest.raises(BrokenFrameError):
        encode({"payload": "x" * MAX_FRAME_BYTES})


def test_every_call_has_a_bound() -> None:
    assert 0 < client.QUICK_SECONDS <= client.SLOW_SECONDS <= 60
