"""A small ledger behind the chain port: it includes, undoes, refuses and forgets on command."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from wallet.domain.chains import ChainName, Network
from wallet.domain.transactions import Attempt
from wallet.errors import ChainError, Code, bad_field
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

ETHER = 10**18
FEE_CEILING = 10**15
FEE = 10**14
EVM = Network("evm-local", ChainName.ETHEREUM, "31337", "ETH", 18, FEE_CEILING)
SOL = Network("sol-local", ChainName.SOLANA, "LocalGenesis", "SOL", 18, FEE_CEILING)
BLOCKHASH_LIFE = 150


@dataclass(slots=True)
class _Landed:
    sender: str
    to: str
    amount: int
    nonce: int | None
    fee: int
    height: int
    worked: bool


class LedgerChain:
    """Accounts, nonces and blocks; every payload is JSON so that a test can read it.

    Nothing is mined by itself unless ``mines`` is set: a block is added by ``mine``. ``final_lag`` blocks on
    top make an inclusion final.
    """

    def __init__(self, network: Network, *, funded: int = 100 * ETHER) -> None:
        self._network = network
        self._funded = funded
        self._spent: dict[str, int] = {}
        self._received: dict[str, int] = {}
        self._pool: dict[str, dict[str, Any]] = {}
        self._foreign: dict[tuple[str, int], int] = {}
        self.landed: dict[str, _Landed] = {}
        self.height = 1_000
        self.final_lag = 3
        self.mines = True
        self.down = False
        self.block_time = 0  # of the newest block, epoch ms; long ago unless a test says more
        self.simulation_fails = False
        self.fee = FEE
        self.charges_all = False  # takes the whole fee that a payload offers, not half of it
        self.next_send: list[SendOutcome] = []
        self.swallows = False  # accepts bytes and forgets them
        self.reverts = False  # what lands fails
        self.skip_nonces = 0  # how far ahead of the truth the count is
        self.rent = 0  # Solana: the least that an account holds, unless it holds nothing at all
        self.sent: list[bytes] = []
        self.built: list[BuildRequest] = []
        self.holding_build: asyncio.Event | None = None
        self.build_asked = asyncio.Event()
        self.bend_inspect: dict[str, Any] = {}

    @property
    def network(self) -> Network:
        return self._network

    async def connect(self) -> None:
        self._require_up()

    async def close(self) -> None:
        """Nothing is open."""

    def validate_address(self, text: str) -> str:
        if not text.isalnum() or not text.isascii():
            raise bad_field("to", "is no address", Code.INVALID_ADDRESS)
        return text

    async def balance(self, address: str) -> Balance:
        self._require_up()
        return Balance(self._balance(address), self.height)

    async def build(self, request: BuildRequest) -> Built:
        self.built.append(request)
        self.build_asked.set()
        if self.holding_build is not None:
            await self.holding_build.wait()
        self._require_up()
        if self.simulation_fails:
            raise ChainError(Code.SIMULATION_FAILED, "It would fail.")
        fee = max([self.fee, *(-(-_fee_of(raw) * 9 // 8) for raw in request.outbid)])
        if fee > request.fee_ceiling:
            raise ChainError(Code.FEE_CEILING_EXCEEDED, "Too dear now.")
        balance = self._balance(request.address)
        if balance < request.amount + fee:
            raise ChainError(Code.INSUFFICIENT_FUNDS, "The balance cannot pay.")
        if not self._leaves_rent(request.address, request.to, request.amount, fee):
            raise ChainError(Code.SIMULATION_FAILED, "An account would hold less than its rent.")
        is_evm = self._network.chain is ChainName.ETHEREUM
        nonce = self._nonce(request) if is_evm else None
        block = None if is_evm else self.height
        payload = {
            "from": request.address,
            "to": request.to,
            "amount": request.amount,
            "memo": request.memo,
            "fee": fee,
            "nonce": nonce,
            "block": block,
            "salt": None if is_evm else request.salt,
        }
        return Built(
            payload=json.dumps(payload).encode(),
            nonce=nonce,
            last_valid_height=None if block is None else block + BLOCKHASH_LIFE,
            signing_height=block,
            max_fee=fee,
            balance=balance,
        )

    def inspect(self, payload: bytes) -> Payment:
        found = json.loads(payload)
        payment = Payment(
            address=found["from"] if self._network.chain is ChainName.SOLANA else None,
            to=found["to"],
            amount=found["amount"],
            memo=found["memo"],
            max_fee=found["fee"],
            nonce=found["nonce"],
        )
        return replace(payment, **self.bend_inspect)

    def attach(self, payload: bytes, signature: bytes) -> Signed:
        raw = json.dumps({"payload": payload.decode(), "signature": signature.hex()}).encode()
        return Signed(raw, hash_of(raw))

    def detach(self, raw: bytes) -> tuple[bytes, str]:
        try:
            return json.loads(raw)["payload"].encode(), hash_of(raw)
        except (ValueError, LookupError):
            raise ChainError(Code.PAYLOAD_MISMATCH, "It is no payment of ours.") from None

    async def send(self, raw: bytes) -> SendResult:
        self.sent.append(raw)
        if self.down:
            return SendResult(SendOutcome.UNKNOWN, "no answer")
        if self.next_send:
            outcome = self.next_send.pop(0)
            if outcome is not SendOutcome.ACCEPTED:
                return SendResult(outcome, "as told")
        if self.swallows or hash_of(raw) in self.landed:
            return SendResult(SendOutcome.ACCEPTED)
        payload = json.loads(json.loads(raw)["payload"])
        if self._is_used(payload["from"], payload["nonce"]):
            return SendResult(SendOutcome.REJECTED, "nonce too low")
        if not self._make_room(payload):
            return SendResult(SendOutcome.UNKNOWN, "replacement transaction underpriced")
        self._pool[hash_of(raw)] = payload
        if self.mines:
            self.mine()
        return SendResult(SendOutcome.ACCEPTED)

    async def evidence(self, attempts: Sequence[Attempt]) -> Sequence[Evidence]:
        self._require_up()
        return [self._evidence(attempt) for attempt in attempts]

    async def latest_time(self) -> int:
        self._require_up()
        return self.block_time

    async def free_nonce(self, address: str) -> int | None:
        self._require_up()
        if self._network.chain is not ChainName.ETHEREUM:
            return None
        pooled = {p["nonce"] for p in self._pool.values() if p["from"] == address}
        nonce = self._counted(address)
        while nonce in pooled:
            nonce += 1
        return nonce

    async def is_healthy(self) -> bool:
        return not self.down

    def mine(self, blocks: int = 1) -> None:
        """Add blocks; the first takes what is in the pool, in the order of nonces and without a gap."""
        self.height += 1
        for known, payload in sorted(self._pool.items(), key=lambda one: one[1]["nonce"] or 0):
            nonce = payload["nonce"]
            if nonce is None or nonce <= self._counted(payload["from"]):
                del self._pool[known]
                if not self._is_used(payload["from"], nonce):
                    self._land(known, payload)
        self.height += blocks - 1

    def takes(self, raw: bytes) -> bool:
        """Whether a block that somebody makes now could take bytes that were sent, whatever this node holds."""
        payload = json.loads(json.loads(raw)["payload"])
        nonce, block = payload["nonce"], payload["block"]
        if hash_of(raw) in self.landed:
            return False
        if nonce is not None:
            return bool(nonce == self._counted(payload["from"]))
        return bool(self.height < block + BLOCKHASH_LIFE)

    def take(self, raw: bytes) -> None:
        """Somebody makes a block of just these bytes; ``takes`` said that it is possible."""
        self.height += 1
        self._pool.pop(hash_of(raw), None)
        self._land(hash_of(raw), json.loads(json.loads(raw)["payload"]))

    def forget(self) -> None:
        """The pool is lost, as when a node restarts."""
        self._pool.clear()

    def finalize(self) -> None:
        """Enough blocks on top to make everything that landed final."""
        self.mine(self.final_lag + 1)

    def undo(self, landed_hash: str) -> None:
        """A block is undone and its payload is nowhere any more."""
        gone = self.landed.pop(landed_hash)
        self._spent[gone.sender] -= (gone.amount if gone.worked else 0) + gone.fee
        if gone.worked:
            self._received[gone.to] -= gone.amount

    def take_nonce(self, address: str, nonce: int) -> None:
        """Somebody else with the same key used the nonce."""
        self._foreign[address, nonce] = self.height

    def spent(self, address: str) -> int:
        """Everything that ever left an address, fees included."""
        return self._spent.get(address, 0)

    def received(self, address: str) -> int:
        return self._received.get(address, 0)

    def drain(self, address: str, left: int) -> None:
        self._spent[address] = self._funded - left

    def _evidence(self, attempt: Attempt) -> Evidence:
        landed = self.landed.get(attempt.hash)
        if landed is not None:
            depth = self.height - landed.height
            return Evidence(
                attempt.hash,
                Sighting.SUCCEEDED if landed.worked else Sighting.FAILED,
                deep_enough=depth + 1 >= self._network.confirmations,
                final=depth >= self.final_lag,
                height=landed.height,
                fee=landed.fee,
            )
        if attempt.nonce is not None and self._used_finally(attempt.address, attempt.nonce):
            return Evidence(attempt.hash, Sighting.NONCE_TAKEN, final=True)
        last = attempt.last_valid_height
        if last is not None and self.height - self.final_lag > last:
            return Evidence(attempt.hash, Sighting.DEAD, final=True)
        return Evidence(attempt.hash, Sighting.UNSEEN)

    def _land(self, known: str, payload: dict[str, Any]) -> None:
        if payload["block"] is not None and self.height > payload["block"] + BLOCKHASH_LIFE:
            return
        sender, amount = payload["from"], payload["amount"]
        fee = payload["fee"] if self.charges_all else payload["fee"] // 2
        worked = not self.reverts and self._leaves_rent(sender, payload["to"], amount, fee)
        self.landed[known] = _Landed(
            sender, payload["to"], amount, payload["nonce"], fee, self.height, worked
        )
        self._spent[sender] = self._spent.get(sender, 0) + (amount if worked else 0) + fee
        if worked:
            self._received[payload["to"]] = self.received(payload["to"]) + amount

    def _leaves_rent(self, sender: str, to: str, amount: int, fee: int) -> bool:
        kept = self._balance(sender) - fee - (0 if to == sender else amount)
        opened = to == sender or self.received(to) + amount
        return opened >= self.rent and (kept == 0 or kept >= self.rent)

    def _nonce(self, request: BuildRequest) -> int:
        if request.nonce is not None:
            return request.nonce
        nonce = max(request.nonce_floor, self._counted(request.address)) + self.skip_nonces
        while nonce in request.taken_nonces:
            nonce += 1
        return nonce

    def _make_room(self, payload: dict[str, Any]) -> bool:
        """One payload per nonce; a successor must offer a tenth more."""
        for known, old in list(self._pool.items()):
            same = (old["from"], old["nonce"]) == (payload["from"], payload["nonce"])
            if payload["nonce"] is None or not same or old == payload:
                continue
            if payload["fee"] * 10 < old["fee"] * 11:
                return False
            del self._pool[known]
        return True

    def _counted(self, address: str) -> int:
        nonce = 0
        while self._is_used(address, nonce):
            nonce += 1
        return nonce

    def _is_used(self, address: str, nonce: int | None) -> bool:
        if nonce is None:
            return False
        mine = any(t.sender == address and t.nonce == nonce for t in self.landed.values())
        return mine or (address, nonce) in self._foreign

    def _used_finally(self, address: str, nonce: int) -> bool:
        heights = [
            t.height for t in self.landed.values() if (t.sender, t.nonce) == (address, nonce)
        ]
        heights += [h for key, h in self._foreign.items() if key == (address, nonce)]
        return any(self.height - height >= self.final_lag for height in heights)

    def _balance(self, address: str) -> int:
        return self._funded - self._spent.get(address, 0) + self.received(address)

    def _require_up(self) -> None:
        if self.down:
            raise ChainError(Code.CHAIN_UNAVAILABLE, "No endpoint answers.", retryable=True)


def _fee_of(raw: bytes) -> int:
    return int(json.loads(json.loads(raw)["payload"])["fee"])


def hash_of(raw: bytes) -> str:
    return "0x" + hashlib.sha256(raw).hexdigest()
