"""A database file of today's schema, migrated once per process: building the schema anew takes a second or two."""

import asyncio
import os
import tempfile
from pathlib import Path

from tests.support.clock import SettableClock
from tests.support.ids import DeterministicIds
from wallet.persistence.database import Database
from wallet.wire.policies import parse_rule

_made: list[bytes] = []


async def lay_down(path: Path) -> None:
    """Put an empty, migrated database at ``path`` where there is none. What opens it finds nothing to migrate."""
    if path.exists():  # noqa: ASYNC240 - one look at the disk
        return
    if not _made:
        _made.append(await _migrated())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(_made[0])


async def _migrated() -> bytes:
    """What a daemon makes of a file that is not there; closing it moves the whole log into it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        database = await Database.open(
            path,
            ids=DeterministicIds(),
            clock=SettableClock(),
            parse_rule=parse_rule,
            audit_key=lambda: None,
            row_key=lambda: None,
        )
        await database.close()
        return await asyncio.to_thread(path.read_bytes)
