"""An Ethereum chain in this process: py-evm executes, blocks and receipts are kept ready to serve.

It makes blocks from transactions that are known to be executable and answers questions about
state. It knows no mempool and no JSON-RPC methods. Balances can be set to any amount: the change
lies under the next block, and the newest state shows it at once.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from eth.abc import BlockAPI, ComputationAPI, SignedTransactionAPI, StateAPI
from eth.chains.base import MiningChain
from eth.db.atomic import AtomicDB
from eth.db.backends.memory import MemoryDB
from eth.exceptions import VMError
from eth.vm.forks.prague import PragueVM
from eth.vm.spoof import SpoofTransaction
from eth_typing import Address, BlockNumber
from eth_utils.exceptions import ValidationError
from typing_extensions import override

from wallet.sandbox.evm.engine import REVERTED, MinedTransaction, RpcError, data
from wallet.sandbox.evm.json_shapes import Header, Json, block_json, place, price_of, receipts_json

GAS_LIMIT = 30_000_000
TRANSFER_GAS = 21_000
_ZERO_HASH = bytes(32)
_NOBODY = Address(bytes(20))
_NEW_CONTRACT = Address(b"")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the canonical chain and every answer about it."""

    header: Header
    json: Json
    transactions: tuple[Json, ...]
    receipts: tuple[Json, ...]
    mined: tuple[MinedTransaction, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    database: dict[bytes, bytes]
    pending: Header
    blocks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A call to simulate; amounts in wei, `gas` is a limit."""

    sender: Address = _NOBODY
    to: Address = _NEW_CONTRACT
    value: int = 0
    data: bytes = b""
    gas: int = GAS_LIMIT


class Chain:
    """The canonical chain from its own genesis. `now` gives seconds since the epoch."""

    def __init__(self, chain_id: int, now: Callable[[], int]) -> None:
        self.chain_id = chain_id
        self._now = now
        self._memory = MemoryDB()
        # Any: py-evm types this as its base class, which has no header and makes no blocks.
        self._chain: Any = _chain_class(chain_id).from_genesis(
            AtomicDB(self._memory), _genesis(now()), {}
        )
        self._newest: StateAPI | None = None
        self.blocks: list[Block] = []
        self.number_of: dict[str, int] = {}
        self.receipts: dict[str, Json] = {}
        self.transactions: dict[str, Json] = {}
        self._keep(self._chain.get_canonical_block_by_number(BlockNumber(0)), ())

    @property
    def head(self) -> int:
        return len(self.blocks) - 1

    @property
    def next_base_fee(self) -> int:
        return int(self._chain.header.base_fee_per_gas or 0)

    def state_at(self, number: int) -> StateAPI:
        """Return the state after block `number`; for the head, with balances set since."""
        if number < self.head:
            return self._state(self.blocks[number].header)
        if self._newest is None:
            self._newest = self._state(self._chain.header)
        return self._newest

    def _state(self, header: Header) -> StateAPI:
        state: StateAPI = self._chain.get_vm(header).state
        return state

    def decode(self, raw: bytes) -> SignedTransactionAPI:
        """Read a signed transaction; raises whatever the decoder raises on nonsense."""
        return PragueVM.get_transaction_builder().decode(raw)

    def set_balance(self, address: Address, amount: int) -> None:
        """Make the newest balance exactly `amount` wei, without making a block."""
        state = self._state(self._chain.header)
        state.set_balance(address, amount)
        state.persist()
        self._chain.header = self._chain.header.copy(state_root=state.state_root)
        self._newest = None

    def append(self, transactions: list[SignedTransactionAPI]) -> Block:
        """Make a block of these transactions; raises `ValidationError` if one cannot be in it."""
        pending = self._chain.header
        timestamp = max(self._now(), self.blocks[-1].header.timestamp + 1)
        self._chain.header = pending.copy(timestamp=timestamp)
        try:
            mined, receipts, _ = self._chain.mine_all(transactions)
        except ValidationError:
            self._chain.header = pending
            raise
        self._newest = None
        return self._keep(mined.imported_block, receipts)

    def _keep(self, block: BlockAPI, receipts: tuple[Any, ...]) -> Block:
        answers = receipts_json(block, receipts)
        kept = Block(
            block.header,
            block_json(block),
            tuple(place(tx, block.header, index) for index, tx in enumerate(block.transactions)),
            tuple(answers),
            tuple(
                _mined(block.header, *pair)
                for pair in zip(block.transactions, answers, strict=True)
            ),
        )
        self.blocks.append(kept)
        self.number_of[kept.json["hash"]] = block.number
        self.transactions |= {tx["hash"]: tx for tx in kept.transactions}
        self.receipts |= {receipt["transactionHash"]: receipt for receipt in kept.receipts}
        return kept

    def snapshot(self) -> Snapshot:
        return Snapshot(dict(self._memory.kv_store), self._chain.header, len(self.blocks))

    def revert(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot, forgetting every block made since: a reorganisation."""
        self._memory = MemoryDB(dict(snapshot.database))
        self._chain = _chain_class(self.chain_id)(AtomicDB(self._memory), snapshot.pending)
        self._newest = None
        while len(self.blocks) > snapshot.blocks:
            lost = self.blocks.pop()
            del self.number_of[lost.json["hash"]]
            for tx in lost.transactions:
                del self.transactions[tx["hash"]], self.receipts[tx["hash"]]

    def call(self, message: Message, number: int) -> bytes:
        """Execute without a trace and return the output; raises `RpcError` when it fails."""
        return self._simulate(message, number).output

    def estimate_gas(self, message: Message, number: int) -> int:
        """Return a gas limit that is enough; raises `RpcError` when none is."""
        plain = message.to and not message.data
        if plain and not self.state_at(number).get_code(message.to):
            self._check_purse(message, number)
            return TRANSFER_GAS
        used, computation = self._execute(message, number)
        _raise_for(computation)
        enough, low, high = message.gas, used, min(used * 2, message.gas)
        for guess in (used, high):
            if self._suffices(message, number, guess):
                enough = guess
                break
            low = guess
        while enough - low > max(1, enough // 64):
            middle = (low + enough) // 2
            low, enough = (
                (low, middle) if self._suffices(message, number, middle) else (middle, enough)
            )
        return enough

    def _suffices(self, message: Message, number: int, gas: int) -> bool:
        trial = Message(
            sender=message.sender, to=message.to, value=message.value, data=message.data, gas=gas
        )
        try:
            return not self._execute(trial, number)[1].is_error
        except RpcError:
            return False

    def _simulate(self, message: Message, number: int) -> ComputationAPI:
        _, computation = self._execute(message, number)
        _raise_for(computation)
        return computation

    def _check_purse(self, message: Message, number: int) -> None:
        if self.state_at(number).get_balance(message.sender) < message.value:
            raise RpcError("insufficient funds for transfer")

    def _execute(self, message: Message, number: int) -> tuple[int, ComputationAPI]:
        self._check_purse(message, number)
        header = self._chain.header if number >= self.head else self.blocks[number].header
        with ExitStack() as stack:
            state = stack.enter_context(self._chain.get_vm(header).in_costless_state())
            unsigned = self._chain.create_unsigned_transaction(
                nonce=state.get_nonce(message.sender),
                gas_price=0,
                gas=min(message.gas, state.gas_limit),
                to=message.to,
                value=message.value,
                data=message.data,
            )
            transaction: Any = SpoofTransaction(unsigned, from_=message.sender)
            try:
                computation = state.apply_transaction(transaction)
            except (ValidationError, VMError) as error:
                raise RpcError(str(error)) from error
            return int(unsigned.intrinsic_gas + computation.get_gas_used()), computation


def _raise_for(computation: ComputationAPI) -> None:
    if not computation.is_error:
        return
    if type(computation.error).__name__ == "Revert":
        raise RpcError("execution reverted", code=REVERTED, data=data(computation.output))
    raise RpcError(str(computation.error))


def _mined(header: Header, transaction: SignedTransactionAPI, receipt: Json) -> MinedTransaction:
    price = price_of(transaction, header.base_fee_per_gas or 0)
    return MinedTransaction(
        hash=data(transaction.hash),
        sender=data(transaction.sender),
        to=data(transaction.to) if transaction.to else None,
        value=transaction.value,
        nonce=transaction.nonce,
        block=header.block_number,
        fee=int(receipt["gasUsed"], 16) * price,
        succeeded=receipt["status"] == "0x1",
        input=data(transaction.data),
    )


def _chain_class(number: int) -> type[MiningChain]:
    class LocalChain(MiningChain):
        chain_id = number
        vm_configuration = ((BlockNumber(0), PragueVM),)

        @override
        def create_header_from_parent(self, parent_header: Header, **fields: Any) -> Header:
            fields["gas_limit"] = parent_header.gas_limit
            return super().create_header_from_parent(parent_header, **fields)

    return LocalChain


def _genesis(timestamp: int) -> dict[str, Any]:
    return {
        "coinbase": _NOBODY,
        "difficulty": 0,
        "extra_data": b"",
        "gas_limit": GAS_LIMIT,
        "mix_hash": _ZERO_HASH,
        "nonce": bytes(8),
        "timestamp": timestamp,
    }
