"""Codes on the wire: one table from code to HTTP status, and the one flat shape of every error."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from wallet.errors import Code, InputError, NotFoundError, UnavailableError, WalletError

Headers = list[tuple[bytes, bytes]]

STATUS: Mapping[Code, int] = MappingProxyType(
    {
        Code.VALIDATION_ERROR: 400,
        Code.INVALID_AMOUNT: 400,
        Code.INVALID_ADDRESS: 400,
        Code.INVALID_MEMO: 400,
        Code.UNSUPPORTED_TYPE: 400,
        Code.CHAIN_NOT_SUPPORTED: 400,
        Code.NETWORK_MISMATCH: 400,
        Code.BODY_TOO_LARGE: 413,
        Code.UNSUPPORTED_MEDIA_TYPE: 415,
        Code.CONFIG_ERROR: 500,
        Code.POLICY_INVALID: 400,
        Code.INVALID_TOKEN: 401,
        Code.TOKEN_EXPIRED: 401,
        Code.SESSION_REVOKED: 401,
        Code.INVALID_HOST: 403,
        Code.INVALID_ORIGIN: 403,
        Code.INVALID_MASTER_PASSWORD: 401,
        Code.MASTER_PASSWORD_REQUIRED: 401,
        Code.MASTER_PASSWORD_LOCKED: 429,
        Code.CLAIM_INVALID: 401,
        Code.PAIRING_INVALID: 403,
        Code.FACTOR_REQUIRED: 403,
        Code.FACTOR_INVALID: 403,
        Code.FACTOR_LOCKED: 429,
        Code.NOT_FACTOR_ENROLLED: 409,
        Code.SESSION_LIMIT_EXCEEDED: 403,
        Code.POLICY_DENIED: 403,
        Code.POLICY_ERROR: 403,
        Code.AUTHORITY_UNPROVED: 403,
        Code.CUMULATIVE_LIMIT_EXCEEDED: 403,
        Code.WHITELIST_DENIED: 403,
        Code.TIME_RESTRICTED: 403,
        Code.TX_RATE_EXCEEDED: 403,
        Code.NETWORK_DENIED: 403,
        Code.TOKEN_DENIED: 403,
        Code.CONTRACT_DENIED: 403,
        Code.METHOD_DENIED: 403,
        Code.SPENDER_DENIED: 403,
        Code.APPROVE_AMOUNT_EXCEEDED: 403,
        Code.FEE_LIMIT_EXCEEDED: 403,
        Code.BALANCE_SHARE_EXCEEDED: 403,
        Code.OWNER_NOT_CONNECTED: 403,
        Code.WALLET_SUSPENDED: 403,
        Code.SESSION_FROZEN: 403,
        Code.OWNER_REJECTED: 403,
        Code.RENEWAL_LIMIT_REACHED: 403,
        Code.RENEWAL_TOO_EARLY: 403,
        Code.SESSION_RENEWAL_MISMATCH: 403,
        Code.SESSION_ABSOLUTE_LIFETIME_EXCEEDED: 403,
        Code.CARD_MISMATCH: 403,
        Code.NOT_FOUND: 404,
        Code.TX_NOT_FOUND: 404,
        Code.WALLET_NOT_FOUND: 404,
        Code.SESSION_NOT_FOUND: 404,
        Code.POLICY_NOT_FOUND: 404,
        Code.METHOD_NOT_ALLOWED: 405,
        Code.TX_ALREADY_PROCESSED: 409,
        Code.TX_EXPIRED: 410,
        Code.TX_NOT_REPLACEABLE: 409,
        Code.INVALID_STATE_TRANSITION: 409,
        Code.IDEMPOTENCY_KEY_REUSED: 422,
        Code.RENEWAL_CONFLICT: 409,
        Code.KILL_SWITCH_ACTIVE: 409,
        Code.KILL_SWITCH_NOT_ACTIVE: 409,
        Code.RECOVERY_ALREADY_STARTED: 409,
        Code.RECOVERY_NOT_STARTED: 409,
        Code.ALREADY_INITIALISED: 409,
        Code.NOT_INITIALISED: 409,
        Code.DATA_DIRECTORY_KIND: 409,
        Code.DAEMON_ALREADY_RUNNING: 409,
        Code.DAEMON_NOT_RUNNING: 503,
        Code.RATE_LIMIT_EXCEEDED: 429,
        Code.TOO_MANY_APPROVALS: 429,
        Code.SYSTEM_LOCKED: 503,
        Code.CLOCK_UNTRUSTED: 503,
        Code.STARTING: 503,
        Code.SHUTTING_DOWN: 503,
        Code.STORAGE_FULL: 503,
        Code.STORAGE_BUSY: 503,
        Code.INTERNAL_ERROR: 500,
        Code.CHAIN_UNAVAILABLE: 503,
        Code.CHAIN_IDENTITY_MISMATCH: 502,
        Code.CHAIN_ERROR: 502,
        Code.SIMULATION_FAILED: 422,
        Code.INSUFFICIENT_FUNDS: 400,
        Code.FEE_CEILING_EXCEEDED: 422,
        Code.PAYLOAD_MISMATCH: 500,
        Code.KEYSTORE_LOCKED: 503,
        Code.KEYSTORE_CORRUPTED: 500,
        Code.KEYSTORE_MISSING: 500,
        Code.KEYSTORE_KIND: 500,
        Code.KEYSTORE_PERMISSIONS: 500,
        Code.KEYSTORE_DECRYPT_FAILED: 400,
        Code.KEYSTORE_IMPORT_FAILED: 400,
        Code.UNSUPPORTED_KEYSTORE_VERSION: 400,
        Code.WALLET_ALREADY_EXISTS: 409,
        Code.WRONG_PASSWORD: 401,
        Code.WALLET_KEY_MISSING: 500,
        Code.PERMIT_REFUSED: 403,
        Code.SIGNER_GONE: 503,
        Code.BACKUP_DAMAGED: 400,
        Code.BACKUP_UNSUPPORTED: 400,
        Code.BACKUP_UNSOUND: 409,
    }
)

_RETRY_AFTER = {Code.STARTING: 1, Code.SHUTTING_DOWN: 30}
_BEARER = frozenset({Code.INVALID_TOKEN, Code.TOKEN_EXPIRED, Code.SESSION_REVOKED})


def error_body(error: WalletError, request_id: str) -> bytes:
    """The flat error: code, message, retryable, requestId, and details and hint where there are any."""
    body: dict[str, Any] = {
        "code": error.code.value,
        "message": error.message,
        "retryable": error.retryable,
        "requestId": request_id,
    }
    if error.details:
        body["details"] = error.details
    if error.hint:
        body["hint"] = error.hint
    return json.dumps(body, separators=(",", ":"), default=str).encode()


def error_headers(error: WalletError) -> Headers:
    """Retry-After in seconds where waiting helps, and the challenge of a 401 that a token would answer."""
    headers: Headers = []
    seconds = error.details.get("retryAfter", _RETRY_AFTER.get(error.code))
    if isinstance(seconds, int) and seconds >= 0:
        headers.append((b"retry-after", str(seconds).encode()))
    if error.code in _BEARER:
        headers.append((b"www-authenticate", b"Bearer"))
    if error.code is Code.METHOD_NOT_ALLOWED:
        headers.append((b"allow", str(error.details.get("allow", "")).encode("latin-1")))
    return headers


def internal_error() -> WalletError:
    """What a caller learns of a bug: nothing but that there was one."""
    return UnavailableError(
        Code.INTERNAL_ERROR,
        "Something went wrong inside the wallet service.",
        hint="The owner finds the cause in the log under this requestId.",
    )


def routing_error(status: int, path: str, allow: str) -> WalletError:
    """What the router's own refusals (404, 405) look like."""
    if status == STATUS[Code.METHOD_NOT_ALLOWED]:
        return InputError(
            Code.METHOD_NOT_ALLOWED,
            "This path does not take that method.",
            details={"allow": allow},
        )
    if status == STATUS[Code.NOT_FOUND]:
        return NotFoundError(
            Code.NOT_FOUND, f"There is nothing at {path[:100]}.", hint="See GET /openapi.json."
        )
    return InputError(Code.VALIDATION_ERROR, "The request is not well formed.")
