"""What a stop ends, and what a recovery takes up again, inside the transaction that says so."""

from dataclasses import dataclass

from wallet.domain.authority import RESET_COUNTER
from wallet.domain.facts import Fact
from wallet.domain.sessions import KILL_SWITCH
from wallet.domain.transactions import UNSENT, UNSIGNED, Status, Transaction
from wallet.domain.wallets import WalletStatus
from wallet.errors import Code
from wallet.operations.rule_changes import end_loosenings
from wallet.operations.transactions import cancel_rows
from wallet.pipeline.moves import Cause
from wallet.ports.store import Unit

SUSPENDED_BY = KILL_SWITCH


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
    """End sessions, codes, questions, resets and queued loosenings; cancel what is unsigned; suspend wallets.

    Nothing that was asked for before the stop may ripen while it lasts.
    """
    sessions = await unit.sessions.live()
    for session_id in sessions:
        await unit.sessions.revoke(session_id, now, SUSPENDED_BY)
    await unit.sessions.end_claims(now)
    await unit.console.end_challenges(now)
    await end_loosenings(unit, now)
    await unit.authority.end_pairing()
    await unit.authority.set_counter(RESET_COUNTER, 0, 0)
    waiting = await unit.transactions.in_status(*UNSIGNED)
    cause = Cause(actor, now, Code.KILL_SWITCH_ACTIVE, "The kill switch was pulled.")
    await cancel_rows(unit, waiting, cause)
    wallets = [w for w in await unit.wallets.all() if w.status is WalletStatus.ACTIVE]
    for wallet in wallets:
        await unit.wallets.set_status(wallet.id, WalletStatus.SUSPENDED, SUSPENDED_BY)
        await note(unit, Fact.WALLET_SUSPENDED, actor, now, wallet_id=wallet.id)
    exposure = tuple(await unit.transactions.in_status(Status.SUBMITTED))
    return StopReport(len(sessions), len(waiting), len(wallets), exposure)


async def take_up_again(unit: Unit, now: int) -> None:
    """Wallets that the stop suspended work again; what pays and is not known to be sent never leaves.

    Nothing that was asked for before the stop is signed again: its time is over. Where no node has any payload of
    a row that pays, its nonce is refilled.
    """
    for wallet in await unit.wallets.all():
        if wallet.suspended_by == SUSPENDED_BY and not wallet.proof.is_broken:
            await unit.wallets.set_status(wallet.id, WalletStatus.ACTIVE, None)
            await note(unit, Fact.WALLET_RESUMED, "system", now, wallet_id=wallet.id)
    for row in await unit.transactions.in_status(Status.SUBMITTED):
        for attempt in await unit.attempts.of(row.id):
            if attempt.purpose.pays and attempt.accepted_at is None:
                await unit.attempts.rejected(attempt.hash, UNSENT)
        await unit.transactions.note(row.id, execute_by=now)


async def tell_behind(unit: Unit, reason: str, version: int, now: int) -> None:
    """The database had forgotten what happened: write it down, and tell the owner once per stop."""
    facts = {"why": reason}
    await unit.audit.append(Fact.DATABASE_BEHIND, actor="system", at=now, details=facts)
    await unit.console.alert(f"DATABASE_BEHIND:{version}:{now}", "DATABASE_BEHIND", facts, now)


async def note(unit: Unit, fact: Fact, actor: str, at: int, **about: str) -> None:
    """A fact that a stop or a recovery brings about."""
    details = {"by": SUSPENDED_BY}
    await unit.audit.append(fact, actor=actor, at=at, details=details, **about)


async def tell_of_living_signer(unit: Unit, now: int) -> None:
    """The signer could not be ended. Without a permit it signs nothing, and the operator must know."""
    await unit.audit.append(Fact.SIGNER_NOT_KILLED, actor="system", at=now)
    await unit.console.alert(f"SIGNER_NOT_KILLED:{now}", "SIGNER_NOT_KILLED", {}, now)
