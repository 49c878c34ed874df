"""Solana values as the JSON-RPC of a real node spells them: accounts, transactions, errors."""

import base64
import json
from typing import Any, Final

from solders.account import Account
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import TransactionMetadata
from solders.transaction_status import (
    InstructionErrorCustom,
    TransactionErrorInstructionError,
    TransactionErrorInsufficientFundsForRent,
    TransactionErrorType,
    TransactionStatus,
)

from wallet.sandbox.solana.ledger import Landed, Outcome

Json = dict[str, Any]

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_NO_RENT_EPOCH: Final = 2**64 - 1
_MEMO_PROGRAMS: Final = frozenset(
    Pubkey.from_string(program)
    for program in (
        "Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo",
        "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr",
    )
)
# The sentences of a real node, for the errors a wallet meets; the rest go by their name.
_SENTENCES: Final = {
    "AccountNotFound": "Attempt to debit an account but found no record of a prior credit.",
    "AlreadyProcessed": "This transaction has already been processed",
    "BlockhashNotFound": "Blockhash not found",
    "InsufficientFundsForFee": "Insufficient funds for fee",
    "InvalidAccountForFee": "This account may not be used to pay transaction fees",
    "InvalidProgramForExecution": "This program may not be used for executing instructions",
    "ProgramAccountNotFound": "Attempt to load a program that does not exist",
    "SanitizeFailure": "Transaction failed to sanitize accounts offsets correctly",
    "ComputationalBudgetExceeded": "Computational budget exceeded",
    "InsufficientFunds": "insufficient funds for instruction",
    "InvalidAccountData": "invalid account data for instruction",
    "InvalidArgument": "invalid program argument",
    "InvalidInstructionData": "invalid instruction data",
    "MissingRequiredSignature": "missing required signature for instruction",
    "UninitializedAccount": "instruction requires an initialized account",
}


def base58_encode(data: bytes) -> str:
    number, digits = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        digits = _ALPHABET[digit] + digits
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + digits


def base58_decode(text: str) -> bytes:
    """Raise ValueError for a character outside the alphabet."""
    number = 0
    for character in text:
        number = number * 58 + _ALPHABET.index(character)
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


def error_json(err: TransactionErrorType | None) -> Any:
    """Return the error as `{"InstructionError": [0, {"Custom": 1}]}` or `"BlockhashNotFound"`."""
    status = TransactionStatus(
        slot=0, confirmations=None, status=None, err=err, confirmation_status=None
    )
    return json.loads(status.to_json())["err"]


def error_text(err: TransactionErrorType) -> str:
    """Return the error as a sentence."""
    if isinstance(err, TransactionErrorInsufficientFundsForRent):
        where = f"account ({err.account_index})"
        return f"Transaction results in an {where} with insufficient funds for rent"
    if not isinstance(err, TransactionErrorInstructionError):
        return _sentence(err)
    inner = err.err
    if isinstance(inner, InstructionErrorCustom):
        return f"Error processing Instruction {err.index}: custom program error: {inner.code:#x}"
    return f"Error processing Instruction {err.index}: {_sentence(inner)}"


def _sentence(err: object) -> str:
    name = repr(err).rpartition(".")[2]
    return _SENTENCES.get(name, name)


def account_json(account: Account | None, config: Json) -> Json | None:
    """Return the account with its data as base64 or base58, cut to `dataSlice`."""
    if account is None:
        return None
    data = bytes(account.data)
    cut = config.get("dataSlice")
    if cut:
        data = data[cut["offset"] : cut["offset"] + cut["length"]]
    base58 = config.get("encoding") == "base58"
    text = base58_encode(data) if base58 else base64.b64encode(data).decode()
    return {
        "data": [text, "base58" if base58 else "base64"],
        "executable": account.executable,
        "lamports": account.lamports,
        "owner": str(account.owner),
        "rentEpoch": _NO_RENT_EPOCH,
        "space": len(account.data),
    }


def memo_of(transaction: VersionedTransaction) -> str | None:
    """Return the memos in the transaction the way a node lists them: `[5] hello; [2] ok`."""
    keys = transaction.message.account_keys
    memos = [
        f"[{len(data)}] {data.decode(errors='replace')}"
        for instruction in transaction.message.instructions
        if keys[instruction.program_id_index] in _MEMO_PROGRAMS
        for data in (bytes(instruction.data),)
    ]
    return "; ".join(memos) or None


def simulation_json(outcome: Outcome) -> Json:
    """Return the `value` of simulateTransaction, and the `data` of a preflight failure."""
    meta = outcome.meta
    return {
        "accounts": None,
        "err": error_json(outcome.err),
        "fee": meta.fee() if meta else None,
        "innerInstructions": None,
        "logs": meta.logs() if meta else [],
        "replacementBlockhash": None,
        "returnData": _return_data(meta) if meta else None,
        "unitsConsumed": meta.compute_units_consumed() if meta else 0,
    }


def landed_json(landed: Landed, encoding: str) -> Json:
    """Return the result of getTransaction, its transaction as `json` or `base64`."""
    transaction = landed.transaction
    body: Json | list[str] = (
        [base64.b64encode(bytes(transaction)).decode(), "base64"]
        if encoding == "base64"
        else _transaction_json(transaction)
    )
    version = "legacy" if version_of(transaction) is None else version_of(transaction)
    return {
        "blockTime": landed.time,
        "meta": _meta_json(landed),
        "slot": landed.slot,
        "transaction": body,
        "version": version,
    }


def version_of(transaction: VersionedTransaction) -> int | None:
    """Return the version number, or None for a legacy transaction."""
    version = transaction.version()
    return version if isinstance(version, int) else None


def _meta_json(landed: Landed) -> Json:
    err = error_json(landed.err)
    return {
        "computeUnitsConsumed": landed.meta.compute_units_consumed(),
        "err": err,
        "fee": landed.meta.fee(),
        "innerInstructions": [],
        "loadedAddresses": {"readonly": [], "writable": []},
        "logMessages": landed.meta.logs(),
        "postBalances": list(landed.post_balances),
        "postTokenBalances": [],
        "preBalances": list(landed.pre_balances),
        "preTokenBalances": [],
        "rewards": [],
        "status": {"Ok": None} if err is None else {"Err": err},
    }


def _transaction_json(transaction: VersionedTransaction) -> Json:
    message = transaction.message
    header = message.header
    body: Json = {
        "accountKeys": [str(key) for key in message.account_keys],
        "header": {
            "numReadonlySignedAccounts": header.num_readonly_signed_accounts,
            "numReadonlyUnsignedAccounts": header.num_readonly_unsigned_accounts,
            "numRequiredSignatures": header.num_required_signatures,
        },
        "instructions": [
            {
                "accounts": list(instruction.accounts),
                "data": base58_encode(bytes(instruction.data)),
                "programIdIndex": instruction.program_id_index,
                "stackHeight": 1,
            }
            for instruction in message.instructions
        ],
        "recentBlockhash": str(message.recent_blockhash),
    }
    if isinstance(message, MessageV0):
        body["addressTableLookups"] = [
            {
                "accountKey": str(lookup.account_key),
                "readonlyIndexes": list(lookup.readonly_indexes),
                "writableIndexes": list(lookup.writable_indexes),
            }
            for lookup in message.address_table_lookups
        ]
    return {"message": body, "signatures": [str(one) for one in transaction.signatures]}


def _return_data(meta: TransactionMetadata) -> Json | None:
    returned = meta.return_data()
    if not returned.data:
        return None
    data = base64.b64encode(returned.data).decode()
    return {"data": [data, "base64"], "programId": str(returned.program_id)}
