"""The chain behind the Solana stand-in: LiteSVM plus what LiteSVM leaves out.

LiteSVM executes transactions exactly, but has no slots of its own, no window of valid blockhashes
and forgets signatures after 32 transactions. This module adds those three, and keeps every landed
transaction.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from solders.account import Account
from solders.clock import Clock
from solders.hash import Hash
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.message import Message, MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import ID as SYSTEM_PROGRAM
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import (
    FailedTransactionMetadata,
    SimulatedTransactionInfo,
    TransactionMetadata,
)
from solders.transaction_status import TransactionErrorFieldless, TransactionErrorType

Commitment = Literal["processed", "confirmed", "finalized"]

BLOCKHASH_LIFETIME: Final = 150
FIRST_SLOT: Final = 10_000
# On a real chain some slots have no block, so a height is never a slot: code that mixes the two up
# must fail here too.
SKIPPED_SLOTS: Final = 1_000
MAX_FINALITY_DEPTH: Final = 1_000
FAUCET_LAMPORTS: Final = 10**18
U64_MAX: Final = 2**64 - 1
# Fixed, and the hash of a sentence rather than of a genesis block: it can be no public cluster's.
GENESIS_HASH: Final = str(Hash(hashlib.sha256(b"waiaas sandbox: local Solana").digest()))
_TRANSFER_TAG: Final = (2).to_bytes(4, "little")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What executing, or simulating, one transaction gave."""

    err: TransactionErrorType | None
    meta: TransactionMetadata | None
    accounts: tuple[tuple[Pubkey, Account], ...] = ()


@dataclass(frozen=True, slots=True)
class Landed:
    """One executed transaction; balances are lamports, in the order of its account keys."""

    transaction: VersionedTransaction
    slot: int
    time: int
    err: TransactionErrorType | None
    meta: TransactionMetadata
    pre_balances: tuple[int, ...]
    post_balances: tuple[int, ...]

    @property
    def signature(self) -> Signature:
        return self.transaction.signatures[0]

    @property
    def payer(self) -> Pubkey:
        return self.transaction.message.account_keys[0]


class Ledger:
    """Slots, blockhashes, balances and landed transactions of one local chain.

    `wall` gives seconds since the epoch, for block times. `salt` makes the blockhashes of two runs
    differ, so that nothing signed for one run is valid in the next.
    """

    def __init__(self, *, finality_depth: int, wall: Callable[[], float], salt: bytes) -> None:
        if not 0 <= finality_depth <= MAX_FINALITY_DEPTH:
            raise ValueError(f"finality depth must be between 0 and {MAX_FINALITY_DEPTH} slots")
        self.finality_depth = finality_depth
        self.slot = FIRST_SLOT
        self.holding = False
        self.held: dict[Signature, VersionedTransaction] = {}
        self.landed: dict[Signature, Landed] = {}
        self._wall = wall
        self._salt = salt
        self._last_valid: dict[str, int] = {}
        self._times: dict[int, int] = {}
        # Signatures are judged by the RPC layer and in `_land`: an unsigned simulation is allowed.
        self._svm = (
            LiteSVM()
            .with_sigverify(sigverify=False)
            .with_blockhash_check(check=False)
            .with_transaction_history(0)
        )
        self._faucet = Keypair()
        self.set_balance(self._faucet.pubkey(), FAUCET_LAMPORTS)
        window = BLOCKHASH_LIFETIME + finality_depth
        self._open_slots(range(FIRST_SLOT - min(window, FIRST_SLOT), FIRST_SLOT + 1))

    # ---- time

    @property
    def faucet(self) -> Pubkey:
        return self._faucet.pubkey()

    @property
    def height(self) -> int:
        return self.slot - SKIPPED_SLOTS

    def slot_at(self, commitment: Commitment) -> int:
        """Return the newest slot with that commitment."""
        lag = {"processed": 0, "confirmed": min(1, self.finality_depth)}
        return self.slot - lag.get(commitment, self.finality_depth)

    def height_at(self, commitment: Commitment) -> int:
        return self.slot_at(commitment) - SKIPPED_SLOTS

    def commitment_of(self, slot: int) -> Commitment:
        """How settled the block of `slot` is by now."""
        if slot <= self.slot_at("finalized"):
            return "finalized"
        return "confirmed" if slot <= self.slot_at("confirmed") else "processed"

    def block_time(self, slot: int) -> int | None:
        """Return the time of a recent block, or of any block with a transaction in it."""
        if slot in self._times:
            return self._times[slot]
        return next((landed.time for landed in self.landed.values() if landed.slot == slot), None)

    def advance(self, slots: int) -> None:
        """Move the chain on by `slots` blocks; blockhashes older than 150 blocks expire."""
        self.slot += slots
        window = BLOCKHASH_LIFETIME + self.finality_depth
        self._open_slots(range(self.slot - min(slots - 1, window), self.slot + 1))

    def _open_slots(self, slots: Iterable[int]) -> None:
        now = int(self._wall())
        for slot in slots:
            self._last_valid[self._hash_of(slot)] = slot - SKIPPED_SLOTS + BLOCKHASH_LIFETIME
            self._times[slot] = now
        oldest = self.height_at("finalized")
        # Both dicts are in slot order, so what is too old stands in front.
        while (first := next(iter(self._last_valid))) and self._last_valid[first] < oldest:
            del self._last_valid[first]
        while len(self._times) > 2 * (BLOCKHASH_LIFETIME + self.finality_depth):
            del self._times[next(iter(self._times))]
        self._svm.set_clock(Clock(self.slot, now, 0, 1, now))

    def _hash_of(self, slot: int) -> str:
        return str(Hash(hashlib.sha256(self._salt + slot.to_bytes(8, "big")).digest()))

    # ---- blockhashes

    def latest_blockhash(self, commitment: Commitment) -> tuple[str, int]:
        """Return the newest blockhash with that commitment and the last height it is good for."""
        blockhash = self._hash_of(self.slot_at(commitment))
        return blockhash, self._last_valid[blockhash]

    def blockhash_valid(self, blockhash: str, height: int) -> bool:
        """Whether a block at `height` may carry a transaction with this blockhash."""
        last = self._last_valid.get(blockhash)
        return last is not None and last - BLOCKHASH_LIFETIME <= height <= last

    # ---- accounts

    def account(self, address: Pubkey) -> Account | None:
        found = self._svm.get_account(address)
        return found if found is not None and found.lamports > 0 else None

    def balance(self, address: Pubkey) -> int:
        """Lamports."""
        return self._svm.get_balance(address) or 0

    def set_balance(self, address: Pubkey, lamports: int) -> None:
        """Make the balance exactly `lamports`, up or down; the account's data and owner stay."""
        if not 0 <= lamports <= U64_MAX:
            raise ValueError("amount must be a whole number of lamports below 2^64")
        old = self.account(address)
        data, owner = (old.data, old.owner) if old else (b"", SYSTEM_PROGRAM)
        executable = old is not None and old.executable
        self._svm.set_account(address, Account(lamports, data, owner, executable))

    def rent_exempt_minimum(self, size: int) -> int:
        return self._svm.minimum_balance_for_rent_exemption(size)

    # ---- transactions

    def fee_of(self, message: Message | MessageV0) -> int:
        """Return the fee in lamports, priority fee included, that this message would pay."""
        unsigned = [Signature.default()] * message.header.num_required_signatures
        meta = self._execute(VersionedTransaction.populate(message, unsigned), dry=True).meta
        return meta.fee() if meta else 0

    def simulate(
        self, transaction: VersionedTransaction, commitment: Commitment, *, fresh_blockhash: bool
    ) -> Outcome:
        """Execute without effect; `fresh_blockhash` stands for one replaced by a valid one."""
        if not fresh_blockhash:
            blockhash = str(transaction.message.recent_blockhash)
            if not self.blockhash_valid(blockhash, self.height_at(commitment)):
                return Outcome(TransactionErrorFieldless.BlockhashNotFound, None)
            if transaction.signatures[0] in self.landed:
                return Outcome(TransactionErrorFieldless.AlreadyProcessed, None)
        return self._execute(transaction, dry=True)

    def submit(self, transaction: VersionedTransaction) -> None:
        """Land a transaction in the next block, or drop it without a word, as a leader does."""
        if self.holding:
            self.held.setdefault(transaction.signatures[0], transaction)
        else:
            self._land(transaction)

    def hold(self, *, on: bool) -> None:
        """Keep accepted transactions waiting, or land all that wait and have not expired."""
        self.holding = on
        if not on:
            waiting, self.held = self.held, {}
            for transaction in waiting.values():
                self._land(transaction)

    def airdrop(self, address: Pubkey, lamports: int) -> Signature:
        """Pay `lamports` from the faucet with a real transaction."""
        blockhash = Hash.from_string(self.latest_blockhash("processed")[0])
        payment = transfer(
            TransferParams(from_pubkey=self.faucet, to_pubkey=address, lamports=lamports)
        )
        message = MessageV0.try_compile(self.faucet, [payment], [], blockhash)
        transaction = VersionedTransaction(message, [self._faucet])
        self.submit(transaction)
        return transaction.signatures[0]

    def _land(self, transaction: VersionedTransaction) -> None:
        blockhash = str(transaction.message.recent_blockhash)
        known = transaction.signatures[0] in self.landed
        if (
            known
            or not self.blockhash_valid(blockhash, self.height + 1)
            or not signed(transaction)
        ):
            return
        keys = transaction.message.account_keys
        before = tuple(self.balance(key) for key in keys)
        self.advance(1)
        outcome = self._execute(transaction, dry=False)
        if outcome.meta is None or outcome.meta.signature() == Signature.default():
            return  # not even loaded (no funds for the fee): no block carries it, no fee is taken
        after = tuple(self.balance(key) for key in keys)
        time = self._times[self.slot]
        landed = Landed(transaction, self.slot, time, outcome.err, outcome.meta, before, after)
        self.landed[landed.signature] = landed

    def _execute(self, transaction: VersionedTransaction, *, dry: bool) -> Outcome:
        run = self._svm.simulate_transaction if dry else self._svm.send_transaction
        result = run(transaction)
        if isinstance(result, FailedTransactionMetadata):
            return Outcome(result.err(), result.meta())
        if isinstance(result, SimulatedTransactionInfo):
            return Outcome(None, result.meta(), tuple(result.post_accounts()))
        return Outcome(None, result)


def signed(transaction: VersionedTransaction) -> bool:
    """Whether every required signature is there and good."""
    wanted = transaction.message.header.num_required_signatures
    return len(transaction.signatures) == wanted and all(transaction.verify_with_results())


def first_transfer(transaction: VersionedTransaction) -> tuple[Pubkey, int] | None:
    """Recipient and lamports of the first plain transfer in the transaction, if it has one."""
    keys = transaction.message.account_keys
    for instruction in transaction.message.instructions:
        data = bytes(instruction.data)
        is_system = keys[instruction.program_id_index] == SYSTEM_PROGRAM
        if is_system and data.startswith(_TRANSFER_TAG):
            return keys[instruction.accounts[1]], int.from_bytes(data[4:], "little")
    return None
