"""More than one process, and processes that die."""

import sqlite3
from pathlib import Path

from tests.integration.persistence.conftest import Child
from tests.support.stores import World, opened
from wallet.domain.audit_chain import verify
from wallet.persistence.database import Database


async def test_two_processes_lose_no_transaction(
    store: Database, child: Child, path: Path
) -> None:
    children = [child("count", 150), child("count", 150)]
    for running in children:
        _, errors = running.communicate(timeout=60)
        assert running.returncode == 0, errors
    assert await store.read(lambda u: u.authority.counter("shared")) == (300, 0)
    rows = await store.read(lambda u: u.audit.rows())
    assert len(rows) == 300
    assert verify(rows, None).is_sound


async def test_what_a_killed_process_said_was_committed_is_there(
    store: Database, child: Child, path: Path, world: World
) -> None:
    await store.close()
    said = -1
    for kill_after in (1, 20, 55):
        with sqlite3.connect(path) as empty:
            empty.execute("DELETE FROM transactions")
            empty.execute("DROP TRIGGER IF EXISTS audit_refuses_delete")
            empty.execute("DELETE FROM audit")
        empty.close()
        writer = child("write", 100_000)
        assert writer.stdout is not None
        for line in writer.stdout:
            said = int(line)
            if said >= kill_after:
                break
        writer.kill()
        rest, _ = writer.communicate(timeout=20)
        said = max([said, *map(int, rest.split("\n")[:-1])])
        async with opened(path, world) as again:
            rows = await again.read(lambda u: u.audit.rows(limit=10_000))
            assert len(rows) >= said + 1 > kill_after
            assert verify(rows, None).is_sound
            stored = again._client.raw.execute("SELECT count(*) FROM transactions").fetchone()[0]
            assert stored == len(rows)
            checked = again._client.raw.execute("PRAGMA integrity_check").fetchone()[0]
            assert checked == "ok"


def test_a_process_that_opens_and_closes_a_store_ends(child: Child) -> None:
    running = child("nothing")
    _, errors = running.communicate(timeout=30)
    assert (running.returncode, errors) == (0, "")


def test_a_process_that_dies_of_a_bug_with_an_open_store_ends_too(child: Child) -> None:
    running = child("die_open")
    _, errors = running.communicate(timeout=30)
    assert running.returncode == 1
    assert "LookupError" in errors
