"""The JSON-RPC methods of the Solana stand-in, answering as a real node does.

Only what a wallet calls is here. A method answers at the commitment it is asked for (`finalized`
when none is said, like a real node); accounts have one state, so balances are always the newest.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast, get_args

from solders.signature import Signature
from solders.transaction import VersionedTransaction

from wallet.sandbox.solana.ledger import (
    BLOCKHASH_LIFETIME,
    GENESIS_HASH,
    Commitment,
    Landed,
    Ledger,
    Outcome,
    signed,
)
from wallet.sandbox.solana.params import (
    BAD_SIGNATURE,
    BLOCK_NOT_AVAILABLE,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MIN_CONTEXT_SLOT,
    PARSE_ERROR,
    PREFLIGHT_FAILURE,
    UNSUPPORTED_VERSION,
    Params,
    RpcError,
    parse_address,
    parse_message,
    parse_signature,
    parse_transaction,
)
from wallet.sandbox.solana.shapes import (
    Json,
    account_json,
    error_json,
    error_text,
    landed_json,
    memo_of,
    simulation_json,
    version_of,
)

API_VERSION: Final = "2.3.0"
FEATURE_SET: Final = 1
SLOTS_PER_EPOCH: Final = 432_000
RECENT_STATUS_SLOTS: Final = 300
MAX_STATUSES: Final = 256
MAX_ACCOUNTS: Final = 100
MAX_SIGNATURES: Final = 1000


@dataclass(slots=True)
class Faults:
    """What is to go wrong next; the counters count sendTransaction calls."""

    drop: int = 0
    lose_answer: int = 0
    double: int = 0
    reject: int = 0
    reject_message: str = ""
    genesis: str | None = None
    priority_fee: int = 0
    # Set while a request is answered: its transaction landed, and the caller must not hear of it.
    answer_lost: bool = False


class Rpc:
    """Answers single calls and batches against one ledger."""

    def __init__(self, ledger: Ledger, faults: Faults) -> None:
        self._ledger = ledger
        self._faults = faults
        # A method is the function of that name in snake case, so that no table can fall behind.
        self._methods: dict[str, Callable[[Params], Any]] = {
            _camel(name): getattr(self, name)
            for name in dir(self)
            if name.startswith(("get_", "is_", "send_", "simulate_", "request_"))
        }

    def answer(self, body: bytes) -> Any:
        """Answer one HTTP body: a call, or a batch of calls."""
        try:
            request = json.loads(body)
        except ValueError:
            return _failure(None, RpcError(PARSE_ERROR, "Parse error"))
        if isinstance(request, list) and request:
            return [self._call(single) for single in request]
        return self._call(request)

    def _call(self, request: Any) -> Json:
        fits = isinstance(request, dict) and isinstance(request.get("method"), str)
        params = (request.get("params") or []) if fits else None
        if not isinstance(params, list):
            return _failure(None, RpcError(INVALID_REQUEST, "Invalid request"))
        method = self._methods.get(request["method"])
        if method is None:
            return _failure(request.get("id"), RpcError(METHOD_NOT_FOUND, "Method not found"))
        try:
            result = method(Params(params))
        except RpcError as error:
            return _failure(request.get("id"), error)
        return {"jsonrpc": "2.0", "result": result, "id": request.get("id")}

    # ---- the chain

    def get_health(self, _: Params) -> str:
        return "ok"

    def get_version(self, _: Params) -> Json:
        return {"solana-core": API_VERSION, "feature-set": FEATURE_SET}

    def get_genesis_hash(self, _: Params) -> str:
        return self._faults.genesis or GENESIS_HASH

    def get_slot(self, params: Params) -> int:
        return self._ledger.slot_at(self._commitment(params.config(0)))

    def get_block_height(self, params: Params) -> int:
        return self._ledger.height_at(self._commitment(params.config(0)))

    def get_epoch_info(self, params: Params) -> Json:
        commitment = self._commitment(params.config(0))
        slot = self._ledger.slot_at(commitment)
        return {
            "absoluteSlot": slot,
            "blockHeight": self._ledger.height_at(commitment),
            "epoch": slot // SLOTS_PER_EPOCH,
            "slotIndex": slot % SLOTS_PER_EPOCH,
            "slotsInEpoch": SLOTS_PER_EPOCH,
            "transactionCount": len(self._ledger.landed),
        }

    def get_block_time(self, params: Params) -> int:
        slot = params.integer(0)
        time = self._ledger.block_time(slot) if slot <= self._ledger.slot else None
        if time is None:
            raise RpcError(BLOCK_NOT_AVAILABLE, f"Slot {slot} was skipped, or missing in storage")
        return time

    def get_latest_blockhash(self, params: Params) -> Json:
        config = params.config(0)
        blockhash, last = self._ledger.latest_blockhash(self._commitment(config))
        return self._value(config, {"blockhash": blockhash, "lastValidBlockHeight": last})

    def is_blockhash_valid(self, params: Params) -> Json:
        config = params.config(1)
        height = self._ledger.height_at(self._commitment(config))
        return self._value(config, self._ledger.blockhash_valid(params.text(0), height))

    # ---- accounts

    def get_balance(self, params: Params) -> Json:
        return self._value(params.config(1), self._ledger.balance(params.address(0)))

    def get_account_info(self, params: Params) -> Json:
        config = params.config(1)
        return self._value(config, account_json(self._ledger.account(params.address(0)), config))

    def get_multiple_accounts(self, params: Params) -> Json:
        config = params.config(1)
        found = [parse_address(text) for text in params.texts(0, MAX_ACCOUNTS)]
        accounts = [account_json(self._ledger.account(address), config) for address in found]
        return self._value(config, accounts)

    def get_minimum_balance_for_rent_exemption(self, params: Params) -> int:
        return self._ledger.rent_exempt_minimum(params.integer(0))

    # ---- fees

    def get_fee_for_message(self, params: Params) -> Json:
        config = params.config(1)
        message = parse_message(params.text(0))
        height = self._ledger.height_at(self._commitment(config))
        valid = self._ledger.blockhash_valid(str(message.recent_blockhash), height)
        return self._value(config, self._ledger.fee_of(message) if valid else None)

    def get_recent_prioritization_fees(self, _: Params) -> list[Json]:
        newest = self._ledger.slot
        fee = self._faults.priority_fee
        slots = range(newest - BLOCKHASH_LIFETIME + 1, newest + 1)
        return [{"slot": slot, "prioritizationFee": fee} for slot in slots]

    # ---- sending

    def send_transaction(self, params: Params) -> str:
        signature = self._send(params)
        if self._faults.double:
            self._faults.double -= 1
            signature = self._send(params)
        return signature

    def _send(self, params: Params) -> str:
        config, faults = params.config(1), self._faults
        transaction = parse_transaction(params.text(0), config.get("encoding") or "base58")
        if faults.reject:
            faults.reject -= 1
            nothing = simulation_json(Outcome(None, None))
            raise RpcError(PREFLIGHT_FAILURE, faults.reject_message, nothing)
        if not config.get("skipPreflight"):
            self._preflight(transaction, config)
        if faults.drop:
            faults.drop -= 1
        else:
            self._ledger.submit(transaction)
            if faults.lose_answer:
                faults.lose_answer -= 1
                faults.answer_lost = True
        return str(transaction.signatures[0])

    def _preflight(self, transaction: VersionedTransaction, config: Json) -> None:
        if not signed(transaction):
            raise RpcError(BAD_SIGNATURE, "Transaction signature verification failure")
        commitment = self._commitment(config, "preflightCommitment")
        outcome = self._ledger.simulate(transaction, commitment, fresh_blockhash=False)
        if outcome.err is not None:
            why = f"Transaction simulation failed: {error_text(outcome.err)}"
            raise RpcError(PREFLIGHT_FAILURE, why, simulation_json(outcome))

    def simulate_transaction(self, params: Params) -> Json:
        config = params.config(1)
        transaction = parse_transaction(params.text(0), config.get("encoding") or "base58")
        fresh = bool(config.get("replaceRecentBlockhash"))
        if config.get("sigVerify") and fresh:
            why = "sigVerify may not be used with replaceRecentBlockhash"
            raise RpcError(INVALID_PARAMS, why)
        if config.get("sigVerify") and not signed(transaction):
            raise RpcError(BAD_SIGNATURE, "Transaction signature verification failure")
        commitment = self._commitment(config)
        outcome = self._ledger.simulate(transaction, commitment, fresh_blockhash=fresh)
        value = simulation_json(outcome)
        if fresh:
            blockhash, last = self._ledger.latest_blockhash(commitment)
            value["replacementBlockhash"] = {"blockhash": blockhash, "lastValidBlockHeight": last}
        if wanted := config.get("accounts"):
            value["accounts"] = self._after(outcome, wanted)
        return self._value(config, value)

    def _after(self, outcome: Outcome, wanted: Json) -> list[Json | None]:
        changed = dict(outcome.accounts)
        addresses = [parse_address(text) for text in wanted.get("addresses", [])]
        return [
            account_json(changed.get(address) or self._ledger.account(address), wanted)
            for address in addresses
        ]

    def request_airdrop(self, params: Params) -> str:
        return str(self._ledger.airdrop(params.address(0), params.integer(1)))

    # ---- what happened

    def get_signature_statuses(self, params: Params) -> Json:
        signatures = [parse_signature(text) for text in params.texts(0, MAX_STATUSES)]
        config = params.config(1)
        oldest = 0
        if not config.get("searchTransactionHistory"):
            oldest = self._ledger.slot - RECENT_STATUS_SLOTS
        return self._value(
            {"commitment": "processed"}, [self._status(one, oldest) for one in signatures]
        )

    def _status(self, signature: Signature, oldest: int) -> Json | None:
        landed = self._ledger.landed.get(signature)
        if landed is None or landed.slot < oldest:
            return None
        err, settled = error_json(landed.err), self._ledger.commitment_of(landed.slot)
        final = settled == "finalized"
        return {
            "confirmationStatus": settled,
            "confirmations": None if final else self._ledger.slot - landed.slot,
            "err": err,
            "slot": landed.slot,
            "status": {"Ok": None} if err is None else {"Err": err},
        }

    def get_transaction(self, params: Params) -> Json | None:
        signature, config = parse_signature(params.text(0)), params.config(1)
        landed = self._ledger.landed.get(signature)
        if landed is None or landed.slot > self._settled_slot(config):
            return None
        version = version_of(landed.transaction)
        newest = config.get("maxSupportedTransactionVersion")
        if version is not None and (newest is None or version > newest):
            raise RpcError(
                UNSUPPORTED_VERSION,
                f"Transaction version ({version}) is not supported by the requesting client. "
                "Please try the request again with the following configuration parameter: "
                f'"maxSupportedTransactionVersion": {version}',
            )
        return landed_json(landed, _transaction_encoding(config))

    def get_signatures_for_address(self, params: Params) -> list[Json]:
        address, config = params.address(0), params.config(1)
        before, until = config.get("before"), config.get("until")
        last_slot = self._settled_slot(config)
        found: list[Json] = []
        for landed in reversed(self._ledger.landed.values()):
            signature = str(landed.signature)
            if signature == until or len(found) >= (config.get("limit") or MAX_SIGNATURES):
                break
            concerns = address in landed.transaction.message.account_keys
            if before is None and landed.slot <= last_slot and concerns:
                found.append(self._listed(landed))
            before = None if signature == before else before
        return found

    def _listed(self, landed: Landed) -> Json:
        return {
            "blockTime": landed.time,
            "confirmationStatus": self._ledger.commitment_of(landed.slot),
            "err": error_json(landed.err),
            "memo": memo_of(landed.transaction),
            "signature": str(landed.signature),
            "slot": landed.slot,
        }

    # ---- what all methods share

    def _commitment(self, config: Json, key: str = "commitment") -> Commitment:
        """Read the commitment; refuse when the chain has not reached `minContextSlot` there."""
        name = config.get(key) or "finalized"
        if name not in get_args(Commitment):
            raise RpcError(INVALID_PARAMS, f"Invalid params: unknown variant `{name}`")
        commitment: Commitment = cast("Commitment", name)
        slot = self._ledger.slot_at(commitment)
        if slot < (config.get("minContextSlot") or 0):
            why = "Minimum context slot has not been reached"
            raise RpcError(MIN_CONTEXT_SLOT, why, {"contextSlot": slot})
        return commitment

    def _settled_slot(self, config: Json) -> int:
        commitment = self._commitment(config)
        if commitment == "processed":
            why = "Method does not support commitment below `confirmed`"
            raise RpcError(INVALID_PARAMS, why)
        return self._ledger.slot_at(commitment)

    def _value(self, config: Json, value: Any) -> Json:
        slot = self._ledger.slot_at(self._commitment(config))
        return {"context": {"apiVersion": API_VERSION, "slot": slot}, "value": value}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _failure(call: Any, error: RpcError) -> Json:
    return {"jsonrpc": "2.0", "error": error.json, "id": call}


def _transaction_encoding(config: Json) -> str:
    encoding = config.get("encoding") or "json"
    if encoding not in ("json", "base64"):
        raise RpcError(INVALID_PARAMS, f"Unsupported encoding: {encoding}")
    return str(encoding)
