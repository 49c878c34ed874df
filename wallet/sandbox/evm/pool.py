"""The mempool of the in-process EVM node: what is signed and sent, but not yet in a block.

Transactions wait here for their nonce, for gas money and for a block. One transaction per sender
and nonce; a replacement must pay at least ten per cent more, as on geth.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from eth.abc import SignedTransactionAPI
from eth_typing import Address

from wallet.sandbox.evm.engine import RpcError

PRICE_BUMP_PERCENT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """A waiting transaction; fees are wei per gas, `cost` is the most it can take, in wei."""

    hash: bytes
    sender: Address
    nonce: int
    max_fee: int
    tip: int
    gas: int
    cost: int
    transaction: SignedTransactionAPI

    def outbids(self, other: "Pooled") -> bool:
        return _bumped(self.max_fee, other.max_fee) and _bumped(self.tip, other.tip)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the next block offers: its base fee, its gas, and the senders' present state."""

    base_fee: int
    gas_limit: int
    nonce_of: Callable[[Address], int]
    balance_of: Callable[[Address], int]


@dataclass(slots=True)
class Pool:
    by_sender: dict[Address, dict[int, Pooled]] = field(default_factory=dict)
    by_hash: dict[bytes, Pooled] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.by_hash)

    def add(self, entry: Pooled) -> None:
        """Take a transaction in; raises `RpcError` when it would replace one too cheaply."""
        queue = self.by_sender.setdefault(entry.sender, {})
        old = queue.get(entry.nonce)
        if old is not None:
            if not entry.outbids(old):
                raise RpcError("replacement transaction underpriced")
            del self.by_hash[old.hash]
        queue[entry.nonce] = entry
        self.by_hash[entry.hash] = entry

    def remove(self, entry: Pooled) -> None:
        if self.by_hash.pop(entry.hash, None) is None:
            return
        queue = self.by_sender[entry.sender]
        del queue[entry.nonce]
        if not queue:
            del self.by_sender[entry.sender]

    def forget_below(self, sender: Address, nonce: int) -> None:
        """Drop what can never be mined any more because its nonce was used."""
        for old in [n for n in self.by_sender.get(sender, {}) if n < nonce]:
            self.remove(self.by_sender[sender][old])

    def next_nonce(self, sender: Address, mined: int) -> int:
        """Return the first nonce free after `mined`, counting the waiting transactions."""
        queue = self.by_sender.get(sender, {})
        while mined in queue:
            mined += 1
        return mined

    def cost_of(self, sender: Address, *, without: int) -> int:
        queue = self.by_sender.get(sender, {})
        return sum(entry.cost for nonce, entry in queue.items() if nonce != without)

    def pick(self, room: Room) -> list[Pooled]:
        """Choose a block's transactions: best tip first, each sender in nonce order.

        Balances are counted without income from the same block, so every choice is valid.
        """
        nonces = {sender: room.nonce_of(sender) for sender in self.by_sender}
        purses = {sender: room.balance_of(sender) for sender in self.by_sender}
        heap: list[tuple[int, Address]] = []
        for sender in self.by_sender:
            self._offer(heap, sender, nonces[sender], room.base_fee)
        chosen: list[Pooled] = []
        gas_left = room.gas_limit
        while heap:
            _, sender = heapq.heappop(heap)
            entry = self.by_sender[sender][nonces[sender]]
            if entry.gas > gas_left or entry.cost > purses[sender]:
                continue
            chosen.append(entry)
            gas_left -= entry.gas
            purses[sender] -= entry.cost
            nonces[sender] += 1
            self._offer(heap, sender, nonces[sender], room.base_fee)
        return chosen

    def _offer(
        self, heap: list[tuple[int, Address]], sender: Address, nonce: int, base_fee: int
    ) -> None:
        entry = self.by_sender[sender].get(nonce)
        if entry is not None and entry.max_fee >= base_fee:
            heapq.heappush(heap, (-min(entry.tip, entry.max_fee - base_fee), sender))

    def copy(self) -> "Pool":
        queues = {sender: dict(queue) for sender, queue in self.by_sender.items()}
        return Pool(queues, dict(self.by_hash))


def _bumped(new: int, old: int) -> bool:
    return new * 100 >= old * (100 + PRICE_BUMP_PERCENT)
