"""What a refusal means: JSON-RPC errors and transaction errors, by type and never by their text."""

import json
from typing import Final

from solders.transaction_status import (
    InstructionErrorCustom,
    TransactionErrorFieldless,
    TransactionErrorInstructionError,
    TransactionErrorInsufficientFundsForRent,
    TransactionErrorType,
    TransactionStatus,
)

from wallet.chains.rpc import EndpointError
from wallet.errors import ChainError, Code
from wallet.ports.chain import SendOutcome, SendResult

_INVALID_PARAMS: Final = -32602  # bytes that are no transaction
_PREFLIGHT_FAILURE: Final = -32002  # simulated although we ask for no preflight
_BAD_SIGNATURE: Final = -32003
_SIGNATURE_COUNT: Final = -32013
_MALFORMED: Final = frozenset({_INVALID_PARAMS, _BAD_SIGNATURE, _SIGNATURE_COUNT})

# True of the bytes themselves, in any block and with any balance.
_NEVER: Final = (
    TransactionErrorFieldless.SignatureFailure,
    TransactionErrorFieldless.SanitizeFailure,
    TransactionErrorFieldless.MissingSignatureForFee,
    TransactionErrorFieldless.InvalidAccountIndex,
    TransactionErrorFieldless.AccountLoadedTwice,
)
_NO_FUNDS: Final = (
    TransactionErrorFieldless.InsufficientFundsForFee,
    TransactionErrorFieldless.AccountNotFound,  # the payer was never funded
)
_PASSING: Final = (
    TransactionErrorFieldless.BlockhashNotFound,
    TransactionErrorFieldless.AccountInUse,
    TransactionErrorFieldless.ClusterMaintenance,
    TransactionErrorFieldless.ResanitizationNeeded,
    TransactionErrorFieldless.ProgramCacheHitMaxLimit,
    TransactionErrorFieldless.CommitCancelled,
    TransactionErrorFieldless.WouldExceedMaxBlockCostLimit,
    TransactionErrorFieldless.WouldExceedMaxAccountCostLimit,
)
_SYSTEM_RESULT_WITH_NEGATIVE_LAMPORTS: Final = 1


class RpcError(EndpointError):
    """One endpoint answered with a JSON-RPC error object."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(f"RPC error {code}: {message[:200]}")
        self.code = code
        self.data = data


def transaction_error(err: object) -> TransactionErrorType | None:
    """The typed form of a node's ``err``; None when this version knows no such error."""
    status = {"slot": 0, "confirmations": None, "status": {"Err": err}, "err": err}
    try:
        return TransactionStatus.from_json(json.dumps({**status, "confirmationStatus": None})).err
    except ValueError:
        return None


def simulation_failure(err: object, *, transfer_index: int) -> ChainError:
    """What a failed simulation means; ``transfer_index`` is where the transfer stands."""
    typed = transaction_error(err)
    if typed in _NO_FUNDS or _is_overdrawn(typed, transfer_index):
        return ChainError(
            Code.INSUFFICIENT_FUNDS, "The balance cannot pay the amount and the fee."
        )
    if typed in _PASSING:
        return ChainError(
            Code.CHAIN_UNAVAILABLE, "The network cannot take the payment now.", retryable=True
        )
    return ChainError(
        Code.SIMULATION_FAILED,
        f"The payment would fail: {_sentence(typed)}.",
        details={"err": err},
    )


def send_verdict(error: RpcError) -> SendResult:
    """What a refused send proves about the bytes: known already, never possible, or nothing."""
    if error.code in _MALFORMED:
        return SendResult(SendOutcome.REJECTED, str(error))
    if error.code != _PREFLIGHT_FAILURE or not isinstance(error.data, dict):
        return SendResult(SendOutcome.UNKNOWN, str(error))
    typed = transaction_error(error.data.get("err"))
    if typed == TransactionErrorFieldless.AlreadyProcessed:
        return SendResult(SendOutcome.ACCEPTED)
    rejected = typed in _NEVER
    return SendResult(SendOutcome.REJECTED if rejected else SendOutcome.UNKNOWN, str(error))


def _is_overdrawn(typed: TransactionErrorType | None, transfer_index: int) -> bool:
    return (
        isinstance(typed, TransactionErrorInstructionError)
        and typed.index == transfer_index
        and isinstance(typed.err, InstructionErrorCustom)
        and typed.err.code == _SYSTEM_RESULT_WITH_NEGATIVE_LAMPORTS
    )


def _sentence(typed: TransactionErrorType | None) -> str:
    if typed is None:
        return "for a reason unknown to this version"
    if isinstance(typed, TransactionErrorInsufficientFundsForRent):
        who = "the paying account" if typed.account_index == 0 else "the recipient"
        return f"{who} would be left below the rent-exempt minimum"
    if isinstance(typed, TransactionErrorInstructionError):
        inner = typed.err
        if isinstance(inner, InstructionErrorCustom):
            return f"instruction {typed.index} with program error {inner.code}"
        return f"instruction {typed.index} with {_name(inner)}"
    return _name(typed)


def _name(value: object) -> str:
    return repr(value).rpartition(".")[2].split("(")[0].split("{")[0].strip() or "an error"
