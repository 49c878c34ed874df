"""The in-process engine of the EVM stand-in: a mempool before a py-evm chain, answering as geth.

One answer differs from geth on purpose: bytes that are already in a block answer "already known"
(geth says "nonce too low"), so that a resend after a crash is told the truth about its payment.
"""

import asyncio
import inspect
import math
from collections.abc import Callable
from typing import Any

from eth.abc import SignedTransactionAPI, StateAPI
from eth_hash.auto import keccak
from eth_typing import Address
from eth_utils.exceptions import ValidationError
from typing_extensions import override

from wallet.sandbox.evm.chain import GAS_LIMIT, TRANSFER_GAS, Chain, Message, Snapshot
from wallet.sandbox.evm.engine import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    Call,
    Engine,
    MinedTransaction,
    MiningMode,
    RpcError,
    data,
    failure,
    result,
    to_address,
    to_bytes,
    to_int,
)
from wallet.sandbox.evm.json_shapes import DYNAMIC_FEE, Json, transaction_json, type_of
from wallet.sandbox.evm.pool import Pool, Pooled, Room

TIP = 10**9
CLIENT = "waiaas-sandbox/py-evm"
_LATEST = ("latest", "pending", "safe", "finalized", None)
_FLOOR_PER_TOKEN = 10


class LocalEngine(Engine):
    """The default engine. Everything happens on the event loop, so answers never race."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._pool = Pool()
        self._mode: MiningMode = "auto"
        self._seconds = math.inf
        self._mode_changed = asyncio.Event()
        self._snapshots: list[tuple[Snapshot, Pool]] = []
        self._methods = self._table()

    @override
    async def answer(self, call: Call) -> bytes:
        method = self._methods.get(call["method"])
        if method is None:
            unknown = f"the method {call['method']} does not exist/is not available"
            return failure(call, RpcError(unknown, code=METHOD_NOT_FOUND))
        params = call.get("params") or ()
        try:
            return result(call, method(*params))
        except RpcError as error:
            return failure(call, error)
        except TypeError:
            if _fits(method, params):
                raise
            return failure(call, RpcError("invalid params", code=INVALID_PARAMS))

    @override
    async def head(self) -> int:
        return self._chain.head

    @override
    async def set_balance(self, address: str, amount: int) -> None:
        self._chain.set_balance(to_address(address), amount)
        self._mine_executable()

    @override
    async def set_mining(self, mode: MiningMode, seconds: float) -> None:
        self._mode = mode
        self._seconds = seconds if mode == "interval" else math.inf
        self._mode_changed.set()
        self._mine_executable()

    @override
    async def mine(self, blocks: int) -> None:
        for _ in range(blocks):
            self._make_block()

    @override
    async def mined(self) -> list[MinedTransaction]:
        return [transaction for block in self._chain.blocks for transaction in block.mined]

    @override
    async def run(self) -> None:
        while True:
            self._mode_changed.clear()
            pause = None if math.isinf(self._seconds) else self._seconds
            try:
                await asyncio.wait_for(self._mode_changed.wait(), pause)
            except TimeoutError:
                self._make_block()

    # ---- blocks

    def _mine_executable(self) -> None:
        if self._mode == "auto":
            while picked := self._pick():
                self._append(picked)

    def _make_block(self) -> None:
        self._append(self._pick())

    def _pick(self) -> list[Pooled]:
        if not len(self._pool):
            return []
        state = self._newest()
        return self._pool.pick(
            Room(
                base_fee=self._chain.next_base_fee,
                gas_limit=GAS_LIMIT,
                nonce_of=state.get_nonce,
                balance_of=state.get_balance,
            )
        )

    def _append(self, picked: list[Pooled]) -> None:
        try:
            self._chain.append([entry.transaction for entry in picked])
        except ValidationError:
            self._append_each(picked)
            return
        for entry in picked:
            self._pool.remove(entry)
            self._pool.forget_below(entry.sender, entry.nonce)

    def _append_each(self, picked: list[Pooled]) -> None:
        """Find the transaction the chain refuses, and drop that one alone."""
        if len(picked) == 1:
            self._pool.remove(picked[0])
            return
        for entry in picked:
            self._append([entry])

    def _newest(self) -> StateAPI:
        return self._chain.state_at(self._chain.head)

    # ---- sending

    def _send(self, raw: Any) -> str:
        payload = to_bytes(raw)
        digest = keccak(payload)
        if digest in self._pool.by_hash or data(digest) in self._chain.transactions:
            raise RpcError("already known")
        transaction = self._decoded(payload)
        entry = self._entry(transaction)
        _check_gas(transaction)
        self._check_against_state(entry)
        self._pool.add(entry)
        self._mine_executable()
        return data(digest)

    def _decoded(self, payload: bytes) -> SignedTransactionAPI:
        try:
            transaction = self._chain.decode(payload)
            kind, chain_id = type_of(transaction), transaction.chain_id
            transaction.validate()
            transaction.check_signature_validity()
        except Exception as error:  # the decoder raises a dozen kinds; all mean the same answer
            raise RpcError("rlp: could not decode the transaction") from error
        if kind > DYNAMIC_FEE:
            raise RpcError("transaction type not supported")
        if chain_id is None:
            raise RpcError("only replay-protected (EIP-155) transactions allowed over RPC")
        if chain_id != self._chain.chain_id:
            expected = self._chain.chain_id
            raise RpcError(f"invalid chain id for signer: have {chain_id} want {expected}")
        return transaction

    def _entry(self, transaction: SignedTransactionAPI) -> Pooled:
        return Pooled(
            hash=transaction.hash,
            sender=transaction.sender,
            nonce=transaction.nonce,
            max_fee=transaction.max_fee_per_gas,
            tip=transaction.max_priority_fee_per_gas,
            gas=transaction.gas,
            cost=transaction.gas * transaction.max_fee_per_gas + transaction.value,
            transaction=transaction,
        )

    def _check_against_state(self, entry: Pooled) -> None:
        base_fee, state = self._chain.next_base_fee, self._newest()
        who = f"address {data(entry.sender)}, maxFeePerGas: {entry.max_fee}"
        if entry.tip > entry.max_fee:
            tip = f"{who}, maxPriorityFeePerGas: {entry.tip}"
            raise RpcError(f"max priority fee per gas higher than max fee per gas: {tip}")
        if entry.max_fee < base_fee:
            fees = f"{who}, baseFee: {base_fee}"
            raise RpcError(f"max fee per gas less than block base fee: {fees}")
        mined = state.get_nonce(entry.sender)
        if entry.nonce < mined:
            raise RpcError(f"nonce too low: next nonce {mined}, tx nonce {entry.nonce}")
        balance = state.get_balance(entry.sender)
        needed = entry.cost + self._pool.cost_of(entry.sender, without=entry.nonce)
        if balance < needed:
            sums = f"balance {balance}, tx cost {entry.cost}, overshot {needed - balance}"
            raise RpcError(f"insufficient funds for gas * price + value: {sums}")

    # ---- reading

    def _number(self, tag: Any) -> int:
        if tag in _LATEST:
            return self._chain.head
        number = 0 if tag == "earliest" else to_int(tag)
        if number > self._chain.head:
            raise RpcError("header not found")
        return number

    def _state(self, tag: Any) -> StateAPI:
        return self._chain.state_at(self._number(tag))

    def _count(self, address: Any, tag: Any = None) -> str:
        who = to_address(address)
        mined = self._state(tag).get_nonce(who)
        return hex(self._pool.next_nonce(who, mined) if tag == "pending" else mined)

    def _block(self, number: int | None, full: Any = False) -> Json | None:  # noqa: FBT002
        if number is None or number > self._chain.head:
            return None
        block = self._chain.blocks[number]
        return block.json | {"transactions": list(block.transactions)} if full else block.json

    def _block_by_number(self, tag: Any, full: Any = False) -> Json | None:  # noqa: FBT002
        known = tag in _LATEST or tag == "earliest"
        return self._block(self._number(tag) if known else to_int(tag), full)

    def _block_receipts(self, tag: Any) -> list[Json]:
        return list(self._chain.blocks[self._number(tag)].receipts)

    def _transaction(self, digest: str) -> Json | None:
        mined = self._chain.transactions.get(digest)
        if mined is not None:
            return mined
        waiting = self._pool.by_hash.get(to_bytes(digest))
        return transaction_json(waiting.transaction) if waiting else None

    def _logs(self, query: Json) -> list[Json]:
        if "blockHash" in query:
            first = last = self._chain.number_of.get(query["blockHash"], -1)
            if first < 0:
                raise RpcError("unknown block")
        else:
            first = self._number(query.get("fromBlock"))
            last = min(self._number(query.get("toBlock")), self._chain.head)
        return [
            log
            for block in self._chain.blocks[first : last + 1]
            for receipt in block.receipts
            for log in receipt["logs"]
            if _matches(log, query)
        ]

    def _fee_history(self, count: Any, newest: Any, percentiles: Any = None) -> Json:
        last = self._number(newest)
        first = max(0, last + 1 - to_int(count))
        headers = [block.header for block in self._chain.blocks[first : last + 1]]
        fees = [int(header.base_fee_per_gas or 0) for header in headers]
        after = self._chain.blocks[last + 1 : last + 2]
        fees.append(
            int(after[0].header.base_fee_per_gas or 0) if after else self._chain.next_base_fee
        )
        history: Json = {
            "oldestBlock": hex(first),
            "baseFeePerGas": [hex(fee) for fee in fees],
            "gasUsedRatio": [header.gas_used / header.gas_limit for header in headers],
        }
        if percentiles:
            history["reward"] = [[hex(TIP)] * len(percentiles) for _ in headers]
        return history

    def _call(self, fields: Json, tag: Any = None) -> str:
        return data(self._chain.call(_message(fields), self._number(tag)))

    def _estimate(self, fields: Json, tag: Any = None) -> str:
        return hex(self._chain.estimate_gas(_message(fields), self._number(tag)))

    # ---- test controls that other local nodes have too

    def _snapshot(self) -> str:
        self._snapshots.append((self._chain.snapshot(), self._pool.copy()))
        return hex(len(self._snapshots))

    def _revert(self, number: Any) -> bool:
        index = to_int(number) - 1
        if not 0 <= index < len(self._snapshots):
            return False
        chain, self._pool = self._snapshots[index]
        self._chain.revert(chain)
        del self._snapshots[index:]
        return True

    def _mine(self, *_: Any) -> str:
        self._make_block()
        return "0x0"

    def _table(self) -> dict[str, Callable[..., Any]]:
        return self._node_methods() | self._account_methods() | self._history_methods()

    def _node_methods(self) -> dict[str, Callable[..., Any]]:
        return {
            "web3_clientVersion": lambda: CLIENT,
            "net_version": lambda: str(self._chain.chain_id),
            "net_listening": lambda: True,
            "eth_chainId": lambda: hex(self._chain.chain_id),
            "eth_syncing": lambda: False,
            "eth_accounts": list,
            "eth_blockNumber": lambda: hex(self._chain.head),
            "eth_gasPrice": lambda: hex(self._chain.next_base_fee + TIP),
            "eth_maxPriorityFeePerGas": lambda: hex(TIP),
            "eth_feeHistory": self._fee_history,
            "evm_snapshot": self._snapshot,
            "evm_revert": self._revert,
            "evm_mine": self._mine,
        }

    def _account_methods(self) -> dict[str, Callable[..., Any]]:
        return {
            "eth_getBalance": lambda who, tag=None: hex(
                self._state(tag).get_balance(to_address(who))
            ),
            "eth_getCode": lambda who, tag=None: data(self._state(tag).get_code(to_address(who))),
            "eth_getStorageAt": lambda who, slot, tag=None: (
                f"0x{self._state(tag).get_storage(to_address(who), to_int(slot)):064x}"
            ),
            "eth_getTransactionCount": self._count,
            "eth_estimateGas": self._estimate,
            "eth_call": self._call,
            "eth_sendRawTransaction": self._send,
        }

    def _history_methods(self) -> dict[str, Callable[..., Any]]:
        return {
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getBlockByHash": lambda digest, full=False: self._block(
                self._chain.number_of.get(digest), full
            ),
            "eth_getBlockReceipts": self._block_receipts,
            "eth_getTransactionByHash": self._transaction,
            "eth_getTransactionReceipt": self._chain.receipts.get,
            "eth_getLogs": self._logs,
        }


def _fits(method: Callable[..., Any], params: Any) -> bool:
    try:
        inspect.signature(method).bind(*params)
    except TypeError:
        return False
    return True


def _check_gas(transaction: SignedTransactionAPI) -> None:
    tokens = sum(4 if byte else 1 for byte in transaction.data)
    floor = TRANSFER_GAS + _FLOOR_PER_TOKEN * tokens
    needed = max(transaction.intrinsic_gas, floor)
    if transaction.gas < needed:
        sums = f"gas {transaction.gas}, minimum needed {needed}"
        raise RpcError(f"intrinsic gas too low: {sums}")
    if transaction.gas > GAS_LIMIT:
        raise RpcError("exceeds block gas limit")


def _message(fields: Json) -> Message:
    to, sender = fields.get("to"), fields.get("from")
    payload = fields.get("input") or fields.get("data") or "0x"
    return Message(
        sender=to_address(sender) if sender else Address(bytes(20)),
        to=to_address(to) if to else Address(b""),
        value=to_int(fields.get("value") or 0),
        data=to_bytes(payload),
        gas=min(to_int(fields.get("gas") or GAS_LIMIT), GAS_LIMIT),
    )


def _matches(log: Json, query: Json) -> bool:
    wanted = query.get("address")
    addresses = [wanted] if isinstance(wanted, str) else wanted
    if addresses and log["address"] not in {address.lower() for address in addresses}:
        return False
    topics = query.get("topics") or []
    if len(topics) > len(log["topics"]):
        return False
    return all(
        choice is None or actual in ([choice] if isinstance(choice, str) else choice)
        for choice, actual in zip(topics, log["topics"], strict=False)
    )
