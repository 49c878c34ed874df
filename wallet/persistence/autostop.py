"""Auto-stop rules and counts."""

from collections.abc import Sequence

from wallet.domain.autostop import AutoStop, Rule, StopRule, decode, encode, kind_of
from wallet.domain.transactions import Status
from wallet.persistence.rows import Connection, literals

_EVERYWHERE = "*"
_NOTHING_CAME_OF = (Status.CANCELLED, Status.EXPIRED, Status.FAILED)


class SqlAutoStop:
    def __init__(self, db: Connection) -> None:
        self._db = db

    async def rules(self, wallet_id: str | None) -> AutoStop:
        rows = self._db.rows(
            "SELECT type, body FROM autostop_rules WHERE wallet_id IS NULL OR wallet_id = ?"
            " ORDER BY wallet_id IS NOT NULL",  # a wallet's own rule replaces the one for all
            (wallet_id,),
        )
        found = AutoStop()
        for kind, body in rows:
            found = found.but(decode(StopRule(kind), body))
        return found

    async def set_rules(self) -> Sequence[tuple[str | None, StopRule]]:
        rows = self._db.rows("SELECT wallet_id, type FROM autostop_rules ORDER BY id")
        return [(wallet_id, StopRule(kind)) for wallet_id, kind in rows]

    async def put_rule(self, wallet_id: str | None, rule: Rule, at: int) -> None:
        kind = kind_of(rule)
        self._db.run(
            "INSERT OR REPLACE INTO autostop_rules (id, wallet_id, type, body, updated_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (_id(wallet_id, kind), wallet_id, kind.value, encode(rule), at),
        )

    async def remove_rule(self, wallet_id: str | None, kind: StopRule) -> bool:
        sql = "DELETE FROM autostop_rules WHERE id = ?"
        return self._db.run(sql, (_id(wallet_id, kind),)) == 1

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
