"""Stopping, recovering, unlocking, and what the owner looks at to judge how things are."""

from wallet.api.auth import typed_password
from wallet.api.pairing import owner_view
from wallet.api.routes import Answer, Call
from wallet.api.transactions import seconds, transaction_view
from wallet.api.wallets import ACTOR, wallet_detail
from wallet.domain.safety import StopState, SystemState
from wallet.wire.owner import (
    DoctorView,
    Done,
    GuardsView,
    HaltView,
    HeldView,
    MemoryView,
    Reason,
    Recover,
    SignerGuardsView,
    StatusInfo,
    StopView,
    TicketView,
)


async def status(call: Call) -> Answer:
    found = await call.operations.queries.status()
    wallets = [
        wallet_detail(line.wallet, line.balance, line.error, call.operations)
        for line in found.wallets
    ]
    return Answer(
        StatusInfo(
            state=stop_view(found.state),
            locked=found.locked,
            owner=None if found.owner is None else owner_view(found.owner),
            wallets=wallets,
            waiting=found.waiting,
            open=found.open,
            sessions=found.sessions,
            held=[
                HeldView(
                    kind="session" if one.kind == "session" else "wallet",
                    id=one.id,
                    name=one.name,
                    by=one.by,
                    since=seconds(one.since),
                )
                for one in found.held
            ],
            clock_doubt=found.clock_doubt or None,
            audit_head=found.audit_head,
            bot={**found.bot, "frozen": found.frozen},
            jobs=dict(found.jobs),
            memory=MemoryView(
                daemon=GuardsView(**found.memory.daemon),
                signer=None
                if found.memory.signer is None
                else SignerGuardsView(**found.memory.signer),
            ),
            started_at=found.started_at // 1000,
            version=found.version,
        )
    )


async def show_stop(call: Call) -> Answer:
    return Answer(stop_view(await call.operations.safety.state()))


async def halt(call: Call) -> Answer:
    body = await call.body(Reason)
    report = await call.operations.safety.halt(body.reason or "stopped from the host", ACTOR)
    return Answer(
        HaltView(
            state=StopState.ACTIVATED,
            stored=report.stored,
            sessions_revoked=report.sessions_revoked,
            transactions_cancelled=report.transactions_cancelled,
            wallets_suspended=report.wallets_suspended,
            exposure=[transaction_view(row, call.operations) for row in report.exposure],
        )
    )


async def recover(call: Call) -> Answer:
    """Begin the wait; with a code of the authenticator app it is the short one."""
    body = await call.body(Recover)
    state = await call.operations.safety.begin_recovery(
        typed_password(call), ACTOR, body.totp_code
    )
    return Answer(stop_view(state))


async def cancel_recovery(call: Call) -> Answer:
    return Answer(stop_view(await call.operations.safety.cancel_recovery(ACTOR, from_chat=False)))


async def unlock(call: Call) -> Answer:
    await call.operations.unlocking.unlock(typed_password(call))
    return Answer(Done())


async def ticket(call: Call) -> Answer:
    found, expires_at = await call.operations.password.ticket(typed_password(call))
    return Answer(TicketView(ticket=found, expires_at=expires_at // 1000), 201)


async def trust_clock(call: Call) -> Answer:
    """The owner looked: the host's clock is right. No code is asked for, as none can be checked meanwhile."""
    await call.operations.clock_watch.trust(ACTOR)
    return Answer(Done())


async def shutdown(call: Call) -> Answer:
    call.operations.shutdown()
    return Answer(Done(), 202)


async def doctor(call: Call) -> Answer:
    return Answer(DoctorView(report=dict(await call.operations.doctor())))


def stop_view(state: SystemState) -> StopView:
    return StopView(
        state=state.state,
        chat_may_cancel=not state.recovery_cancelled_by_chat,
        reason=state.reason,
        actor=state.actor,
        activated_at=seconds(state.activated_at),
        recovery_at=seconds(state.recovery_at),
        behind_at=seconds(state.behind_at),
    )
