"""Rules as the owner gave them, and parsed once per version."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from wallet.domain.policy import AppliedRule
from wallet.domain.rules import Rule
from wallet.persistence.rows import Connection

Parse = Callable[[str, Mapping[str, Any]], Rule]
_VERSION = "policy_version"


class ParsedRules:
    """Applied rules by id, as long as version and text are the same.

    The text is compared as well, because a rolled back unit gives its version to the next one.
    """

    def __init__(self, parse: Parse) -> None:
        self._parse = parse
        self._known: dict[str, tuple[tuple[str | None, str, str, int], AppliedRule]] = {}

    def applied(
        self, rule_id: str, wallet_id: str | None, rule_type: str, body: str, version: int
    ) -> AppliedRule:
        stored = (wallet_id, rule_type, body, version)
        known = self._known.get(rule_id)
        if known is not None and known[0] == stored:
            return known[1]
        rule = self._parse(rule_type, json.loads(body))
        applied = AppliedRule(rule_id, wallet_id, version, rule)
        self._known[rule_id] = stored, applied
        return applied


class SqlPolicies:
    def __init__(self, db: Connection, parsed: ParsedRules) -> None:
        self._db = db
        self._parsed = parsed

    async def applied(self, wallet_id: str | None) -> list[AppliedRule]:
        rows = self._select("id, wallet_id, type, rules, version", wallet_id)
        return [self._parsed.applied(*row) for row in rows]

    async def stored(self, wallet_id: str | None) -> list[Mapping[str, Any]]:
        columns = "id, wallet_id, type, rules, version, created_at, updated_at"
        names = ("id", "walletId", "type", "rules", "version", "createdAt", "updatedAt")
        found = [dict(zip(names, row, strict=True)) for row in self._select(columns, wallet_id)]
        return [{**policy, "rules": json.loads(policy["rules"])} for policy in found]

    async def put(
        self, rule_id: str, wallet_id: str | None, rule_type: str, body: str, at: int
    ) -> int:
        version = self._bump()
        self._db.run(
            "INSERT INTO policies (id, wallet_id, type, rules, version, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " wallet_id = excluded.wallet_id, type = excluded.type, rules = excluded.rules,"
            " version = excluded.version, updated_at = excluded.updated_at",
            (rule_id, wallet_id, rule_type, body, version, at, at),
        )
        return version

    async def remove(self, rule_id: str) -> bool:
        if self._db.run("DELETE FROM policies WHERE id = ?", (rule_id,)) == 0:
            return False
        self._bump()
        return True

    async def version(self) -> int:
        rows = self._db.rows("SELECT value FROM numbers WHERE name = ?", (_VERSION,))
        return int(rows[0][0]) if rows else 0

    def _bump(self) -> int:
        sql = (
            "INSERT INTO numbers (name, value) VALUES (?, 1)"
            " ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"
        )
        return int(self._db.rows(sql, (_VERSION,))[0][0])

    def _select(self, columns: str, wallet_id: str | None) -> list[tuple[Any, ...]]:
        select = f"SELECT {columns} FROM policies"  # noqa: S608 - columns are literals above
        if wallet_id is None:
            return self._db.rows(f"{select} ORDER BY id")
        return self._db.rows(
            f"{select} WHERE wallet_id IS NULL OR wallet_id = ? ORDER BY id", (wallet_id,)
        )
