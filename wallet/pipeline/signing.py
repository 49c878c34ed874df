"""Signing: a permit for exactly these bytes, minted here and nowhere else."""

from dataclasses import dataclass

from wallet.domain.permits import Grant, mint
from wallet.domain.transactions import Attempt, Purpose, Transaction
from wallet.domain.wallets import Wallet
from wallet.errors import ChainError, Code
from wallet.ports.chain import Built, Chain, Payment
from wallet.ports.vault import KeyVault
from wallet.ports.world import Clock, Ids
from wallet.safety.gate import Gate
from wallet.safety.keyring import Keyring


@dataclass(frozen=True, slots=True)
class Order:
    """What a payload is signed for, the value it moves (native base units), and its number on the row."""

    purpose: Purpose
    value: int
    number: int
    address: str


class Signing:
    """Mints permits and has payloads signed. Nothing is stored here."""

    def __init__(
        self, clock: Clock, ids: Ids, *, gate: Gate, keyring: Keyring, vault: KeyVault
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._gate = gate
        self._keyring = keyring
        self._vault = vault

    @property
    def is_locked(self) -> bool:
        return not self._keyring.is_open or self._vault.locked

    @property
    def has_time(self) -> bool:
        """Whether the time of day can be believed: nothing is signed by a clock that is in doubt."""
        return self._gate.has_time

    async def sign(self, chain: Chain, built: Built, row: Transaction, order: Order) -> Attempt:
        """The attempt row for a signed payload.

        Raises SYSTEM_LOCKED, CLOCK_UNTRUSTED, KEYSTORE_LOCKED, SIGNER_GONE.
        """
        self._gate.require_normal()
        self._gate.require_time()
        now = self._clock.now()
        permit = mint(
            self._keyring.require().permit,
            Grant(
                permit_id=self._ids.new(),
                transaction_id=row.id,
                attempt=row.attempt,
                wallet_id=row.wallet_id,
                chain=row.chain,
                digest=row.digest,
            ),
            payload=built.payload,
            now_ms=now,
        )
        signature = await self._vault.sign(permit, built.payload)
        signed = chain.attach(built.payload, signature)
        return Attempt(
            transaction_id=row.id,
            number=order.number,
            purpose=order.purpose,
            network=row.network,
            address=order.address,
            hash=signed.hash,
            raw=signed.raw,
            nonce=built.nonce,
            last_valid_height=built.last_valid_height,
            signing_height=built.signing_height,
            max_cost=order.value + built.max_fee,
            created_at=now,
        )


def require_same_payment(
    payment: Payment, row: Transaction, wallet: Wallet, ceiling: int | None = None
) -> None:
    """Raise PAYLOAD_MISMATCH unless the decoded payload is the payment that was decided.

    ``ceiling`` is the most in fees where the owner allowed more than the row's own.
    """
    payer_differs = payment.address not in (None, wallet.address)
    what_differs = (payment.to, payment.amount, payment.memo) != (row.to, row.amount, row.memo)
    if (
        payer_differs
        or what_differs
        or payment.max_fee > (row.fee_ceiling if ceiling is None else ceiling)
    ):
        raise _mismatch()


def require_empty_payment(payment: Payment, wallet: Wallet, ceiling: int) -> None:
    """Raise PAYLOAD_MISMATCH unless the payload moves nothing but its fee, to the wallet itself."""
    if (payment.to, payment.amount, payment.memo) != (wallet.address, 0, None):
        raise _mismatch()
    if payment.max_fee > ceiling:
        raise _mismatch()


def _mismatch() -> ChainError:
    return ChainError(
        Code.PAYLOAD_MISMATCH, "The built payload is not the payment that was decided."
    )
