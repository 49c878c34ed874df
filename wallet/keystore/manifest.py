"""What a backup says it holds: a closed list of names, each with its size and SHA-256. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from wallet.errors import Code, KeystoreError
from wallet.keystore.profiles import Kind

VERSION: Final = 1
MAX_BYTES: Final = 16 * 1024 * 1024  # some 100,000 wallets
HEADER: Final = "keystore/header.json"
KIND: Final = "kind"
# What may stand in a data directory beside keystore and database, and is worth keeping.
OTHERS: Final = ("bot_token", "choices.json", "config.toml", KIND)

_SMALL_BYTES: Final = 64 * 1024  # wallet.keystore.files reads no more either
_CONFIG_BYTES: Final = 1024 * 1024
_UUID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_KEYSTORE = re.compile(
    rf"keystore/(?:wallets/{_UUID}|secrets/[A-Za-z0-9][A-Za-z0-9.]{{0,63}})\.json"
)
_DATABASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.db")
_HASH = re.compile(r"[0-9a-f]{64}")
_FIELDS: Final = {"version", "product", "created_at", "kind", "keystore_id", "audit", "files"}


def damaged(why: str) -> KeystoreError:
    return KeystoreError(
        Code.BACKUP_DAMAGED,
        f"The backup file is damaged or was changed: {why}.",
        hint="Nothing was touched. Take another copy of it, or an older backup.",
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: its name below the data directory, its bytes and their SHA-256 in hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """``created_at`` in epoch milliseconds; ``audit`` is number and hash of the newest audit row."""

    product: str
    created_at: int
    kind: Kind
    keystore_id: str
    audit: tuple[int, str]
    entries: tuple[Entry, ...]

    @property
    def database(self) -> str:
        return next(one.name for one in self.entries if is_database(one.name))

    @property
    def wallet_ids(self) -> list[str]:
        names = (one.name for one in self.entries if one.name.startswith("keystore/wallets/"))
        return [name.rpartition("/")[2].removesuffix(".json") for name in names]

    def to_bytes(self) -> bytes:
        """Canonical JSON: sorted keys, compact, ASCII."""
        body = {
            "version": VERSION,
            "product": self.product,
            "created_at": self.created_at,
            "kind": str(self.kind),
            "keystore_id": self.keystore_id,
            "audit": {"number": self.audit[0], "head": self.audit[1]},
            "files": [
                {"name": one.name, "size": one.size, "sha256": one.sha256} for one in self.entries
            ],
        }
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return text.encode("ascii")


def is_database(name: str) -> bool:
    """Whether a database of this name can be in a backup: beside ``config.toml``, ending in ``.db``."""
    return _DATABASE.fullmatch(name) is not None


def is_of_keystore(name: str) -> bool:
    return name == HEADER or _KEYSTORE.fullmatch(name) is not None


def parse_manifest(raw: bytes) -> Manifest:
    """Raise BACKUP_DAMAGED for whatever ``to_bytes`` would not have written."""
    if (
        raw.count(b"[") > 1 or raw.count(b":{") > 1
    ):  # deeper than ours: it could exhaust the decoder's stack
        raise damaged("its list of contents is not as written")
    try:
        body = json.loads(raw)
        if set(body) != _FIELDS or body["version"] != VERSION:
            raise damaged("its list of contents is not as written")
        manifest = Manifest(
            product=body["product"],
            created_at=body["created_at"],
            kind=Kind(body["kind"]),
            keystore_id=body["keystore_id"],
            audit=(body["audit"]["number"], body["audit"]["head"]),
            entries=tuple(_entry(one) for one in body["files"]),
        )
        is_typed = _is_typed(manifest)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise damaged("its list of contents is not as written") from None
    if not is_typed or manifest.to_bytes() != raw:
        raise damaged("its list of contents is not as written")
    require_expected(manifest.entries)
    return manifest


def require_expected(entries: Iterable[Entry]) -> None:
    """Raise BACKUP_DAMAGED unless these are names of ours, in order, each once, and what must be there is."""
    names = []
    for entry in entries:
        _require_known(entry)
        names.append(entry.name)
    if names != sorted(set(names)):
        raise damaged("its list of contents is not in order")
    if HEADER not in names or KIND not in names or sum(map(is_database, names)) != 1:
        raise damaged("its list of contents lacks keystore, kind or database")


def _require_known(entry: Entry) -> None:
    if is_database(entry.name):
        return
    if is_of_keystore(entry.name) or entry.name in OTHERS:
        most = _CONFIG_BYTES if entry.name == "config.toml" else _SMALL_BYTES
        if entry.size <= most:
            return
        raise damaged(f"{entry.name} is longer than it can be")
    raise _unknown()


def _unknown() -> KeystoreError:
    """The name itself is not repeated: it is somebody else's text."""
    return damaged("its list of contents names a file that no backup holds")


def _entry(body: Mapping[str, Any]) -> Entry:
    return Entry(body["name"], body["size"], body["sha256"])


def _is_typed(manifest: Manifest) -> bool:
    texts = (manifest.product, manifest.keystore_id, *(one.name for one in manifest.entries))
    numbers = (manifest.created_at, manifest.audit[0], *(one.size for one in manifest.entries))
    hashes = (manifest.audit[1], *(one.sha256 for one in manifest.entries))
    return (
        all(type(text) is str and text.isprintable() for text in texts)
        and all(type(number) is int and number >= 0 for number in numbers)
        and all(type(one) is str and _HASH.fullmatch(one) for one in hashes)
    )
