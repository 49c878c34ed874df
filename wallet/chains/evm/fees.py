"""What a payment costs: EIP-1559 fees, and the data fee of roll-ups built on the OP stack."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any, Final

from eth_hash.auto import keccak

from wallet.chains.evm.errors import NodeError
from wallet.chains.evm.node import Call, Node, is_code, quantity, required
from wallet.chains.rpc import EndpointError, Endpoints
from wallet.errors import ChainError, Code
from wallet.ports.world import Clock

PLAIN_GAS: Final = 21_000
TIP_FLOOR: Final = 1_000_000  # 0.001 gwei: below it, some nodes do not even relay
FRESH_SECONDS: Final = 0.5  # shared by the many payments of one moment; a block lasts longer
DATA_FEE_ORACLE: Final = "0x420000000000000000000000000000000000000F"
_DATA_FEE: Final = "0x" + keccak(b"getL1FeeUpperBound(uint256)")[:4].hex()
_ENVELOPE_BYTES: Final = 140  # an unsigned payment without its memo is never longer
_HISTORY_BLOCKS: Final = 5
_REWARD_PERCENTILE: Final = 50
_BYTE_GAS, _ZERO_BYTE_GAS = 16, 4
_FLOOR_BYTE_GAS, _FLOOR_ZERO_BYTE_GAS = 40, 10  # EIP-7623


@dataclass(frozen=True, slots=True)
class Market:
    """Wei per gas: the next block's base fee and a customary tip."""

    base: int
    tip: int
    has_data_fee: bool


class Fees:
    """The market of one network, read again when it is older than half a second."""

    def __init__(self, endpoints: Endpoints[Node], clock: Clock) -> None:
        self._endpoints = endpoints
        self._clock = clock
        self._reading = asyncio.Lock()
        self._market: Market | None = None
        self._read_at = 0.0
        self._has_data_fee: bool | None = None

    @property
    def has_data_fee(self) -> bool | None:
        """Whether the network charges for calldata apart; None until the first reading."""
        return self._has_data_fee

    async def market(self) -> Market:
        market = self._fresh()
        if market is not None:
            return market
        async with self._reading:
            market = self._fresh()
            if market is None:
                market = await self._endpoints.read(self._read)
                self._market, self._read_at = market, self._clock.monotonic()
            return market

    def _fresh(self) -> Market | None:
        return self._market if self._clock.monotonic() - self._read_at < FRESH_SECONDS else None

    async def _read(self, node: Node) -> Market:
        history = [hex(_HISTORY_BLOCKS), "latest", [_REWARD_PERCENTILE]]
        calls: list[Call] = [("eth_feeHistory", history), ("eth_maxPriorityFeePerGas", [])]
        if self._has_data_fee is None:
            calls.append(("eth_getCode", [DATA_FEE_ORACLE, "latest"]))
        fees, tip, *code = await node.batch(calls)
        if code:
            self._has_data_fee = is_code(code[0])
        base, rewards = _history(required(fees))
        return Market(base, _tip(tip, rewards), bool(self._has_data_fee))


def data_fee_call(data: bytes) -> Call:
    """Ask the roll-up what publishing a payment with this memo costs at most."""
    size = _ENVELOPE_BYTES + len(data)
    return "eth_call", [
        {"to": DATA_FEE_ORACLE, "data": f"{_DATA_FEE}{size:064x}"},
        "latest",
    ]


def data_fee(answer: Any) -> int:
    # Twice what it costs now, as for the base fee: it moves until the payment is included.
    return 2 * quantity(answer)


def gas_limit(estimate: int, data: bytes) -> int:
    """What to offer for an estimate: the protocol's price for plain accounts, else a fifth more.

    Some nodes forget the calldata floor in their estimates and insist on it in transactions. A
    roll-up may count its data fee as gas; such an estimate is no constant and gets the fifth.
    """
    zeros = data.count(0)
    others = len(data) - zeros
    intrinsic = PLAIN_GAS + zeros * _ZERO_BYTE_GAS + others * _BYTE_GAS
    floor = PLAIN_GAS + zeros * _FLOOR_ZERO_BYTE_GAS + others * _FLOOR_BYTE_GAS
    return floor if estimate in {intrinsic, floor} else max(floor, -(-estimate * 6 // 5))


@dataclass(frozen=True, slots=True)
class Floor:
    """The least that a replacement must offer, wei per gas; nothing where it replaces nothing."""

    tip: int = 0
    max_fee_per_gas: int = 0


def floor_above(offers: Iterable[tuple[int, int]]) -> Floor:
    """What beats every (tip, highest fee per gas): an eighth more of both, where nodes ask for a tenth."""
    raised = [(_raised(tip), _raised(highest)) for tip, highest in offers]
    return Floor(
        max((tip for tip, _ in raised), default=0),
        max((highest for _, highest in raised), default=0),
    )


def _raised(offer: int) -> int:
    return -(-offer * 9 // 8)


def highest_fee_per_gas(market: Market, gas: int, allowed: int, floor: Floor | None = None) -> int:
    """Wei per gas to offer, so that ``gas`` costs at most ``allowed`` wei and ``floor`` is kept.

    Twice the base fee survives six full blocks. When that is too dear, whatever is allowed will do
    if it survives the next block. Raises FEE_CEILING_EXCEEDED when not even that fits.
    """
    lowest = 0 if floor is None else floor.max_fee_per_gas
    wanted = max(2 * market.base + market.tip, lowest)
    if gas * wanted <= allowed:
        return wanted
    least = max(_raised(market.base) + market.tip, lowest)
    fitting = max(allowed, 0) // gas
    if fitting < least:
        raise ChainError(
            Code.FEE_CEILING_EXCEEDED,
            "The network's fee is above the ceiling right now.",
            retryable=True,
            details={"needed": str(gas * least), "allowed": str(max(allowed, 0))},
        )
    return fitting


def _history(history: Any) -> tuple[int, list[int]]:
    if not isinstance(history, dict):
        raise EndpointError("the fee history is missing")
    bases, rewards = history.get("baseFeePerGas"), history.get("reward")
    if not isinstance(bases, list) or not bases:
        raise EndpointError("the node tells no base fee")
    return quantity(bases[-1]), _rewards(rewards if isinstance(rewards, list) else [])


def _rewards(blocks: Sequence[Any]) -> list[int]:
    # An empty block says 0, which is not what a block with payments in it asks for.
    rewards = (quantity(block[0]) for block in blocks if isinstance(block, list) and block)
    return [reward for reward in rewards if reward]


def _tip(suggested: Any, rewards: Sequence[int]) -> int:
    if not isinstance(suggested, NodeError):
        return max(quantity(suggested), TIP_FLOOR)
    return max(median_low(rewards) if rewards else 0, TIP_FLOOR)
