"""The owner: pairing with the chat, amount bands, the authenticator app."""

from collections.abc import Mapping

from wallet.api.routes import Answer, Call
from wallet.api.transactions import seconds
from wallet.api.wallets import ACTOR
from wallet.domain.owner import Band, Owner
from wallet.wire.owner import (
    BandBody,
    BandView,
    ConfirmPairing,
    ConfirmTotp,
    Done,
    OwnerView,
    PairingCode,
    PairingView,
    ResetView,
    SetBands,
    TotpUri,
)


async def start(call: Call) -> Answer:
    code = await call.operations.owner.start_pairing(ACTOR)
    found = await call.operations.owner.pairing_status()
    return Answer(PairingCode(code=code, expires_at=seconds(found.get("expires_at"))), 201)


async def show(call: Call) -> Answer:
    found = await call.operations.owner.pairing_status()
    candidate = found.get("candidate")
    return Answer(
        PairingView(
            state=str(found["state"]),
            candidate=None if candidate is None else dict(candidate),
            expires_at=seconds(found.get("expires_at")),
        )
    )


async def confirm(call: Call) -> Answer:
    """Bands that are set in the same breath need what they need elsewhere: the current factor."""
    body = await call.body(ConfirmPairing)
    bands = None if body.bands is None else _bands(body.bands)
    if bands is not None:
        await call.operations.approvals.require_current_code(call.header(b"x-totp-code"))
    owner = await call.operations.owner.confirm_pairing(ACTOR, body.user_id, bands)
    return Answer(owner_view(owner))


async def void(call: Call) -> Answer:
    """Whoever sent the code is not the owner."""
    await call.operations.owner.void_pairing(ACTOR)
    return Answer(Done())


async def set_bands(call: Call) -> Answer:
    body = await call.body(SetBands)
    await call.operations.owner.set_bands(_bands(body.bands), ACTOR)
    return Answer(Done())


async def enrol_totp(call: Call) -> Answer:
    return Answer(TotpUri(uri=await call.operations.owner.enrol_totp()), 201)


async def confirm_totp(call: Call) -> Answer:
    body = await call.body(ConfirmTotp)
    await call.operations.owner.confirm_totp(body.code)
    return Answer(Done())


async def start_reset(call: Call) -> Answer:
    """The way out for an owner who lost the app; usable after the wait."""
    return Answer(ResetView(ready_at=await call.operations.reset.start(ACTOR) // 1000), 201)


async def cancel_reset(call: Call) -> Answer:
    await call.operations.reset.cancel(ACTOR, from_chat=False)
    return Answer(Done())


def owner_view(owner: Owner) -> OwnerView:
    bands = {
        asset: BandView(tap_max=str(band.tap_max), code_max=str(band.code_max))
        for asset, band in owner.bands.items()
    }
    return OwnerView(
        user_id=owner.user_id,
        name=owner.name,
        username=owner.username,
        paired_at=owner.paired_at // 1000,
        bands=bands,
    )


def _bands(bodies: Mapping[str, BandBody]) -> dict[str, Band]:
    return {asset: Band(int(b.tap_max), int(b.code_max)) for asset, b in bodies.items()}
