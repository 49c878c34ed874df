"""Brings a database file to the schema of this code, or refuses it."""

from typing import Any

from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.graph import MigrationKey

from wallet.errors import Code, ConflictError
from wallet.persistence.sqlite_engine import ImmediateClient, ImmediateTransaction

APP = "wallet"
APPS: dict[str, dict[str, Any]] = {
    APP: {
        "models": ["wallet.persistence.models", "wallet.persistence.owner_models"],
        "migrations": "wallet.persistence.migrations",
        "default_connection": "default",
    }
}


async def migrate(client: ImmediateClient) -> None:
    """Apply what is missing, in one transaction with its record: all of it or nothing.

    ConflictError(CONFIG_ERROR) when the file knows a migration that this code does not.
    """
    async with client.transaction() as db:
        executor = MigrationExecutor(db, APPS)
        await _refuse_newer(db, executor)
        await executor.migrate(direction="forward")


async def _refuse_newer(db: ImmediateTransaction, executor: MigrationExecutor) -> None:
    if not db.rows("SELECT 1 FROM sqlite_master WHERE name = 'tortoise_migrations'"):
        return
    executor.loader.load_disk()
    applied = {key for key in await executor.recorder.applied_migrations() if key.app_label == APP}
    unknown: set[MigrationKey] = applied - executor.loader.disk_migrations.keys()
    if unknown:
        newest = max(key.name for key in unknown)
        raise ConflictError(
            Code.CONFIG_ERROR,
            f"The database was written by a newer version (it has {newest}).",
            details={"migration": newest},
            hint="Install that version or a newer one; this one has changed nothing.",
        )
