"""Refusals are told apart by type: known already, never possible, or proof of nothing."""

from typing import Any

import pytest

from wallet.chains.solana.errors import RpcError, send_verdict, simulation_failure
from wallet.errors import Code
from wallet.ports.chain import SendOutcome

_PREFLIGHT = -32002


@pytest.mark.parametrize(
    ("err", "code", "retryable"),
    [
        ("InsufficientFundsForFee", Code.INSUFFICIENT_FUNDS, False),
        ("AccountNotFound", Code.INSUFFICIENT_FUNDS, False),
        ({"InstructionError": [2, {"Custom": 1}]}, Code.INSUFFICIENT_FUNDS, False),
        ({"InstructionError": [3, {"Custom": 1}]}, Code.SIMULATION_FAILED, False),
        ({"InstructionError": [2, "InvalidArgument"]}, Code.SIMULATION_FAILED, False),
        ({"InsufficientFundsForRent": {"account_index": 1}}, Code.SIMULATION_FAILED, False),
        ("InvalidAccountForFee", Code.SIMULATION_FAILED, False),
        ("BlockhashNotFound", Code.CHAIN_UNAVAILABLE, True),
        ("ClusterMaintenance", Code.CHAIN_UNAVAILABLE, True),
        ("SomethingNew", Code.SIMULATION_FAILED, False),
    ],
)
def test_a_failed_simulation_says_why(err: Any, code: Code, retryable: bool) -> None:
    failure = simulation_failure(err, transfer_index=2)
    assert (failure.code, failure.retryable) == (code, retryable)


@pytest.mark.parametrize(
    ("err", "sentence"),
    [
        ({"InsufficientFundsForRent": {"account_index": 0}}, "the paying account"),
        ({"InsufficientFundsForRent": {"account_index": 1}}, "the recipient"),
        ({"InstructionError": [3, {"Custom": 7}]}, "instruction 3 with program error 7"),
        ({"InstructionError": [2, "InvalidArgument"]}, "instruction 2 with InvalidArgument"),
        ("InvalidAccountForFee", "would fail: InvalidAccountForFee."),
        ("SomethingNew", "unknown to this version"),
    ],
)
def test_the_sentence_names_the_reason(err: Any, sentence: str) -> None:
    assert sentence in simulation_failure(err, transfer_index=2).message


@pytest.mark.parametrize(
    ("code", "data", "outcome"),
    [
        (_PREFLIGHT, {"err": "AlreadyProcessed"}, SendOutcome.ACCEPTED),
        (_PREFLIGHT, {"err": "BlockhashNotFound"}, SendOutcome.UNKNOWN),
        (_PREFLIGHT, {"err": "InsufficientFundsForFee"}, SendOutcome.UNKNOWN),
        (_PREFLIGHT, {"err": {"InstructionError": [2, {"Custom": 1}]}}, SendOutcome.UNKNOWN),
        (_PREFLIGHT, {"err": "SomethingNew"}, SendOutcome.UNKNOWN),
        (_PREFLIGHT, {"err": None}, SendOutcome.UNKNOWN),
        (_PREFLIGHT, None, SendOutcome.UNKNOWN),
        (_PREFLIGHT, {"err": "SignatureFailure"}, SendOutcome.REJECTED),
        (_PREFLIGHT, {"err": "SanitizeFailure"}, SendOutcome.REJECTED),
        (-32003, None, SendOutcome.REJECTED),
        (-32013, None, SendOutcome.REJECTED),
        (-32602, None, SendOutcome.REJECTED),
        (-32005, {"numSlotsBehind": 42}, SendOutcome.UNKNOWN),
        (-32603, None, SendOutcome.UNKNOWN),
        (-32601, None, SendOutcome.UNKNOWN),
        (429, None, SendOutcome.UNKNOWN),
    ],
)
def test_a_refused_send_proves_no_more_than_it_can(
    code: int, data: Any, outcome: SendOutcome
) -> None:
    # The text is misleading on purpose: nothing may be read from it.
    error = RpcError(code, "Blockhash not found, AlreadyProcessed, signature failure", data)
    assert send_verdict(error).outcome is outcome
