"""A data directory's files into a sealed stream, and out of it into a directory that was empty before.

Inside the stream: four bytes with the length of the manifest, the manifest, then the files' bytes in its order.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from wallet.keystore.files import sync_directory
from wallet.keystore.manifest import MAX_BYTES, Entry, Manifest, damaged, parse_manifest
from wallet.keystore.sealed_stream import SealedReader, SealedWriter

_LENGTH_BYTES: Final = 4
_PART_BYTES: Final = 1024 * 1024


def entry_of(root: Path, name: str) -> Entry:
    """Size and hash of a file that nobody changes any more."""
    digest, size = hashlib.sha256(), 0
    with (root / name).open("rb") as file:
        for part in _parts(file):
            digest.update(part)
            size += len(part)
    return Entry(name, size, digest.hexdigest())


def pack(writer: SealedWriter, root: Path, manifest: Manifest) -> None:
    """Write everything the manifest names, and the end."""
    listed = manifest.to_bytes()
    writer.write(len(listed).to_bytes(_LENGTH_BYTES))
    writer.write(listed)
    for entry in manifest.entries:
        with (root / entry.name).open("rb") as file:
            for part in _parts(file):
                writer.write(part)
    writer.finish()


def unpack(reader: SealedReader, root: Path) -> Manifest:
    """Everything into ``root``, an empty directory of 0700, as synced files of 0600.

    Raise BACKUP_DAMAGED for whatever is not exactly what the manifest says; ``root`` is then good for nothing.
    """
    length = int.from_bytes(reader.read(_LENGTH_BYTES))
    if length > MAX_BYTES:
        raise damaged("its list of contents is too long")
    manifest = parse_manifest(reader.read(length))
    if manifest.kind is not reader.preamble.kind:
        raise damaged("inside it is of another kind than outside")
    folders = [root, root / "keystore", root / "keystore/wallets", root / "keystore/secrets"]
    for folder in folders[1:]:
        folder.mkdir(mode=0o700)
    for entry in manifest.entries:
        _write(root / entry.name, entry, reader.read)
    reader.finish()
    for folder in reversed(folders):
        sync_directory(folder)
    return manifest


def _write(path: Path, entry: Entry, read: Callable[[int], bytes]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    digest, left = hashlib.sha256(), entry.size
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        while left:
            part = read(min(left, _PART_BYTES))
            digest.update(part)
            file.write(part)
            left -= len(part)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != entry.sha256:
        raise damaged(f"{entry.name} is not what its list of contents says")


def _parts(file: BinaryIO) -> Iterator[bytes]:
    while part := file.read(_PART_BYTES):
        yield part
