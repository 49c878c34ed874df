"""The owner's desk: pairing a Telegram account, the factors, and the amount bands they cover."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from wallet.domain.authority import CODE_COUNTER, FROZEN, require_proof
from wallet.domain.facts import Fact
from wallet.domain.owner import CODE_TTL_MS, PAIRING_TRIES, Band, Owner
from wallet.domain.transactions import Status
from wallet.errors import AuthError, Code, ConflictError, RefusedError, bad_field
from wallet.operations.factor_reset import end_reset
from wallet.operations.sessions import code_hash, new_code
from wallet.pipeline.moves import redraw
from wallet.ports.store import Store, Unit
from wallet.ports.vault import KeyVault
from wallet.ports.world import Clock, Ids
from wallet.safety.gate import Gate
from wallet.safety.keyring import Keyring


class Enrolment(Protocol):
    """Shown once on the host's terminal."""

    @property
    def secret(self) -> str: ...
    @property
    def uri(self) -> str: ...


class CodeVault(KeyVault, Protocol):
    """A vault that can enrol a code generator."""

    async def totp_enrol(self) -> Enrolment: ...
    async def totp_confirm(self, code: str, now_ms: int) -> int | None: ...


class OwnerDesk:
    """Pairing starts and ends on the host; the account in between proves itself with the code."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        vault: CodeVault,
        *,
        keyring: Keyring,
        gate: Gate,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._vault = vault
        self._keyring = keyring
        self._gate = gate

    async def owner(self) -> Owner | None:
        return await self._store.read(lambda unit: unit.authority.owner())

    async def start_pairing(self, actor: str) -> str:
        """A fresh code (50 bits, 10 minutes, single use); voids any earlier one. KEYSTORE_LOCKED while locked."""
        self._keyring.require()
        self._gate.require_time()
        code, now = new_code(self._ids), self._clock.now()

        async def body(unit: Unit) -> None:
            await unit.authority.start_pairing(code_hash(code), now + CODE_TTL_MS)
            await unit.audit.append(Fact.OWNER_PAIRING_STARTED, actor=actor, at=now)

        await self._store.run(body)
        return code

    async def pairing_status(self) -> Mapping[str, Any]:
        """``state`` (NONE, WAITING, CANDIDATE, VOID or PAIRED), ``candidate``, ``expires_at`` (epoch ms)."""
        now = self._clock.now()

        async def body(unit: Unit) -> Mapping[str, Any]:
            pairing = await unit.authority.pairing()
            if pairing is None:
                owner = await unit.authority.owner()
                return _pairing("NONE" if owner is None else "PAIRED")
            if pairing["voided"] or now >= pairing["expires_at"]:
                return _pairing("VOID")
            candidate = pairing["candidate"]
            state = "WAITING" if candidate is None else "CANDIDATE"
            return _pairing(state, candidate, pairing["expires_at"])

        return await self._store.read(body)

    async def offer_pairing(
        self, code: str, user_id: int, chat_id: int, name: str, username: str | None
    ) -> bool:
        """Somebody sent a code from a private chat. Five wrong ones by anyone void it."""
        if not self._gate.has_time:
            return False
        now = self._clock.now()

        async def body(unit: Unit) -> bool:
            pairing = await unit.authority.pairing()
            if pairing is None or pairing["voided"] or now >= pairing["expires_at"]:
                return False
            if pairing["candidate"] is not None:
                return False
            if code_hash(code) != pairing["code_hash"]:
                await self._wrong_code(unit, pairing, user_id, now)
                return False
            candidate = {"id": user_id, "chatId": chat_id, "name": name, "username": username}
            await unit.authority.update_pairing(candidate=candidate)
            return True

        return await self._store.run(body)

    async def void_pairing(self, actor: str) -> None:
        """The operator saw who sent the code and said no: the code and whoever sent it count no more."""
        now = self._clock.now()

        async def body(unit: Unit) -> None:
            pairing = await unit.authority.pairing()
            if pairing is None or pairing["voided"]:
                return
            await unit.authority.update_pairing(voided=True)
            sender = pairing["candidate"]
            details = {} if sender is None else {"refusedUserId": str(sender["id"])}
            await unit.audit.append(
                Fact.OWNER_PAIRING_FAILED, actor=actor, at=now, details=details
            )

        await self._store.run(body)

    async def confirm_pairing(
        self, actor: str, user_id: int, bands: Mapping[str, Band] | None = None
    ) -> Owner:
        """The operator saw id, name and username on the host and said yes to this id.

        PAIRING_INVALID when no pairing is open, nobody sent the code, or somebody else did; KEYSTORE_LOCKED.
        """
        self._keyring.require()
        self._gate.require_time()
        now = self._clock.now()

        async def body(unit: Unit) -> Owner:
            pairing = await unit.authority.pairing()
            if pairing is None or pairing["voided"] or now >= pairing["expires_at"]:
                raise AuthError(Code.PAIRING_INVALID, "No pairing is open.")
            candidate = pairing["candidate"]
            if candidate is None:
                raise ConflictError(
                    Code.PAIRING_INVALID, "Nobody has sent the code yet.", retryable=True
                )
            if candidate["id"] != user_id:
                raise ConflictError(
                    Code.PAIRING_INVALID,
                    f"The code was sent by the account {candidate['id']}, not by {user_id}.",
                    hint="Look again: waiaas pair --status",
                )
            before = await unit.authority.owner()
            kept = {} if before is None or before.proof.is_broken else before.bands
            owner = Owner(
                user_id=candidate["id"],
                chat_id=candidate["chatId"],
                name=candidate["name"],
                username=candidate["username"],
                paired_at=now,
                bands=kept if bands is None else bands,
            )
            await unit.authority.save_owner(owner)
            await unit.authority.end_pairing()
            await unit.authority.set_counter(FROZEN, 0, 0)
            await unit.console.end_challenges(now)  # what another account asked for
            await unit.audit.append(
                Fact.OWNER_PAIRED, actor=actor, at=now, details={"userId": str(owner.user_id)}
            )
            if bands is not None:
                await _note_bands(unit, bands, actor, now)
            await unit.console.alert(f"PAIRED:{now}", "PAIRED", {"name": owner.name}, now)
            if before is not None and before.chat_id != owner.chat_id:
                told = {"chatId": str(before.chat_id)}
                await unit.console.alert(f"OWNER_REPLACED:{now}", "OWNER_REPLACED", told, now)
            await _redraw_waiting(unit)
            return owner

        return await self._store.run(body)

    async def set_bands(self, bands: Mapping[str, Band], actor: str) -> Owner:
        """Replace the amount bands. Needs a paired owner. KEYSTORE_LOCKED while locked."""
        self._keyring.require()
        for asset, band in bands.items():
            if not 0 <= band.tap_max <= band.code_max:
                raise bad_field(asset, "tapMax must not be above codeMax")
        now = self._clock.now()

        async def body(unit: Unit) -> Owner:
            owner = await unit.authority.owner()
            if owner is None:
                raise RefusedError(
                    Code.OWNER_NOT_CONNECTED, "No owner is paired.", hint="waiaas pair"
                )
            require_proof(owner.proof, "owner")
            changed = replace(owner, bands=dict(bands))
            await unit.authority.save_owner(changed)
            await _note_bands(unit, bands, actor, now)
            await _redraw_waiting(unit)
            return changed

        return await self._store.run(body)

    async def enrol_totp(self) -> str:
        """The otpauth URI of a new code generator, shown once; it counts after ``confirm_totp``.

        SYSTEM_LOCKED while stopped: a code shortens the wait of a recovery, so it is one of an app from before.
        """
        self._gate.require_normal()
        return (await self._vault.totp_enrol()).uri

    async def confirm_totp(self, code: str, actor: str = "host") -> None:
        """Prove that the new generator works; lifts a freeze of codes. SYSTEM_LOCKED while stopped."""
        self._gate.require_normal()
        self._gate.require_time()
        now = self._clock.now()
        step = await self._vault.totp_confirm(code, now)
        if step is None:
            raise AuthError(Code.FACTOR_INVALID, "That code is not right.")

        async def body(unit: Unit) -> None:
            await unit.authority.start_steps(step)
            await unit.authority.set_counter(CODE_COUNTER, 0, 0)
            await end_reset(unit)
            await unit.audit.append(Fact.FACTOR_ENROLLED, actor=actor, at=now)
            await _redraw_waiting(unit)

        await self._store.run(body)

    async def _wrong_code(
        self, unit: Unit, pairing: Mapping[str, Any], user_id: int, now: int
    ) -> None:
        left = min(int(pairing["tries_left"]), PAIRING_TRIES) - 1
        await unit.authority.update_pairing(tries_left=left, voided=left <= 0)
        await unit.audit.append(Fact.OWNER_PAIRING_FAILED, actor=f"telegram:{user_id}", at=now)


async def _redraw_waiting(unit: Unit) -> None:
    """What waits is asked anew: of a new owner, or with the proof that is needed now."""
    for row in await unit.transactions.in_status(Status.QUEUED):
        await redraw(unit, row)


async def _note_bands(unit: Unit, bands: Mapping[str, Band], actor: str, at: int) -> None:
    shown = ", ".join(f"{a}={b.tap_max}/{b.code_max}" for a, b in bands.items())
    await unit.audit.append(Fact.BANDS_SET, actor=actor, at=at, details={"bands": shown})


def _pairing(
    state: str, candidate: Mapping[str, Any] | None = None, expires_at: int | None = None
) -> Mapping[str, Any]:
    return {"state": state, "candidate": candidate, "expires_at": expires_at}
