"""Migrations: from nothing, again, and from the future; and that models and migrations agree."""

import sqlite3
from pathlib import Path

import pytest
from tortoise.context import TortoiseContext
from tortoise.migrations.autodetector import MigrationAutodetector

from tests.support.stores import World, a_wallet, opened
from wallet.domain.spending import Bucket
from wallet.errors import Code, WalletError
from wallet.persistence.database import Database
from wallet.persistence.schema import APPS


def schema(path: Path) -> list[tuple[str, str]]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    connection.close()
    return found


async def test_an_empty_file_gets_the_schema_and_the_second_open_changes_nothing(
    path: Path,
) -> None:
    async with opened(path, from_nothing=True) as store:
        await store.run(lambda u: u.wallets.add(a_wallet()))
    first = schema(path)
    async with opened(path) as store:
        assert store.reader.wallet("w1") == a_wallet()
    assert schema(path) == first
    assert {"transactions", "audit", "audit_refuses_update", "cards_due"} <= {n for n, _ in first}


async def test_a_migration_that_dies_half_way_leaves_nothing(path: Path) -> None:
    """A table of ours stands in the way, so the migration fails after it made others."""
    with sqlite3.connect(path) as blocked:
        blocked.execute("CREATE TABLE wallets (mine)")
    blocked.close()
    with pytest.raises(Exception, match="already exists"):
        await World().open(path)
    assert [name for name, _ in schema(path)] == ["wallets"]
    with sqlite3.connect(path) as freed:
        freed.execute("DROP TABLE wallets")
    freed.close()
    async with opened(path) as store:
        assert await store.read(lambda u: u.wallets.all()) == []


async def test_a_database_of_a_newer_version_is_refused_untouched(path: Path) -> None:
    async with opened(path):
        pass
    with sqlite3.connect(path) as newer:
        newer.execute(
            "INSERT INTO tortoise_migrations (app, name, applied_at)"
            " VALUES ('wallet', '9999_future', '2030-01-01')"
        )
    newer.close()
    before = schema(path)
    with pytest.raises(WalletError, match="newer version") as refused:
        await World().open(path)
    assert refused.value.code is Code.CONFIG_ERROR
    assert refused.value.details == {"migration": "9999_future"}
    assert schema(path) == before


async def test_something_that_is_no_database_is_not_opened(path: Path) -> None:
    path.write_bytes(b"this is no database at all, but long enough to look like a file" * 20)  # noqa: ASYNC240
    with pytest.raises(sqlite3.DatabaseError):
        await World().open(path)


async def test_the_migrations_say_what_the_models_say() -> None:
    context = TortoiseContext()
    connection = {"engine": "tortoise.backends.sqlite", "credentials": {"file_path": ":memory:"}}
    with context:
        await context.init(
            {"connections": {"default": connection}, "apps": APPS}, init_connections=False
        )
        assert context.apps is not None
        changes = await MigrationAutodetector(context.apps, APPS).changes()
    assert [writer.operations for writer in changes] == []


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("id FROM transactions WHERE status IN ('PENDING', 'QUEUED')", "by_status"),
        ("id FROM transactions WHERE wallet_id = 'w' AND idempotency_key = 'k'", "autoindex"),
        (
            "id FROM transactions WHERE wallet_id = 'w' AND status = 'QUEUED' AND id < 'x' ORDER BY id DESC LIMIT 5",
            "by_wallet_status",
        ),
        ("id FROM transactions WHERE wallet_id = 'w' ORDER BY id DESC LIMIT 5", "by_wallet"),
        (
            "hash FROM attempts WHERE network = 'n' AND address = 'a' AND finalized_at IS NULL",
            "attempts_unfinished",
        ),
        (
            "max(nonce) FROM attempts WHERE network = 'n' AND address = 'a' AND finalized_at IS NOT NULL",
            "attempts_final",
        ),
        ("id FROM sessions WHERE token_hash = 'h'", "autoindex"),
        ("id FROM sessions WHERE previous_token_hash = 'h'", "previous_token"),
        ("amount FROM spend_buckets WHERE started_at >= 5", "autoindex"),
        ("chat_id FROM cards WHERE wanted > shown AND retry_at <= 5", "cards_due"),
        ("id FROM alerts WHERE state = 'WAITING' AND retry_at <= 5", "alerts_due"),
        ("body FROM telegram_updates WHERE handled_at IS NULL", "updates_waiting"),
    ],
)
async def test_questions_of_every_request_and_tick_use_an_index(
    store: Database, query: str, index: str
) -> None:
    plan = store._client.raw.execute(f"EXPLAIN QUERY PLAN SELECT {query}").fetchall()
    steps = " / ".join(step["detail"] for step in plan)
    assert index in steps
    assert "TEMP B-TREE" not in steps


async def test_what_was_spent_before_prices_is_of_unknown_value(path: Path) -> None:
    """A file of the first schema, with money set aside and spent, is brought up to date."""
    async with opened(path):
        pass
    with sqlite3.connect(path) as older:
        for table, columns in (
            ("reservations", ("usd", "fee_usd")),
            ("spend_buckets", ("usd", "owner_usd", "unpriced")),
        ):
            for column in columns:
                older.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        older.execute("DROP TABLE loosenings")
        older.execute("ALTER TABLE autostop_rules DROP COLUMN mac")
        older.execute("DELETE FROM tortoise_migrations WHERE name >= '0006_dollars'")
        older.execute(
            "INSERT INTO spend_buckets (wallet_id, asset, started_at, amount, owner_amount, count)"
            " VALUES ('w1', 'evm-local/native', 300000, '5', '0', 1)"
        )
    older.close()

    async with opened(path) as store:
        found = await store.read(lambda u: u.ledger.buckets(0))

    assert found == [Bucket("w1", "evm-local/native", 300_000, 5, 0, 1, unpriced=1)]
