"""Codes are for ever, and every one has a status."""

import json

import pytest

from wallet.api.errors import STATUS, error_body, error_headers
from wallet.errors import Code, LimitedError, UnavailableError, WalletError
from wallet.wire.errors import ErrorView

# Programs depend on these: a code may be added, never renamed and never given another status.
SNAPSHOT = """
400 CHAIN_NOT_SUPPORTED INSUFFICIENT_FUNDS INVALID_ADDRESS INVALID_AMOUNT INVALID_MEMO NETWORK_MISMATCH
400 KEYSTORE_DECRYPT_FAILED KEYSTORE_IMPORT_FAILED POLICY_INVALID UNSUPPORTED_KEYSTORE_VERSION
400 UNSUPPORTED_TYPE VALIDATION_ERROR BACKUP_DAMAGED BACKUP_UNSUPPORTED
401 CLAIM_INVALID INVALID_MASTER_PASSWORD INVALID_TOKEN MASTER_PASSWORD_REQUIRED SESSION_REVOKED
401 TOKEN_EXPIRED WRONG_PASSWORD
403 APPROVE_AMOUNT_EXCEEDED BALANCE_SHARE_EXCEEDED CARD_MISMATCH CONTRACT_DENIED
403 CUMULATIVE_LIMIT_EXCEEDED FACTOR_INVALID FACTOR_REQUIRED FEE_LIMIT_EXCEEDED INVALID_HOST
403 INVALID_ORIGIN METHOD_DENIED NETWORK_DENIED OWNER_NOT_CONNECTED OWNER_REJECTED PAIRING_INVALID
403 PERMIT_REFUSED POLICY_DENIED POLICY_ERROR RENEWAL_LIMIT_REACHED RENEWAL_TOO_EARLY
403 SESSION_ABSOLUTE_LIFETIME_EXCEEDED SESSION_LIMIT_EXCEEDED SESSION_RENEWAL_MISMATCH
403 SPENDER_DENIED TIME_RESTRICTED TOKEN_DENIED TX_RATE_EXCEEDED AUTHORITY_UNPROVED SESSION_FROZEN
403 WALLET_SUSPENDED WHITELIST_DENIED
404 NOT_FOUND POLICY_NOT_FOUND SESSION_NOT_FOUND TX_NOT_FOUND WALLET_NOT_FOUND
405 METHOD_NOT_ALLOWED
409 ALREADY_INITIALISED DAEMON_ALREADY_RUNNING DATA_DIRECTORY_KIND INVALID_STATE_TRANSITION
409 KILL_SWITCH_ACTIVE KILL_SWITCH_NOT_ACTIVE NOT_FACTOR_ENROLLED NOT_INITIALISED
409 RECOVERY_ALREADY_STARTED RECOVERY_NOT_STARTED RENEWAL_CONFLICT TX_ALREADY_PROCESSED
409 TX_NOT_REPLACEABLE WALLET_ALREADY_EXISTS BACKUP_UNSOUND
410 TX_EXPIRED
413 BODY_TOO_LARGE
415 UNSUPPORTED_MEDIA_TYPE
422 FEE_CEILING_EXCEEDED IDEMPOTENCY_KEY_REUSED SIMULATION_FAILED
429 FACTOR_LOCKED MASTER_PASSWORD_LOCKED RATE_LIMIT_EXCEEDED TOO_MANY_APPROVALS
500 CONFIG_ERROR INTERNAL_ERROR KEYSTORE_CORRUPTED KEYSTORE_KIND KEYSTORE_MISSING KEYSTORE_PERMISSIONS
500 PAYLOAD_MISMATCH WALLET_KEY_MISSING
502 CHAIN_ERROR CHAIN_IDENTITY_MISMATCH
503 CHAIN_UNAVAILABLE CLOCK_UNTRUSTED DAEMON_NOT_RUNNING KEYSTORE_LOCKED SHUTTING_DOWN SIGNER_GONE STARTING STORAGE_BUSY
503 STORAGE_FULL SYSTEM_LOCKED
"""


def promised() -> dict[str, int]:
    lines = [line.split() for line in SNAPSHOT.strip().splitlines()]
    return {code: int(status) for status, *codes in lines for code in codes}


def test_every_code_has_a_status() -> None:
    assert set(STATUS) == set(Code)


def test_no_promised_code_is_lost_or_moved() -> None:
    assert {code.value: status for code, status in STATUS.items()} == promised()


@pytest.mark.parametrize("code", Code)
def test_every_code_is_written_in_the_one_flat_shape(code: Code) -> None:
    error = WalletError(code, "A sentence.", details={"limit": "5"}, hint="Do this.")

    body = json.loads(error_body(error, "req_1"))

    ErrorView.model_validate(
        {
            "code": Code(body["code"]),
            "message": body["message"],
            "retryable": body["retryable"],
            "request_id": body["requestId"],
            "details": body["details"],
            "hint": body["hint"],
        }
    )


def test_details_and_hint_are_left_out_where_there_are_none() -> None:
    body = json.loads(error_body(WalletError(Code.NOT_FOUND, "No."), "req_1"))

    assert body == {
        "code": "NOT_FOUND", "message": "No.", "retryable": False, "requestId": "req_1"
    }  # fmt: skip


def test_waiting_is_named_in_a_header_where_it_helps() -> None:
    limited = LimitedError(Code.FACTOR_LOCKED, "No.", details={"retryAfter": 30})
    leaving = UnavailableError(Code.SHUTTING_DOWN, "No.")
    other = UnavailableError(Code.SYSTEM_LOCKED, "No.", details={"retryAfter": "soon"})

    assert error_headers(limited) == [(b"retry-after", b"30")]
    assert error_headers(leaving) == [(b"retry-after", b"30")]
    assert error_headers(other) == []
