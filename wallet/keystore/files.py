"""Owner-only files: refuse loose permissions, write whole or not at all, never overwrite."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from wallet.errors import Code, ConflictError, InputError, KeystoreError
from wallet.keystore.format import (
    Header,
    SecretFile,
    WalletFile,
    corrupted,
    is_uuid,
    parse_header,
    parse_secret,
    parse_wallet,
)

MAX_FILE_BYTES = 64 * 1024
BOT_TOKEN = "bot_token"  # noqa: S105 - a file name
_LOOSE = stat.S_IRWXG | stat.S_IRWXO


class KeystoreFiles:
    """The keystore directory: ``header.json``, ``wallets/<id>.json``, ``secrets/<name>.json``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.header_path = root / "header.json"
        self.wallets = root / "wallets"
        self.secrets = root / "secrets"

    def exists(self) -> bool:
        return self.header_path.exists()

    def create(self, header: Header) -> None:
        """Make the directories, then the header last: a keystore is there when its header is."""
        self.require_absent()
        self.make_directories()
        self.write_header(header)

    def make_directories(self) -> None:
        for directory in (self.root, self.wallets, self.secrets):
            make_private_directory(directory)

    def write_header(self, header: Header) -> None:
        write_private(self.header_path, header.to_text())

    def require_absent(self) -> None:
        if self.exists() or any(self.wallets.glob("*.json")):
            raise ConflictError(
                Code.ALREADY_INITIALISED,
                f"There is a keystore, or wallets of one, in {self.root}; it was not touched.",
            )

    def read_header(self) -> Header:
        if not self.exists():
            raise KeystoreError(
                Code.KEYSTORE_MISSING,
                f"There is no keystore in {self.root} (no header.json).",
                details={"file": str(self.header_path)},
            )
        for directory in (self.root, self.wallets, self.secrets):
            require_private(directory)
        return parse_header(read_private(self.header_path), str(self.header_path))

    def wallet_path(self, wallet_id: str) -> Path:
        if not is_uuid(wallet_id):
            raise InputError(Code.VALIDATION_ERROR, "A wallet id is a lower-case UUID.")
        return self.wallets / f"{wallet_id}.json"

    def read_wallets(self) -> Iterator[tuple[Path, WalletFile]]:
        """Yield every wallet file. Raise KEYSTORE_CORRUPTED for one that is not as written."""
        for path in sorted(self.wallets.glob("*.json")):
            wallet = parse_wallet(read_private(path), str(path))
            if path.stem != wallet.wallet_id:
                raise corrupted(str(path), "it is the file of another wallet")
            yield path, wallet

    def read_wallet(self, wallet_id: str) -> WalletFile:
        """Raise KEYSTORE_CORRUPTED when it is not there or not as written."""
        path = self.wallet_path(wallet_id)
        return parse_wallet(read_private(path), str(path))

    def write_wallet(self, wallet: WalletFile) -> None:
        write_private(self.wallet_path(wallet.wallet_id), wallet.to_text())

    def secret_path(self, name: str) -> Path:
        if not name.replace(".", "").isalnum() or name.startswith("."):
            raise InputError(Code.VALIDATION_ERROR, "A secret's name is letters, digits and dots.")
        return self.secrets / f"{name}.json"

    def read_secret(self, name: str) -> SecretFile | None:
        path = self.secret_path(name)
        if not path.exists():
            return None
        secret = parse_secret(read_private(path), str(path))
        if secret.name != name:
            raise corrupted(str(path), "it is the file of another secret")
        return secret

    def read_secrets(self) -> Iterator[tuple[Path, SecretFile]]:
        """Yield every secret file. Raise KEYSTORE_CORRUPTED for one that is not as written."""
        for path in sorted(self.secrets.glob("*.json")):
            secret = parse_secret(read_private(path), str(path))
            if self.secret_path(secret.name) != path:
                raise corrupted(str(path), "it is the file of another secret")
            yield path, secret

    def strangers(self) -> list[Path]:
        """What stands in the directory and is none of ours; half-written files do not count."""
        ours = {self.header_path, self.wallets, self.secrets}
        found = [path for path in self.root.iterdir() if path not in ours]
        for directory in (self.wallets, self.secrets):
            found += [path for path in directory.iterdir() if path.suffix != ".json"]
        return sorted(path for path in found if not _is_half_written(path))

    def write_secret(self, secret: SecretFile) -> None:
        write_private(self.secret_path(secret.name), secret.to_text(), replace=True)

    def remove_secret(self, name: str) -> None:
        remove(self.secret_path(name))


def read_secret_file(path: Path) -> str | None:
    """Read an owner-only one-line file such as ``bot_token``; None when there is no such file."""
    if not path.exists():
        return None
    try:
        return read_private(path).decode().strip()
    except UnicodeDecodeError:
        raise corrupted(str(path), "it is not text") from None


def write_secret_file(path: Path, text: str) -> None:
    write_private(path, text.strip().encode() + b"\n", replace=True)


def make_private_directory(path: Path) -> None:
    """Create ``path`` with mode 0700, or require that mode when it is already there."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
        sync_directory(path.parent)
    require_private(path)


def require_private(path: Path) -> None:
    """Raise KEYSTORE_PERMISSIONS with the command that mends it; KEYSTORE_CORRUPTED if absent."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        raise corrupted(str(path), "it is missing") from None
    _judge(path, status)


def read_private(path: Path) -> bytes:
    """Read an owner-only regular file of at most 64 KiB; symbolic links are refused."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise corrupted(str(path), f"it cannot be read ({error.strerror})") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise corrupted(str(path), "it is not a regular file")
        _judge(path, status)
        data = os.read(descriptor, MAX_FILE_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_FILE_BYTES:
        raise corrupted(str(path), "it is too long")
    return data


def write_private(path: Path, data: bytes, *, replace: bool = False) -> None:
    """Write whole or not at all, durably. Unless ``replace``, an existing file is a conflict."""
    require_private(path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        _write_new(temporary, data)
        if replace:
            temporary.replace(path)
        else:
            path.hardlink_to(temporary)  # unlike a rename, a link never replaces
    except FileExistsError:
        raise ConflictError(
            Code.ALREADY_INITIALISED, f"{path} is already there; it was not touched."
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)


def remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    sync_directory(path.parent)


def write_new(path: Path, data: bytes) -> None:
    """Write a new owner-only file durably into any directory. ALREADY_INITIALISED if there is one."""
    try:
        _write_new(path, data)
    except FileExistsError:
        raise ConflictError(
            Code.ALREADY_INITIALISED, f"{path} is already there; it was not touched."
        ) from None
    except OSError as error:
        raise InputError(
            Code.VALIDATION_ERROR, f"{path} cannot be written: {error.strerror}."
        ) from None
    sync_directory(path.parent)


def _is_half_written(path: Path) -> bool:
    return path.name.startswith(".") and path.suffix == ".tmp"


def _write_new(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            path.unlink()
            raise


def _judge(path: Path, status: os.stat_result) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid != os.geteuid():
        raise _permissions(path, "belongs to another user", f"chown {os.geteuid()} {path}")
    if mode & _LOOSE:
        wanted = "700" if stat.S_ISDIR(status.st_mode) else "600"
        raise _permissions(path, f"is open to others (mode {mode:04o})", f"chmod {wanted} {path}")


def _permissions(path: Path, why: str, command: str) -> KeystoreError:
    return KeystoreError(
        Code.KEYSTORE_PERMISSIONS,
        f"{path} {why}. Mend it with: {command}",
        details={"file": str(path)},
        hint=command,
    )


def sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
