"""The two HTTP doors on sockets bound beforehand, so that modes and ports are ours to decide."""

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn

LONGEST_SOCKET_PATH = 100  # sun_path holds 104 to 108 bytes, by system


class Server(uvicorn.Server):
    """Serves until told to stop; signals belong to the daemon."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def server(app: Any) -> Server:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )
    return Server(config)


def bind_loopback(host: str, port: int) -> socket.socket:
    """A listening TCP socket. Raises OSError when the port is taken."""
    listener = socket.socket(
        socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM
    )
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted connections inherit it: answers must not wait for Nagle.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
        listener.listen(512)
    except BaseException:
        listener.close()
        raise
    listener.setblocking(False)  # noqa: FBT003 - the socket's own signature
    return listener


def bind_owner_socket(data_dir: Path, runtime_dir: str | None) -> tuple[socket.socket, Path]:
    """A Unix socket only its owner can open, and its path. A path too long moves to a private folder."""
    path = data_dir / "owner.sock"
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        folder = Path(tempfile.mkdtemp(prefix="waiaas-", dir=runtime_dir))
        path = folder / "owner.sock"
    path.unlink(missing_ok=True)
    before = os.umask(0o177)  # a socket is born 0777 less this: 0600
    try:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(os.fspath(path))
    finally:
        os.umask(before)
    listener.listen(64)
    listener.setblocking(False)  # noqa: FBT003 - the socket's own signature
    return listener, path


def remove_owner_socket(path: Path, data_dir: Path) -> None:
    path.unlink(missing_ok=True)
    if path.parent != data_dir:
        with contextlib.suppress(OSError):
            path.parent.rmdir()
