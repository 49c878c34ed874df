"""An empty database with today's schema, migrated once in this process: migrating is most of a small test's time.

What migrating itself does is tested on real empty files, in tests/integration/persistence and by every started process.
"""

import os
import tempfile
from pathlib import Path

from wallet.persistence.schema import migrate
from wallet.persistence.sqlite_engine import ImmediateClient

_made: list[bytes] = []


async def put_schema(path: Path) -> None:
    """Where there is no file yet, lay one there as a first start leaves it."""
    if path.exists():  # noqa: ASYNC240 - a test has nothing else to do
        return
    if not _made:
        _made.append(await _migrated())
    path.touch(mode=0o600)  # noqa: ASYNC240
    path.write_bytes(_made[0])  # noqa: ASYNC240


async def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "empty.db")  # noqa: PTH118
        client = ImmediateClient(
            path, busy_timeout_ms=5000, connection_name="default", journal_mode="WAL"
        )
        await client.create_connection(with_db=True)
        try:
            await migrate(client)
        finally:
            await client.close()
        return Path(path).read_bytes()  # noqa: ASYNC240
