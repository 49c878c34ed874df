"""Auto-stop rules and counts. A rule that carries no valid proof is as if nobody had set it."""

from collections.abc import Sequence
from typing import Any

from wallet.domain.autostop import AutoStop, Rule, StopRule, decode, encode, kind_of
from wallet.domain.transactions import Status
from wallet.persistence import models
from wallet.persistence.rows import Connection, Table, literals
from wallet.persistence.seals import Cover, Seals

_EVERYWHERE = "*"
_NOTHING_CAME_OF = (Status.CANCELLED, Status.EXPIRED, Status.FAILED)


def _stop_rule(
    rule_id: str, wallet_id: str | None, kind: str, body: str, at: int
) -> dict[str, Any]:
    return {
        "id": rule_id, "wallet_id": wallet_id, "rule": decode(StopRule(kind), body), "updated_at": at,
    }  # fmt: skip


_COLUMNS = ("id", "wallet_id", "type", "body", "updated_at")
STOP_RULES: Cover[dict[str, Any]] = Cover(
    Table(models.AutoStopRule, _stop_rule, _COLUMNS), "auto-stop rule"
)


class SqlAutoStop:
    def __init__(self, db: Connection, seals: Seals) -> None:
        self._db = db
        self._seals = seals

    async def rules(self, wallet_id: str | None) -> AutoStop:
        # A wallet's own rule replaces the one for all.
        where = "wallet_id IS NULL OR wallet_id = ? ORDER BY wallet_id IS NOT NULL"
        found = AutoStop()
        for row in self._believed(where, (wallet_id,)):
            found = found.but(row["rule"])
        return found

    async def set_rules(self) -> Sequence[tuple[str | None, StopRule]]:
        return [
            (row["wallet_id"], kind_of(row["rule"])) for row in self._believed("true ORDER BY id")
        ]

    async def put_rule(self, wallet_id: str | None, rule: Rule, at: int) -> None:
        kind = kind_of(rule)
        await self.remove_rule(wallet_id, kind)
        values = (_id(wallet_id, kind), wallet_id, kind.value, encode(rule), at)
        self._seals.add(STOP_RULES, self._db, values)

    async def remove_rule(self, wallet_id: str | None, kind: StopRule) -> bool:
        sql = "DELETE FROM autostop_rules WHERE id = ?"
        return self._db.run(sql, (_id(wallet_id, kind),)) == 1

    def _believed(self, where: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        found = self._seals.find(STOP_RULES, self._db, where, parameters)
        return [row for row in found if not row["proof"].is_broken]

    async def failed(self, session_id: str) -> int:
        self._db.run(
            "INSERT INTO autostop_counts (subject, failures, resumed_at) VALUES (?, 1, 0)"
            " ON CONFLICT (subject) DO UPDATE SET failures = failures + 1",
            (session_id,),
        )
        sql = "SELECT failures FROM autostop_counts WHERE subject = ?"
        return int(self._db.rows(sql, (session_id,))[0][0])

    async def succeeded(self, session_id: str) -> None:
        sql = "UPDATE autostop_counts SET failures = 0 WHERE subject = ? AND failures > 0"
        self._db.run(sql, (session_id,))

    async def resumed_at(self, subject: str) -> int:
        rows = self._db.rows(
            "SELECT resumed_at FROM autostop_counts WHERE subject = ?", (subject,)
        )
        return int(rows[0][0]) if rows else 0

    async def restart(self, subject: str, at: int) -> None:
        self._db.run(
            "INSERT INTO autostop_counts (subject, failures, resumed_at) VALUES (?, 0, ?)"
            " ON CONFLICT (subject) DO UPDATE SET failures = 0, resumed_at = excluded.resumed_at",
            (subject, at),
        )

    async def asked(self, session_id: str, since: int, *, at_most: int) -> int:
        where = f"status != '{Status.CANCELLED.value}'"
        return self._count(where, (session_id, since), at_most)

    async def asked_for(self, session_id: str, to: str, since: int, *, at_most: int) -> int:
        where = f'"to" = ? AND status NOT IN ({literals(_NOTHING_CAME_OF)})'
        return self._count(where, (session_id, since, to), at_most)

    def _count(self, where: str, parameters: Sequence[object], at_most: int) -> int:
        """Bounded, so that the cost of a question follows the rule's bound and not the session's history."""
        sql = (
            "SELECT count(*) FROM (SELECT 1 FROM transactions"  # noqa: S608 - literals
            " INDEXED BY transactions_by_session_time"
            f" WHERE session_id = ? AND created_at > ? AND {where} LIMIT ?)"
        )
        return int(self._db.rows(sql, (*parameters, at_most))[0][0])


def _id(wallet_id: str | None, kind: StopRule) -> str:
    return f"{wallet_id or _EVERYWHERE}:{kind.value}"
