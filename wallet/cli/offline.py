"""The audit log of a stopped daemon, read from its file and shown as the owner's API shows it."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, Self, TypeVar

from wallet.api.audit import audit_row, known_heads, verify_view
from wallet.bootstrap.offline import offline_audit
from wallet.cli.http import Json
from wallet.operations.audit import AuditLog
from wallet.settings import Secret, Settings

T = TypeVar("T")
PART = 10_000


class StoppedLog:
    """A context: the file is open and, where a password was given, the key is at hand."""

    def __init__(self, settings: Settings, password: Secret | None) -> None:
        self._settings = settings
        self._password = password
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._log: AuditLog

    def __enter__(self) -> Self:
        self._runner.__enter__()
        try:
            opened = offline_audit(self._settings, self._password)
            self._log = self._do(self._stack.enter_async_context(opened))
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._do(self._stack.aclose())
        finally:
            self._runner.close()

    def rows(self, after: int, limit: int, transaction_id: str | None) -> list[Json]:
        found = self._do(self._log.page(after, limit, transaction_id))
        return [audit_row(row).model_dump(mode="json") for row in found]

    def verify(self, after: int, hashed: str, known: str | None) -> Json:
        walk = self._log.walk((after, hashed), limit=PART, known=known_heads(known))
        return verify_view(self._do(walk)).model_dump(mode="json")

    def newest(self) -> int:
        return self._do(self._log.head())[0]

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)
