"""``KeyVault``: the daemon's end of the signer process. Holds no keys; killing the child is the wipe."""

import asyncio
import itertools
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Self, cast

from wallet.domain.permits import Permit
from wallet.errors import Code, KeystoreError
from wallet.ports.vault import Subkeys, WalletKey
from wallet.signer.protocol import (
    BrokenFrameError,
    Frames,
    HeaderFacts,
    Json,
    Status,
    encode,
    error_from_json,
    from_base64,
    to_base64,
)

# Seconds. A key derivation may wait for another one and for a machine that is busy or swapping.
QUICK_SECONDS: Final = 10.0
SLOW_SECONDS: Final = 60.0
_EXIT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class TotpEnrolment:
    """Shown once on the host's terminal and forgotten: base32 secret and otpauth URI."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


class KeyVault:
    """Speaks to one signer at a time. Every call is bounded and fails with SIGNER_GONE when it dies.

    ``locked`` is what the last answers said; a dead signer is locked.
    """

    options: ClassVar[tuple[str, ...]] = ()  # of the child's command line

    def __init__(self, keystore_dir: Path) -> None:
        self._keystore_dir = keystore_dir
        self._child: _Child | None = None
        self._told: HeaderFacts | None = None  # what was believed of the keystore so far

    @classmethod
    async def start(cls, keystore_dir: Path) -> Self:
        """Spawn a locked signer over ``keystore_dir``, which need not exist yet."""
        vault = cls(keystore_dir)
        await vault.restart()
        return vault

    @property
    def locked(self) -> bool:
        return self._child is None or self._child.locked

    @property
    def alive(self) -> bool:
        return self._child is not None and not self._child.gone

    @property
    def pid(self) -> int | None:
        return None if self._child is None else self._child.pid

    def kill(self) -> None:
        """End the signer at once. From any thread; safe to call twice; what is in flight fails."""
        if self._child is not None:
            self._child.kill()

    async def restart(self) -> None:
        """End the signer, if there is one, and start a fresh, locked one."""
        await self.close()
        self._child = await _Child.spawn(self._keystore_dir, self.options)
        try:
            await self._quick("ping")
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End the signer and wait until it is gone."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            await child.wait()

    # keystore

    async def create_keystore(
        self, password: str, *, kind: str, profile: str, bot_api_url: str | None = None
    ) -> HeaderFacts:
        """Make a new keystore and leave it locked. Raise ConflictError when there is one."""
        return HeaderFacts(
            **await self._slow(
                "create_keystore",
                password=password,
                kind=kind,
                profile=profile,
                bot_api_url=bot_api_url,
            )
        )

    async def header(self) -> HeaderFacts:
        """Read the header's public facts; the file's word until an unlock has authenticated them."""
        found = HeaderFacts(**await self._quick("header"))
        self._told = self._told or found
        return found

    async def status(self) -> Status:
        return Status.from_json(await self._quick("status"))

    async def guards(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = await self._quick("guards")
        return found

    async def unlock(self, password: str) -> Subkeys:
        """Open everything or nothing. Raise WRONG_PASSWORD, KEYSTORE_CORRUPTED, KEYSTORE_MISSING.

        KEYSTORE_CORRUPTED, with the signer ended, also where ``header`` told of another keystore before: whoever
        asked acts on it, and speaks to the Bot API that it named.
        """
        child = self._living()
        subkeys = await child.call("unlock", {"password": password}, SLOW_SECONDS)
        await self._require_as_told()
        child.unlocked()
        return Subkeys(**{name: bytes.fromhex(key) for name, key in subkeys.items()})

    async def _require_as_told(self) -> None:
        told = self._told
        if told is None or (await self.header()).names == told.names:
            return
        self.kill()
        raise KeystoreError(
            Code.KEYSTORE_CORRUPTED,
            "The keystore's header.json was another one when this process read it.",
            hint="Somebody changed it meanwhile. See that it is yours, then start anew.",
        )

    async def lock(self) -> None:
        """Forget the keys and keep the process. For an emergency, ``kill`` is the stronger word."""
        child = self._living()
        await child.call("lock", {}, QUICK_SECONDS)
        child.locked = True

    async def verify_password(self, password: str) -> bool:
        """Tell whether it is the master password; works while locked and unlocks nothing."""
        try:
            await self._slow("verify_password", password=password)
        except KeystoreError as error:
            if error.code is Code.WRONG_PASSWORD:
                return False
            raise
        return True

    # wallets

    async def create_wallet(self, wallet_id: str, chain: str, network: str) -> WalletKey:
        """Make a key durably. Raise ConflictError for a known id, InputError for a bad one."""
        made = await self._slow("create_wallet", wallet_id=wallet_id, chain=chain, network=network)
        return WalletKey(**made)

    async def wallets(self) -> list[WalletKey]:
        """List the public sides of all keys; while locked they are only what the files say."""
        return [WalletKey(**wallet) for wallet in (await self._quick("status"))["wallets"]]

    async def sign(self, permit: Permit, payload: bytes) -> bytes:
        """Spend ``permit``. EVM: 65 bytes r || s || y_parity; Solana: 64 bytes."""
        signature = await self._quick("sign", permit=permit.to_dict(), payload=to_base64(payload))
        return from_base64(signature)

    # codes

    async def totp_enrol(self) -> TotpEnrolment:
        """Make a pending secret; the one in force stays so until ``totp_confirm``."""
        return TotpEnrolment(**await self._slow("totp_enrol"))

    async def totp_confirm(self, code: str, now_ms: int) -> int | None:
        """Put the pending secret in force; return the time step spent on it, None for a wrong code."""
        step: int | None = await self._slow("totp_confirm", code=code, now_ms=now_ms)
        return step

    async def totp_check(self, code: str, now_ms: int) -> int | None:
        """Return the code's time step, or None. Spending the step is the caller's duty."""
        step: int | None = await self._quick("totp_check", code=code, now_ms=now_ms)
        return step

    async def totp_enrolled(self) -> bool:
        return bool(await self._quick("totp_enrolled"))

    async def _quick(self, operation: str, **args: Any) -> Any:
        return await self._living().call(operation, args, QUICK_SECONDS)

    async def _slow(self, operation: str, **args: Any) -> Any:
        return await self._living().call(operation, args, SLOW_SECONDS)

    def _living(self) -> "_Child":
        if self._child is None:
            raise _gone()
        return self._child


class _Child(asyncio.Protocol):
    """One signer process, its connection, and the calls waiting for its answers."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.locked = True
        self.gone = False
        self._process = process
        self._frames = Frames()
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def spawn(cls, keystore_dir: Path, options: tuple[str, ...]) -> "_Child":
        process, connection = await asyncio.to_thread(_spawn, keystore_dir, options)
        child = cls(process)
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: child, sock=connection)
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    def unlocked(self) -> None:
        self.locked = self.gone

    def kill(self) -> None:
        self.gone = True
        self.locked = True
        self._process.kill()

    async def wait(self) -> None:
        """Wait for the end of the process and of the connection."""
        await asyncio.to_thread(self._process.wait, _EXIT_SECONDS)
        if self._transport is not None:
            self._transport.abort()
        self._fail_all()

    async def call(self, operation: str, args: Json, seconds: float) -> Any:
        if self.gone or self._transport is None:
            raise _gone()
        number = next(self._ids)
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            async with asyncio.timeout(seconds):
                self._transport.write(encode({"id": number, "op": operation, "args": args}))
                return await future
        except TimeoutError:
            raise KeystoreError(
                Code.SIGNER_GONE, f"The signer did not answer within {seconds:.0f} s."
            ) from None
        finally:
            self._waiting.pop(number, None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, because uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.gone:
            return  # killed: an answer that was on its way is no answer any more
        try:
            for answer in self._frames.feed(data):
                self._settle(answer)
        except BrokenFrameError:
            self.kill()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio names it
        self.kill()
        self._fail_all()

    def _settle(self, answer: Json) -> None:
        future = self._waiting.get(answer["id"])
        if future is None or future.done():
            return
        if "error" in answer:
            future.set_exception(error_from_json(answer["error"]))
        else:
            future.set_result(answer["result"])

    def _fail_all(self) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(_gone())


def _spawn(
    keystore_dir: Path, more: tuple[str, ...]
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-I", "-m", "wallet.signer.main"]
    options = ["--fd", str(theirs.fileno()), "--keystore", str(keystore_dir.absolute())]
    with theirs:
        process = subprocess.Popen(
            [*command, *options, *more],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            # The daemon's environment may hold the master password; the signer needs none of it.
            env={},
        )
    return process, ours


def _gone() -> KeystoreError:
    return KeystoreError(
        Code.SIGNER_GONE, "The signer is not running.", hint="Unlock again: waiaas unlock"
    )
