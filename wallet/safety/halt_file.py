"""The file named HALT: a stop that needs no database, written by us or by anybody on the host."""

import os
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

WORDS_BYTES = 600


class HaltFile:
    """Its name is what counts: empty, a folder or a dangling link stop as well."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def is_there(self) -> bool:
        return os.path.lexists(self._path)

    def write(self, at: int, reason: str) -> bool:
        """Create it and sync it to the disk. False where the disk refuses, which must not end the stop."""
        try:
            self._write(f"{at} {reason}\n".encode())
        except OSError:
            log.exception("halt_file_not_written")
            return False
        return True

    def remove(self) -> bool:
        """Take it away after a recovery. False where it could not be, as in a read-only folder."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            log.exception("halt_file_not_removed")
            return False
        return True

    def words(self) -> str:
        """Why the file says that it is there, on one line; empty where it says nothing."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return ""
        try:
            text = os.read(descriptor, WORDS_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""
        finally:
            os.close(descriptor)
        first, _, rest = " ".join(text.split()).partition(" ")
        said = rest if first.isdecimal() else f"{first} {rest}".strip()
        return "".join(character for character in said if character.isprintable())

    def _write(self, line: bytes) -> None:
        flags = os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(self._path, flags, 0o600)
        try:
            if os.fstat(descriptor).st_size == 0:
                os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
