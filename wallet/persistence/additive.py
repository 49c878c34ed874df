"""Migrations that only create and add, run without a copy of every model before every step.

Tortoise copies the whole state before each operation, for those that look back (altering, removing). Ours do not,
and the copies were nine tenths of the time that a new database took.
"""

from typing import Any

from tortoise import migrations
from tortoise.migrations.operations import AddField, AddIndex, CreateModel, RunSQL
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.migrations.schema_generator.state import State

ADDITIVE = (CreateModel, AddField, AddIndex, RunSQL)


class AdditiveMigration(migrations.Migration):
    """A forward migration whose operations are all of ``ADDITIVE``; the schema module opens the transaction."""

    atomic = False

    async def apply(
        self,
        state: State,
        *,
        dry_run: bool = False,
        schema_editor: BaseSchemaEditor | None = None,
        collect_sql: bool = False,
    ) -> State:
        assert all(isinstance(operation, ADDITIVE) for operation in self.operations)
        if dry_run or collect_sql or schema_editor is None:
            more: dict[str, Any] = {"dry_run": dry_run, "collect_sql": collect_sql}
            return await super().apply(state, schema_editor=schema_editor, **more)
        for operation in self.operations:
            operation.state_forward(self.app_label, state)
            await operation.database_forward(self.app_label, state, state, schema_editor)
        state.validate_relations_initialized()
        return state
