"""Sessions: created by the owner, claimed once by an agent, renewed by rotation, ended at will."""

import hashlib
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from wallet.domain.authority import require_proof
from wallet.domain.facts import Fact
from wallet.domain.owner import CODE_ALPHABET, CODE_LENGTH, CODE_TTL_MS
from wallet.domain.safety import StopState
from wallet.domain.sessions import (
    ABSOLUTE_LIFETIME_SECONDS,
    CLAIM_REUSED,
    RENEWED_TOKEN_GRACE_MS,
    TTL_MAX_SECONDS,
    TTL_MIN_SECONDS,
    Session,
    SessionLimits,
)
from wallet.domain.transactions import UNSIGNED
from wallet.domain.wallets import Wallet
from wallet.errors import (
    AuthError,
    Code,
    ConflictError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    bad_field,
)
from wallet.operations.transactions import cancel_rows
from wallet.pipeline.moves import Cause
from wallet.ports.store import SessionReader, Store, Unit
from wallet.ports.world import Clock, Ids
from wallet.safety.gate import Gate
from wallet.safety.keyring import Keyring
from wallet.sessions.tokens import Proofs, invalid_token, mint, require_shape, token_hash


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a new session gets where the owner names nothing; amounts have no default."""

    ttl_seconds: int
    max_transactions: int
    max_renewals: int


class Sessions:
    """Everything about sessions, the authentication of every request included."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        *,
        reader: SessionReader,
        keyring: Keyring,
        defaults: Defaults,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        gate: Gate,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._reader = reader
        self._keyring = keyring
        self._defaults = defaults
        self._spawn = spawn
        self._gate = gate
        self._proofs = Proofs()

    def authenticate(self, token: str) -> tuple[Session, Wallet]:
        """The session and wallet a token stands for. Raises INVALID_TOKEN, TOKEN_EXPIRED, SESSION_REVOKED.

        While the keystore is locked the hash on the session row proves the token alone.
        """
        require_shape(token)
        hashed = token_hash(token)
        session = self._reader.session_by_hash(hashed)
        if session is None:
            raise invalid_token()
        if self._keyring.is_open:
            claims = self._proofs.claims(self._keyring.require().jwt, token, hashed)
            if claims["sid"] != session.id or claims["wid"] != session.wallet_id:
                raise invalid_token()
        now = self._clock.now()
        session.require_usable(now)
        self._require_current(session, hashed, now)
        wallet = self._reader.wallet(session.wallet_id)
        if wallet is None:
            raise invalid_token()
        require_proof(session.proof, "session")
        require_proof(wallet.proof, "wallet")
        return session, wallet

    async def create(
        self,
        wallet_id: str,
        *,
        name: str,
        limits: Mapping[str, int],
        max_transactions: int | None = None,
        ttl_seconds: int | None = None,
        source: str,
        actor: str,
    ) -> tuple[Session, str]:
        """A session without a token, and the single-use code (10 minutes) that an agent claims it with.

        ``limits`` per asset key in base units; nothing is ever unlimited.
        KEYSTORE_LOCKED while locked: nothing could prove it.
        """
        self._keyring.require()
        now, defaults = self._clock.now(), self._defaults
        ttl = defaults.ttl_seconds if ttl_seconds is None else ttl_seconds
        most = defaults.max_transactions if max_transactions is None else max_transactions
        code = new_code(self._ids)
        session = Session(
            id=self._ids.new(),
            wallet_id=wallet_id,
            name=name,
            source=source,
            limits=SessionLimits(dict(limits), most, defaults.max_renewals),
            ttl_seconds=ttl,
            created_at=now,
            expires_at=now + ttl * 1000,
            absolute_expires_at=now + ABSOLUTE_LIFETIME_SECONDS * 1000,
            spent={},
        )

        async def body(unit: Unit) -> None:
            wallet = await grant(unit, session, code, actor=actor)
            told = {"sessionId": session.id, "name": session.name, "wallet": wallet.name}
            await unit.console.alert(f"SESSION_CREATED:{session.id}", "SESSION_CREATED", told, now)

        await self._store.run(body)
        return session, code

    async def claim(self, code: str) -> tuple[Session, str]:
        """Exchange a claim code for its token, once. A second use ends the session and alarms."""
        self._gate.require_time()
        now = self._clock.now()
        hashed = code_hash(code)
        key = self._keyring.require().jwt

        async def body(unit: Unit) -> tuple[Session, str] | None:
            found = await unit.sessions.claim(hashed)
            session = None if found is None else await unit.sessions.get(found[0])
            if found is None or session is None:
                return None
            if found[2] is not None:
                await self._claimed_twice(unit, session, now)
                return None
            require_proof(session.proof, "session")
            ended = session.revoked_at is not None or now >= session.expires_at
            if ended or not await unit.sessions.use_claim(hashed, now):
                return None
            token = mint(key, session, issued_at=now)
            claimed = replace(session, token_hash=token_hash(token), claimed_at=now)
            if not await unit.sessions.replace_token(
                claimed, expected_hash=None, expected_renewals=0
            ):
                return None
            await _note(unit, Fact.SESSION_CLAIMED, session, f"session:{session.id}", now)
            return claimed, token

        answer = await self._store.run(body)
        if answer is None:
            raise AuthError(
                Code.CLAIM_INVALID,
                "That claim code is not valid (any more).",
                hint="Codes live 10 minutes and work once. Ask the owner for a new one.",
            )
        return answer

    async def renew(self, session: Session, presented_token: str) -> tuple[Session, str]:
        """Rotate the token. The old one lives until the new one is first used, 60 s at most."""
        now = self._clock.now()
        self._require_renewable(session, now)
        expires_at = min(now + session.ttl_seconds * 1000, session.absolute_expires_at)
        renewed = replace(
            session,
            expires_at=expires_at,
            renewals=session.renewals + 1,
            renewed_at=now,
            previous_token_hash=token_hash(presented_token),
            previous_valid_until=now + RENEWED_TOKEN_GRACE_MS,
        )
        token = mint(self._keyring.require().jwt, renewed, issued_at=now)
        renewed = replace(renewed, token_hash=token_hash(token))

        async def body(unit: Unit) -> None:
            if not await unit.sessions.replace_token(
                renewed,
                expected_hash=token_hash(presented_token),
                expected_renewals=session.renewals,
            ):
                raise ConflictError(
                    Code.RENEWAL_CONFLICT, "The session was renewed or ended meanwhile."
                )
            await _note(unit, Fact.SESSION_RENEWED, renewed, f"session:{session.id}", now)

        await self._store.run(body)
        return renewed, token

    async def revoke(self, session_id: str, *, actor: str, reason: str) -> Session:
        """End a session and cancel its waiting rows in the same transaction."""
        now = self._clock.now()

        async def body(unit: Unit) -> Session:
            session = await unit.sessions.get(session_id)
            if session is None:
                raise NotFoundError(
                    Code.SESSION_NOT_FOUND, "There is no such session.", hint="waiaas session list"
                )
            await self._end(unit, session, actor, reason, now)
            return replace(session, revoked_at=session.revoked_at or now)

        return await self._store.run(body)

    async def list(self, wallet_id: str | None = None) -> list[Session]:
        return await self._store.read(lambda unit: unit.sessions.all(wallet_id=wallet_id))

    async def get(self, session_id: str) -> Session:
        session = await self._store.read(lambda unit: unit.sessions.get(session_id))
        if session is None:
            raise NotFoundError(
                Code.SESSION_NOT_FOUND, "There is no such session.", hint="waiaas session list"
            )
        return session

    def _require_current(self, session: Session, hashed: str, now: int) -> None:
        if session.token_hash == hashed:
            if session.previous_token_hash is not None:
                self._spawn(self._forget_previous(session.id))
            return
        if session.previous_valid_until is None or now >= session.previous_valid_until:
            raise invalid_token()

    async def _forget_previous(self, session_id: str) -> None:
        with suppress(
            UnavailableError
        ):  # the next request tries again, and the minute passes anyway
            await self._store.run(lambda unit: unit.sessions.forget_previous_token(session_id))

    def _require_renewable(self, session: Session, now: int) -> None:
        session.require_not_frozen()
        if session.renewals >= session.limits.max_renewals:
            raise RefusedError(
                Code.RENEWAL_LIMIT_REACHED, "This session was renewed as often as it may be."
            )
        if now >= session.absolute_expires_at:
            raise RefusedError(
                Code.SESSION_ABSOLUTE_LIFETIME_EXCEEDED, "This session has reached its last day."
            )
        earliest = (session.renewed_at or session.created_at) + session.ttl_seconds * 500
        if now < earliest:
            raise RefusedError(
                Code.RENEWAL_TOO_EARLY,
                "A session can be renewed after half of its lifetime.",
                details={"earliestAt": earliest // 1000},
            )

    async def _claimed_twice(self, unit: Unit, session: Session, now: int) -> None:
        await self._end(unit, session, "system", CLAIM_REUSED, now)
        await _note(unit, Fact.SESSION_CLAIM_REUSED, session, "system", now)
        await unit.console.alert(
            f"CLAIM_REUSED:{session.id}",
            "CLAIM_REUSED",
            {"sessionId": session.id, "name": session.name},
            now,
        )

    async def _end(self, unit: Unit, session: Session, actor: str, reason: str, now: int) -> None:
        # One that expired may still have payments under way: they end now, and are not signed again.
        if not await unit.sessions.revoke(session.id, now, reason):
            return
        rows = await unit.transactions.of_session(session.id, *UNSIGNED)
        cause = Cause(actor, now, Code.SESSION_REVOKED, "Its session was ended.")
        await cancel_rows(unit, rows, cause)
        await _note(unit, Fact.SESSION_REVOKED, session, actor, now)


async def grant(
    unit: Unit,
    session: Session,
    code: str,
    *,
    actor: str,
    details: Mapping[str, str] = MappingProxyType({}),
) -> Wallet:
    """Store a session and its claim code (10 minutes from its creation), with the fact; returns its wallet.

    Raises SYSTEM_LOCKED while stopped, WALLET_NOT_FOUND, and InputError for limits that are none.
    """
    if (await unit.authority.state()).state is not StopState.NORMAL:
        raise UnavailableError(
            Code.SYSTEM_LOCKED, "Stopped: sessions are created after a recovery."
        )
    wallet = await unit.wallets.get(session.wallet_id)
    if wallet is None:
        raise NotFoundError(Code.WALLET_NOT_FOUND, "There is no such wallet.")
    require_proof(wallet.proof, "wallet")
    _require_limits(session, wallet)
    now = session.created_at
    await unit.sessions.add(session)
    await unit.sessions.add_claim(code_hash(code), session.id, now + CODE_TTL_MS)
    await _note(unit, Fact.SESSION_CREATED, session, actor, now, details)
    return wallet


async def _note(
    unit: Unit,
    fact: Fact,
    session: Session,
    actor: str,
    now: int,
    details: Mapping[str, str] = MappingProxyType({}),
) -> None:
    await unit.audit.append(
        fact,
        actor=actor,
        at=now,
        wallet_id=session.wallet_id,
        session_id=session.id,
        details={"name": session.name, **details},
    )


def new_code(ids: Ids) -> str:
    """Ten Crockford characters: 50 bits."""
    return "".join(CODE_ALPHABET[ids.below(len(CODE_ALPHABET))] for _ in range(CODE_LENGTH))


def code_hash(code: str) -> str:
    """Hash of a code as typed: case, dashes and the letters people confuse do not matter."""
    plain = code.strip().upper().replace("-", "").replace(" ", "")
    plain = plain.translate(str.maketrans("OIL", "011"))
    return hashlib.sha256(b"waiaas/code/1\0" + plain.encode()).hexdigest()


def _require_limits(new: Session, wallet: Wallet) -> None:
    if not TTL_MIN_SECONDS <= new.ttl_seconds <= TTL_MAX_SECONDS:
        raise bad_field("ttlSeconds", f"must be {TTL_MIN_SECONDS} to {TTL_MAX_SECONDS}")
    if new.limits.max_transactions < 1:
        raise bad_field("maxTransactions", "must be at least 1")
    if not new.limits.amounts:
        raise bad_field(
            "limits", "at least one asset limit is needed; a session is never unlimited"
        )
    for asset, amount in new.limits.amounts.items():
        if not asset.startswith(f"{wallet.network}/"):
            raise bad_field("limits", f"{asset} is not an asset of {wallet.network}")
        if amount <= 0:
            raise bad_field("limits", f"the limit of {asset} must be greater than zero")
