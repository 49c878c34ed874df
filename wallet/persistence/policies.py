"""Rules as the owner gave them, parsed once per version, and proved as a set.

One proof covers all rules of a wallet, or of every wallet: a rule can neither be changed nor moved nor taken
away without breaking it. A set without its proof denies.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from wallet.domain.authority import unproved
from wallet.domain.policy import AppliedRule
from wallet.domain.rules import Rule, Unproved
from wallet.persistence import models
from wallet.persistence.rows import Connection, Table
from wallet.persistence.seals import Cover, Raw, Seals

Parse = Callable[[str, Mapping[str, Any]], Rule]
EVERY_WALLET = "*"
_VERSION = "policy_version"
_COLUMNS = ("id", "wallet_id", "type", "rules", "version", "created_at", "updated_at")
_SET_COLUMNS = ("scope", "version")
_LISTED = ", ".join(_COLUMNS)

SETS: Cover[dict[str, Any]] = Cover(
    Table(
        models.PolicySet,
        lambda *columns: dict(zip(_SET_COLUMNS, columns, strict=True)),
        _SET_COLUMNS,
    ),
    "set of rules",
    key="scope",
)


class ParsedRules:
    """Applied rules by id, as long as version and text are the same.

    The text is compared as well, because a rolled back unit gives its version to the next one.
    """

    def __init__(self, parse: Parse) -> None:
        self._parse = parse
        self._known: dict[str, tuple[tuple[str | None, str, str, int], AppliedRule]] = {}
        # Per scope the content that was proved last, and under which key.
        self.proved: dict[str, tuple[bytes | None, object, object]] = {}

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
    def __init__(self, db: Connection, parsed: ParsedRules, seals: Seals) -> None:
        self._db = db
        self._parsed = parsed
        self._seals = seals

    async def applied(self, wallet_id: str | None) -> list[AppliedRule]:
        rows = self._select(wallet_id)
        scopes = self._scopes(wallet_id, rows)
        stored = self._sets(scopes)
        bent = [scope for scope in scopes if not self._is_proved(scope, rows, stored.get(scope))]
        found = [AppliedRule(f"unproved:{scope}", None, 0, Unproved()) for scope in bent]
        return found + [self._applied(row) for row in rows if _scope_of(row) not in bent]

    async def stored(self, wallet_id: str | None) -> list[Mapping[str, Any]]:
        names = ("id", "walletId", "type", "rules", "version", "createdAt", "updatedAt")
        found = [dict(zip(names, row, strict=True)) for row in self._select(wallet_id)]
        return [{**policy, "rules": _loaded(policy["rules"])} for policy in found]

    async def put(
        self, rule_id: str, wallet_id: str | None, rule_type: str, body: str, at: int
    ) -> int:
        scope = wallet_id or EVERY_WALLET
        rows, stored = self._of_scope(scope), self._sets([scope]).get(scope)
        self._require_proof(scope, rows, stored)
        version = self._bump()
        self._db.run(
            "INSERT INTO policies (id, wallet_id, type, rules, version, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " wallet_id = excluded.wallet_id, type = excluded.type, rules = excluded.rules,"
            " version = excluded.version, updated_at = excluded.updated_at",
            (rule_id, wallet_id, rule_type, body, version, at, at),
        )
        self._seal(scope, version)
        return version

    async def remove(self, rule_id: str) -> bool:
        found = self._db.rows("SELECT wallet_id FROM policies WHERE id = ?", (rule_id,))
        if not found:
            return False
        scope = found[0][0] or EVERY_WALLET
        stored = self._sets([scope]).get(scope)
        was_proved = self._is_proved(scope, self._of_scope(scope), stored)
        self._db.run("DELETE FROM policies WHERE id = ?", (rule_id,))
        version = self._bump()
        # A bent set becomes sound again only by taking every rule of it away.
        if was_proved or not self._of_scope(scope):
            self._seal(scope, version)
        return True

    async def require_proof(self, wallet_id: str | None) -> None:
        scope = wallet_id or EVERY_WALLET
        self._require_proof(scope, self._of_scope(scope), self._sets([scope]).get(scope))

    async def open_scope(self, wallet_id: str | None) -> None:
        scope = wallet_id or EVERY_WALLET
        if not self._sets([scope]) and not self._of_scope(scope):
            self._seal(scope, await self.version())

    async def version(self) -> int:
        rows = self._db.rows("SELECT value FROM numbers WHERE name = ?", (_VERSION,))
        return int(rows[0][0]) if rows else 0

    def _bump(self) -> int:
        sql = (
            "INSERT INTO numbers (name, value) VALUES (?, 1)"
            " ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"
        )
        return int(self._db.rows(sql, (_VERSION,))[0][0])

    def _select(self, wallet_id: str | None) -> list[tuple[Any, ...]]:
        select = f"SELECT {_LISTED} FROM policies"  # noqa: S608 - columns are literals above
        if wallet_id is None:
            return self._db.rows(f"{select} ORDER BY id")
        return self._db.rows(
            f"{select} WHERE wallet_id IS NULL OR wallet_id = ? ORDER BY id", (wallet_id,)
        )

    def _of_scope(self, scope: str) -> list[tuple[Any, ...]]:
        wanted = "wallet_id IS NULL" if scope == EVERY_WALLET else "wallet_id = ?"
        sql = f"SELECT {_LISTED} FROM policies WHERE {wanted} ORDER BY id"  # noqa: S608
        return self._db.rows(sql, () if scope == EVERY_WALLET else (scope,))

    def _applied(self, row: tuple[Any, ...]) -> AppliedRule:
        try:
            return self._parsed.applied(*row[:5])
        except Exception:  # noqa: BLE001 - whatever cannot be read must not turn into a yes
            return AppliedRule(str(row[0]), None, 0, Unproved())

    def _scopes(self, wallet_id: str | None, rows: list[tuple[Any, ...]]) -> list[str]:
        if wallet_id is not None:
            return [EVERY_WALLET, wallet_id]
        return sorted({EVERY_WALLET, *map(_scope_of, rows)})

    def _is_proved(self, scope: str, rows: list[tuple[Any, ...]], stored: Raw | None) -> bool:
        """Whether exactly these rules were set for ``scope``. True while there is no key to ask with."""
        key = self._seals.key
        if stored is None:
            if key is not None:
                self._seals.note(SETS.table.name, scope, None)
            return key is None
        row = _with_rules(stored, scope, rows)
        known = (key, row["rules"], (row["version"], row["mac"]))
        if self._parsed.proved.get(scope) == known:
            return True
        proved = not self._seals.proof(SETS, row).is_broken
        if proved:
            self._parsed.proved[scope] = known
        return proved

    def _require_proof(self, scope: str, rows: list[tuple[Any, ...]], stored: Raw | None) -> None:
        is_new = not rows and stored is None
        if not is_new and not self._is_proved(scope, rows, stored):
            raise unproved(SETS.what)

    def _sets(self, scopes: list[str]) -> dict[str, Raw]:
        marks = ", ".join("?" * len(scopes))
        rows = self._db.rows(f"{SETS.select} WHERE scope IN ({marks})", scopes)
        return {row[0]: dict(zip(SETS.columns, row, strict=True)) for row in rows}

    def _seal(self, scope: str, version: int) -> None:
        row = _with_rules({"scope": scope, "version": version}, scope, self._of_scope(scope))
        sealed = self._seals.sealed(SETS, row, provisional=False)
        self._db.run(
            "INSERT OR REPLACE INTO policy_sets (scope, version, mac) VALUES (?, ?, ?)",
            (scope, version, sealed["mac"]),
        )


def _scope_of(row: tuple[Any, ...]) -> str:
    return str(row[1] or EVERY_WALLET)


def _with_rules(stored: Raw, scope: str, rows: list[tuple[Any, ...]]) -> Raw:
    return {**stored, "rules": [list(row) for row in rows if _scope_of(row) == scope]}


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError):
        raise unproved("rule") from None
