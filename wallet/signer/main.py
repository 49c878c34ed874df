"""The child process: ``python -m wallet.signer.main --fd N --keystore DIR``.

Reads requests from an inherited socket, answers them, ends when the socket closes. No network, no database,
no environment. Key derivation and file writing run on one worker thread, so that signing goes on meanwhile.
"""

import argparse
import os
import queue
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NoReturn

from wallet.domain.permits import Permit
from wallet.errors import Code, KeystoreError, WalletError
from wallet.signer.hardening import harden
from wallet.signer.protocol import (
    BrokenFrameError,
    Frames,
    Json,
    encode,
    error_to_json,
    from_base64,
    to_base64,
)
from wallet.signer.vault import Vault

_READ_BYTES: Final = 64 * 1024
Operation = Callable[[Vault, Json], Any]


def _unlock(vault: Vault, args: Json) -> Json:
    return vault.unlock(args["password"], args["locks_seen"]).to_hex()


def _create_keystore(vault: Vault, args: Json) -> Json:
    made = vault.create_keystore(
        args["password"], args["kind"], args["profile"], args["bot_api_url"]
    )
    return made.to_json()


def _create_wallet(vault: Vault, args: Json) -> Json:
    return vault.create_wallet(args["wallet_id"], args["chain"], args["network"]).to_json()


def _sign(vault: Vault, args: Json) -> str:
    permit = Permit.from_dict(args["permit"])
    return to_base64(vault.sign(permit, from_base64(args["payload"])))


def _totp_enrol(vault: Vault, _: Json) -> Json:
    enrolment = vault.totp_enrol()
    return {"secret": enrolment.secret, "uri": enrolment.uri}


QUICK: Final[dict[str, Operation]] = {
    "ping": lambda _vault, _args: "pong",
    "status": lambda vault, _args: vault.status().to_json(),
    "header": lambda vault, _args: vault.header().to_json(),
    "guards": lambda vault, _args: vault.guards(),
    "lock": lambda vault, _args: vault.lock(),
    "sign": _sign,
    "totp_check": lambda vault, args: vault.totp_check(args["code"], args["now_ms"]),
    "totp_enrolled": lambda vault, _args: vault.totp_enrolled(),
}
SLOW: Final[dict[str, Operation]] = {
    "unlock": _unlock,
    "verify_password": lambda vault, args: vault.verify_password(args["password"]),
    "create_keystore": _create_keystore,
    "create_wallet": _create_wallet,
    "totp_enrol": _totp_enrol,
    "totp_confirm": lambda vault, args: vault.totp_confirm(args["code"], args["now_ms"]),
}
# Keys leave or change their seal: no signer of a daemon knows these, whatever its daemon asks for.
OFFLINE: Final[dict[str, Operation]] = {
    "change_password": lambda vault, args: vault.change_password(
        args["new_password"], args["profile"], rewrap=args["rewrap"]
    ),
    "import_key": lambda vault, args: vault.import_key(
        args["wallet_id"], args["network"], from_base64(args["text"]), args["password"]
    ).to_json(),
    "export_key": lambda vault, args: to_base64(
        vault.export_key(args["wallet_id"], args["network"], args["name"], args["password"])
    ),
}


class Server:
    """Serves one connection until it closes."""

    def __init__(
        self, connection: socket.socket, vault: Vault, slow: Mapping[str, Operation] = SLOW
    ) -> None:
        self._connection = connection
        self._vault = vault
        self._slow_operations = slow
        self._sending = threading.Lock()
        self._slow: queue.SimpleQueue[Json] = queue.SimpleQueue()

    def serve(self) -> None:
        threading.Thread(target=self._work, daemon=True).start()
        frames = Frames()
        while data := self._connection.recv(_READ_BYTES):
            for request in frames.feed(data):
                if request["op"] in self._slow_operations:
                    request["args"]["locks_seen"] = self._vault.locks_seen
                    self._slow.put(request)
                else:
                    self._answer(request, QUICK)

    def _work(self) -> None:
        while True:
            self._answer(self._slow.get(), self._slow_operations)

    def _answer(self, request: Json, operations: Mapping[str, Operation]) -> None:
        answer: Json = {"id": request["id"]}
        try:
            answer["result"] = operations[request["op"]](self._vault, request["args"])
        except WalletError as error:
            answer["error"] = error_to_json(error)
        except Exception as error:  # noqa: BLE001 - the pipe is an edge: a bug is an answer, not an end
            answer["error"] = error_to_json(_bug(error))
        with self._sending:
            self._connection.sendall(encode(answer))


def _bug(error: BaseException) -> KeystoreError:
    """Name the kind of error and its place; its text might quote a secret."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    return KeystoreError(
        Code.INTERNAL_ERROR, f"The signer failed: {type(error).__name__} at {place}."
    )


def _quiet(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    sys.stderr.write(f"{_bug(error).message if error.__traceback__ else kind.__name__}\n")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main() -> NoReturn:
    sys.excepthook = _quiet
    threading.excepthook = lambda _: os._exit(1)
    harden()
    parser = argparse.ArgumentParser(prog="waiaas-signer")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--keystore", type=Path, required=True)
    parser.add_argument("--offline", action="store_true")
    options = parser.parse_args()
    slow = SLOW | OFFLINE if options.offline else SLOW
    vault = Vault(options.keystore, _now_ms)
    try:
        with socket.socket(fileno=options.fd) as connection:
            Server(connection, vault, slow).serve()
    except (OSError, BrokenFrameError) as error:
        sys.stderr.write(f"{_bug(error).message}\n")
    vault.lock()
    # At once: the worker may be in the middle of an Argon2id that nobody waits for any more.
    os._exit(0)


if __name__ == "__main__":
    main()
