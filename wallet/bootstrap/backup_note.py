"""The note in a data directory about its last backup: when, up to which audit row, and of which wallets."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wallet.keystore.files import write_private
from wallet.keystore.manifest import Manifest

NOTE: Final = "last_backup.json"


@dataclass(frozen=True, slots=True)
class Note:
    """``created_at`` in epoch seconds."""

    created_at: int
    wallet_ids: frozenset[str]


def write_note(home: Path, manifest: Manifest) -> None:
    note = {
        "createdAt": manifest.created_at // 1000,
        "auditNumber": manifest.audit[0],
        "wallets": manifest.wallet_ids,
    }
    text = json.dumps(note, sort_keys=True) + "\n"
    write_private(home / NOTE, text.encode(), replace=True)


def read_note(home: Path) -> Note | None:
    """None where there is none that can be read."""
    try:
        found = json.loads((home / NOTE).read_text())
        return Note(int(found["createdAt"]), frozenset(map(str, found["wallets"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None
