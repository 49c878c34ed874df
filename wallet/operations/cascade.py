"""What a stop ends, and what a recovery takes up again, inside the transaction that says so."""

from dataclasses import dataclass

from wallet.domain.transactions import UNSENT, Status, Transaction
from wallet.domain.wallets import WalletStatus
from wallet.errors import Code
from wallet.operations.factor_reset import COUNTER as FACTOR_RESET
from wallet.operations.transactions import cancel_rows
from wallet.pipeline.holds import UNSIGNED
from wallet.pipeline.moves import Cause
from wallet.ports.store import Unit

SUSPENDED_BY = "KILL_SWITCH"


@dataclass(frozen=True, slots=True)
class StopReport:
    """What a stop did. ``exposure``: signed payments that may still land.

    Not ``stored``: the database could not be written yet. Nothing is signed or sent all the same, and storing
    is tried again until it works.
    """

    sessions_revoked: int
    transactions_cancelled: int
    wallets_suspended: int
    exposure: tuple[Transaction, ...]
    stored: bool = True

    @property
    def counts(self) -> dict[str, str]:
        """As facts of the audit log."""
        return {
            "sessionsRevoked": str(self.sessions_revoked),
            "transactionsCancelled": str(self.transactions_cancelled),
            "walletsSuspended": str(self.wallets_suspended),
            "exposure": ", ".join(row.id for row in self.exposure),
        }


async def end_everything(unit: Unit, now: int, actor: str) -> StopReport:
    """End sessions, codes, open questions and resets; cancel what is unsigned; suspend active wallets.

    Nothing that was asked for before the stop may ripen while it lasts.
    """
    sessions = [s for s in await unit.sessions.all() if s.revoked_at is None]
    for session in sessions:
        await unit.sessions.revoke(session.id, now, SUSPENDED_BY)
    await unit.sessions.end_claims(now)
    await unit.console.end_challenges(now)
    await unit.authority.end_pairing()
    await unit.authority.set_counter(FACTOR_RESET, 0, 0)
    waiting = await unit.transactions.in_status(*UNSIGNED)
    cause = Cause(actor, now, Code.KILL_SWITCH_ACTIVE, "The kill switch was pulled.")
    await cancel_rows(unit, waiting, cause)
    wallets = [w for w in await unit.wallets.all() if w.status is WalletStatus.ACTIVE]
    for wallet in wallets:
        await unit.wallets.set_status(wallet.id, WalletStatus.SUSPENDED, SUSPENDED_BY)
    exposure = tuple(await unit.transactions.in_status(Status.SUBMITTED))
    return StopReport(len(sessions), len(waiting), len(wallets), exposure)


async def take_up_again(unit: Unit, now: int) -> None:
    """Wallets that the stop suspended work again; what was signed and never sent never leaves."""
    for wallet in await unit.wallets.all():
        if wallet.suspended_by == SUSPENDED_BY:
            await unit.wallets.set_status(wallet.id, WalletStatus.ACTIVE, None)
    for row in await unit.transactions.in_status(Status.SUBMITTED):
        attempts = await unit.attempts.of(row.id)
        if any(attempt.accepted_at is not None for attempt in attempts):
            continue
        for attempt in attempts:
            await unit.attempts.rejected(attempt.hash, UNSENT)
        await unit.transactions.note(row.id, execute_by=now)
