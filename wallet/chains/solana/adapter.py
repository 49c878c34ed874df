"""The chain port for one Solana network.

A payment's blockhash, balances, fees and simulation are read in one exchange with one endpoint that
proved its identity. Nothing here holds a key: build() gives bytes to sign, attach() takes the
signature back.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from solders.hash import Hash, ParseHashError
from solders.pubkey import Pubkey
from solders.signature import Signature

from wallet.chains.rpc import Endpoint, EndpointError, Endpoints, Proof, label_of
from wallet.chains.solana import encode
from wallet.chains.solana.answers import Account, account, items, member, text, whole
from wallet.chains.solana.errors import RpcError, send_verdict, simulation_failure
from wallet.chains.solana.evidence import BLOCKHASH_BLOCKS, Depths, read_evidence
from wallet.chains.solana.fees import (
    MAX_UNITS,
    SIGNATURE_FEE,
    affordable_price,
    market_price,
    total_fee,
    unit_limit,
)
from wallet.chains.solana.node import Call, Node, good
from wallet.domain.chains import Network
from wallet.domain.money import format_units
from wallet.domain.transactions import Attempt
from wallet.errors import ChainError, Code
from wallet.ports.chain import (
    Balance,
    BuildRequest,
    Built,
    Evidence,
    Payment,
    SendOutcome,
    SendResult,
    Sighting,
    Signed,
)
from wallet.ports.world import Clock

COMMITMENTS: Final = ("processed", "confirmed", "finalized")
PRICE_SECONDS: Final = 10.0  # how long a sampled price serves further payments
_PRICES_KEPT: Final = 1_000
_SYSTEM_OWNER: Final = "11111111111111111111111111111111"
_LATEST: Final = {"commitment": "processed"}
_NO_DATA: Final = {"encoding": "base64", "dataSlice": {"offset": 0, "length": 0}}


@dataclass(frozen=True, slots=True)
class _State:
    """What one endpoint said while a payment was built; amounts in lamports."""

    blockhash: Hash
    last_valid_height: int
    height: int
    payer: Account | None
    recipient: Account | None
    units: int
    failure: Any  # the simulation's `err`
    rent_minimum: int
    price: int

    @property
    def balance(self) -> int:
        return 0 if self.payer is None else self.payer.lamports


class SolanaChain:
    """One network behind its endpoints. ``commitment`` is where a payment counts as confirmed."""

    def __init__(
        self,
        network: Network,
        rpc_urls: Sequence[str],
        clock: Clock,
        commitment: str = "confirmed",
        timeout_seconds: float = 5,
    ) -> None:
        if commitment not in COMMITMENTS:
            raise ValueError(f"commitment must be one of {', '.join(COMMITMENTS)}")
        self._network = network
        self._clock = clock
        self._commitment = commitment
        nodes = [Node(url, label_of(url), timeout_seconds) for url in rpc_urls]
        self._endpoints = Endpoints(
            [Endpoint(node.label, node) for node in nodes],
            network=network.name,
            proof=Proof(expected=network.identity, ask=_genesis),
            clock=clock,
            timeout_seconds=timeout_seconds,
        )
        self._prices: dict[tuple[str, str], tuple[float, int]] = {}
        self._rent_minimum: int | None = None

    @property
    def network(self) -> Network:
        return self._network

    async def connect(self) -> None:
        await self._endpoints.connect()

    async def close(self) -> None:
        for node in self._endpoints.clients:
            await node.close()

    def validate_address(self, text: str) -> str:
        return encode.recipient(text)

    async def balance(self, address: str) -> Balance:
        """Lamports; the height is the slot they were read at."""
        return await self._endpoints.read(lambda node: _balance(node, address))

    async def latest_time(self) -> int:
        return await self._endpoints.read(_latest_time)

    async def free_nonce(self, address: str) -> int | None:  # noqa: ARG002 - the port's shape
        return None

    async def is_healthy(self) -> bool:
        try:
            return await self._endpoints.read(_is_well)
        except ChainError:
            return False

    # ---- one payment

    async def build(self, request: BuildRequest) -> Built:
        """A payload whose max_fee is exactly what the chain will charge.

        Beside the port's errors: SIMULATION_FAILED also when the recipient is new and gets less than
        the rent-exempt minimum, or when the payer would keep something below it.
        """
        state = await self._endpoints.read(lambda node: self._state(node, request))
        if state.balance < request.amount + SIGNATURE_FEE:
            raise self._short(state.balance, request.amount + SIGNATURE_FEE)
        self._check_recipient(request, state)
        terms = self._terms(request, state)
        self._check_payer(request, state, terms.max_fee)
        return Built(
            payload=encode.encode(terms),
            nonce=None,
            last_valid_height=state.last_valid_height,
            signing_height=state.height,
            max_fee=terms.max_fee,
            balance=state.balance,
        )

    def inspect(self, payload: bytes) -> Payment:
        return encode.payment(payload)

    def attach(self, payload: bytes, signature: bytes) -> Signed:
        return encode.attach(payload, signature)

    def detach(self, raw: bytes) -> tuple[bytes, str]:
        return encode.detach(raw)

    async def send(self, raw: bytes) -> SendResult:
        """Offer the bytes to one endpoint after the other until one takes them."""
        results: list[SendResult] = []
        for endpoint in self._endpoints.candidates():
            try:
                result = await self._endpoints.use(endpoint, lambda node: _offer(node, raw))
            except EndpointError as error:
                result = SendResult(SendOutcome.UNKNOWN, str(error))
            if result.outcome is SendOutcome.ACCEPTED:
                return result
            results.append(result)
        rejected = all(one.outcome is SendOutcome.REJECTED for one in results)
        reason = "; ".join(one.reason or "" for one in results)
        return SendResult(SendOutcome.REJECTED if rejected else SendOutcome.UNKNOWN, reason)

    async def evidence(self, attempts: Sequence[Attempt]) -> Sequence[Evidence]:
        """The height of a sighting is the slot it landed in; of a death, the block height read.

        A death counts when every endpoint that answers says so: one alone may lag, have holes, or lie. Each
        proves its chain for that once more, because on another one nothing of ours is ever found.
        """
        if not attempts:
            return []
        depths = Depths.of(self._commitment, self._network.finality)
        found = await self._endpoints.read(lambda node: read_evidence(node, attempts, depths))
        gone = {seen.hash for seen in found if seen.sighting is Sighting.DEAD}
        if not gone:
            return found
        dead = [attempt for attempt in attempts if attempt.hash in gone]
        agreed = await self._agreed(dead, depths)
        return [agreed[seen.hash] if seen.hash in gone else seen for seen in found]

    async def _agreed(self, dead: Sequence[Attempt], depths: Depths) -> dict[str, Evidence]:
        """What all endpoints together see of attempts that one of them calls dead, by hash."""
        found = {attempt.hash: Evidence(attempt.hash, Sighting.UNSEEN) for attempt in dead}
        alive: dict[str, Evidence] = {}
        for endpoint in self._endpoints.candidates():
            try:
                answers = await self._endpoints.use_proved_anew(
                    endpoint, lambda node: read_evidence(node, dead, depths)
                )
            except EndpointError:
                continue
            found |= {one.hash: one for one in answers}
            alive |= {one.hash: one for one in answers if one.sighting is not Sighting.DEAD}
        return found | alive

    # ---- reading what a payment needs

    async def _state(self, node: Node, request: BuildRequest) -> _State:
        """One exchange. The simulation replaces the blockhash, so it need not wait for one."""
        price = self._known_price(request)
        calls = [
            Call("getLatestBlockhash", ({"commitment": self._commitment},)),
            Call("getBlockHeight", (_LATEST,)),
            Call("getMultipleAccounts", ([request.address, request.to], _NO_DATA | _LATEST)),
            _simulation(request),
        ]
        if self._rent_minimum is None:
            calls.append(Call("getMinimumBalanceForRentExemption", (0,)))
        if price is None:
            accounts = [request.address, request.to]
            calls.append(Call("getRecentPrioritizationFees", (accounts,)))
        latest, height, accounts_now, simulated, *more = await node.ask_all(calls)
        if self._rent_minimum is None:
            self._rent_minimum = whole(good(more.pop(0)))
        if price is None:
            price = self._learn_price(request, more.pop())
        payer, recipient = items(member(good(accounts_now), "value"), 2)
        failure = member(good(simulated), "value", "err")
        return _checked(
            _State(
                blockhash=_blockhash(text(good(latest), "value", "blockhash")),
                last_valid_height=whole(latest, "value", "lastValidBlockHeight"),
                height=whole(good(height)),
                payer=account(payer),
                recipient=account(recipient),
                units=0 if failure is not None else whole(simulated, "value", "unitsConsumed"),
                failure=failure,
                rent_minimum=self._rent_minimum,
                price=price,
            )
        )

    def _known_price(self, request: BuildRequest) -> int | None:
        at, price = self._prices.get((request.address, request.to), (0.0, None))
        return price if self._clock.monotonic() - at < PRICE_SECONDS else None

    def _learn_price(self, request: BuildRequest, answer: Any) -> int:
        """Payments go out without a priority fee when nobody tells what others pay."""
        if isinstance(answer, RpcError):
            return 0
        price = market_price([whole(sample, "prioritizationFee") for sample in items(answer)])
        if len(self._prices) >= _PRICES_KEPT:
            self._prices.clear()
        self._prices[request.address, request.to] = (self._clock.monotonic(), price)
        return price

    # ---- judging it

    def _terms(self, request: BuildRequest, state: _State) -> encode.Terms:
        if state.failure is not None:
            raise simulation_failure(state.failure, transfer_index=encode.TRANSFER_INDEX)
        limit = unit_limit(state.units, salt=request.salt, has_memo=request.memo is not None)
        budget = min(request.fee_ceiling, state.balance - request.amount)
        price = min(state.price, affordable_price(limit, budget))
        if total_fee(limit, price) > request.fee_ceiling:
            raise ChainError(
                Code.FEE_CEILING_EXCEEDED,
                f"The fee would be {self._units(total_fee(limit, price))}, above the ceiling of "
                f"{self._units(request.fee_ceiling)}.",
                details={"fee": str(total_fee(limit, price)), "ceiling": str(request.fee_ceiling)},
            )
        return _terms(request, limit, price, state.blockhash)

    def _check_recipient(self, request: BuildRequest, state: _State) -> None:
        if state.recipient is None and request.amount < state.rent_minimum:
            raise self._refusal(
                "The recipient's account does not exist yet, and the network asks for at least "
                f"{self._units(state.rent_minimum)} to open one.",
                minimum=str(state.rent_minimum),
            )
        if state.recipient is not None and state.recipient.owner != _SYSTEM_OWNER:
            raise self._refusal(
                "The recipient is a program or a program's account, not a wallet.",
                owner=state.recipient.owner,
            )

    def _check_payer(self, request: BuildRequest, state: _State, fee: int) -> None:
        """The chain refuses to leave an account with something below the rent-exempt minimum."""
        after_fee = state.balance - fee
        is_self = request.to == request.address
        kept = after_fee if is_self else after_fee - request.amount
        if after_fee < state.rent_minimum or 0 < kept < state.rent_minimum:
            raise self._refusal(
                f"The wallet would keep {self._units(kept)}; the network allows nothing at all or "
                f"at least {self._units(state.rent_minimum)}.",
                minimum=str(state.rent_minimum),
                kept=str(kept),
            )

    def _refusal(self, message: str, **details: str) -> ChainError:
        return ChainError(Code.SIMULATION_FAILED, message, details=details)

    def _short(self, balance: int, needed: int) -> ChainError:
        return ChainError(
            Code.INSUFFICIENT_FUNDS,
            f"The wallet has {self._units(balance)}; the payment and its fee need "
            f"{self._units(needed)}.",
            details={"balance": str(balance), "needed": str(needed)},
        )

    def _units(self, lamports: int) -> str:
        return f"{format_units(lamports, self._network.decimals)} {self._network.symbol}"


async def _genesis(node: Node) -> str:
    return text(await node.ask(Call("getGenesisHash")))


async def _is_well(node: Node) -> bool:
    return text(await node.ask(Call("getHealth"))) == "ok"


async def _balance(node: Node, address: str) -> Balance:
    answer = await node.ask(Call("getBalance", (address, _LATEST)))
    return Balance(whole(answer, "value"), whole(answer, "context", "slot"))


async def _offer(node: Node, raw: bytes) -> SendResult:
    options = {"encoding": "base64", "skipPreflight": True, "maxRetries": 0}
    try:
        said = await node.ask(Call("sendTransaction", (base64.b64encode(raw).decode(), options)))
    except RpcError as error:
        return send_verdict(error)
    if said != str(Signature.from_bytes(raw[1:65])):
        return SendResult(SendOutcome.UNKNOWN, f"{node.label} named another signature")
    return SendResult(SendOutcome.ACCEPTED)


def _simulation(request: BuildRequest) -> Call:
    """The payment at the highest limit and no priority fee, under whatever blockhash is fresh."""
    payload = encode.encode(_terms(request, MAX_UNITS, 0, Hash.default()))
    unsigned = encode.with_signature(payload, bytes(encode.SIGNATURE_BYTES))
    config = {"encoding": "base64", "sigVerify": False, "replaceRecentBlockhash": True}
    return Call("simulateTransaction", (base64.b64encode(unsigned).decode(), config | _LATEST))


def _terms(request: BuildRequest, limit: int, price: int, blockhash: Hash) -> encode.Terms:
    return encode.Terms(
        payer=Pubkey.from_string(request.address),
        to=Pubkey.from_string(request.to),
        amount=request.amount,
        memo=request.memo,
        unit_limit=limit,
        unit_price=price,
        blockhash=blockhash,
    )


def _blockhash(said: str) -> Hash:
    try:
        return Hash.from_string(said)
    except (ValueError, ParseHashError):
        raise EndpointError("an endpoint's blockhash is no hash") from None


def _checked(state: _State) -> _State:
    """A blockhash that is already old, or good for too long, says that the endpoint is not well."""
    if not state.height < state.last_valid_height <= state.height + 2 * BLOCKHASH_BLOCKS:
        raise EndpointError("an endpoint's blockhash and block height do not fit together")
    return state


async def _latest_time(node: Node) -> int:
    """Of a slot that is confirmed; the newest one may have no time yet."""
    slot = await node.ask(Call("getSlot", ({"commitment": "confirmed"},)))
    found = await node.ask(Call("getBlockTime", (slot,)))
    if type(found) is not int:
        raise EndpointError("an endpoint knows no time of its newest block")
    return found * 1000
