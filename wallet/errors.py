"""What can go wrong on purpose, with codes that never change.

WalletError
├── InputError         the request is not well formed
├── AuthError          the caller did not prove who it is
├── RefusedError       the caller is known and the answer is no
├── NotFoundError      there is no such thing, or it is somebody else's
├── ConflictError      the thing is no longer in the state the request needs
├── LimitedError       too many requests, wrong passwords or waiting approvals
├── UnavailableError   stopped, locked, starting, or out of room
├── ChainError         a node did not answer, or answered something we cannot trust
└── KeystoreError      keys, passwords, permits

Codes are for ever: programs depend on them, and a test keeps their list. Bugs stay builtin exceptions.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Code(StrEnum):
    """Every code that a caller can see."""

    # input
    VALIDATION_ERROR = "VALIDATION_ERROR"
    INVALID_AMOUNT = "INVALID_AMOUNT"
    INVALID_ADDRESS = "INVALID_ADDRESS"
    INVALID_MEMO = "INVALID_MEMO"
    UNSUPPORTED_TYPE = "UNSUPPORTED_TYPE"
    CHAIN_NOT_SUPPORTED = "CHAIN_NOT_SUPPORTED"
    NETWORK_MISMATCH = "NETWORK_MISMATCH"
    BODY_TOO_LARGE = "BODY_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    CONFIG_ERROR = "CONFIG_ERROR"
    POLICY_INVALID = "POLICY_INVALID"
    # callers
    INVALID_TOKEN = "INVALID_TOKEN"  # noqa: S105 - a code, not a token
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105 - a code, not a token
    SESSION_REVOKED = "SESSION_REVOKED"
    INVALID_HOST = "INVALID_HOST"
    INVALID_ORIGIN = "INVALID_ORIGIN"
    INVALID_MASTER_PASSWORD = "INVALID_MASTER_PASSWORD"  # noqa: S105 - a code
    MASTER_PASSWORD_REQUIRED = "MASTER_PASSWORD_REQUIRED"  # noqa: S105 - a code
    MASTER_PASSWORD_LOCKED = "MASTER_PASSWORD_LOCKED"  # noqa: S105 - a code
    CLAIM_INVALID = "CLAIM_INVALID"
    PAIRING_INVALID = "PAIRING_INVALID"
    FACTOR_REQUIRED = "FACTOR_REQUIRED"
    FACTOR_INVALID = "FACTOR_INVALID"
    FACTOR_LOCKED = "FACTOR_LOCKED"
    NOT_FACTOR_ENROLLED = "NOT_FACTOR_ENROLLED"
    # refusals
    SESSION_LIMIT_EXCEEDED = "SESSION_LIMIT_EXCEEDED"
    POLICY_DENIED = "POLICY_DENIED"
    POLICY_ERROR = "POLICY_ERROR"
    AUTHORITY_UNPROVED = "AUTHORITY_UNPROVED"
    CUMULATIVE_LIMIT_EXCEEDED = "CUMULATIVE_LIMIT_EXCEEDED"
    WHITELIST_DENIED = "WHITELIST_DENIED"
    TIME_RESTRICTED = "TIME_RESTRICTED"
    TX_RATE_EXCEEDED = "TX_RATE_EXCEEDED"
    NETWORK_DENIED = "NETWORK_DENIED"
    TOKEN_DENIED = "TOKEN_DENIED"  # noqa: S105 - a code
    CONTRACT_DENIED = "CONTRACT_DENIED"
    METHOD_DENIED = "METHOD_DENIED"
    SPENDER_DENIED = "SPENDER_DENIED"
    APPROVE_AMOUNT_EXCEEDED = "APPROVE_AMOUNT_EXCEEDED"
    FEE_LIMIT_EXCEEDED = "FEE_LIMIT_EXCEEDED"
    BALANCE_SHARE_EXCEEDED = "BALANCE_SHARE_EXCEEDED"
    OWNER_NOT_CONNECTED = "OWNER_NOT_CONNECTED"
    WALLET_SUSPENDED = "WALLET_SUSPENDED"
    SESSION_FROZEN = "SESSION_FROZEN"
    RENEWAL_LIMIT_REACHED = "RENEWAL_LIMIT_REACHED"
    RENEWAL_TOO_EARLY = "RENEWAL_TOO_EARLY"
    SESSION_RENEWAL_MISMATCH = "SESSION_RENEWAL_MISMATCH"
    SESSION_ABSOLUTE_LIFETIME_EXCEEDED = "SESSION_ABSOLUTE_LIFETIME_EXCEEDED"
    CARD_MISMATCH = "CARD_MISMATCH"
    # absent
    NOT_FOUND = "NOT_FOUND"
    TX_NOT_FOUND = "TX_NOT_FOUND"
    WALLET_NOT_FOUND = "WALLET_NOT_FOUND"
    SESSION_NOT_FOUND = "SESSION_NOT_FOUND"
    POLICY_NOT_FOUND = "POLICY_NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    # conflicts
    TX_ALREADY_PROCESSED = "TX_ALREADY_PROCESSED"
    TX_EXPIRED = "TX_EXPIRED"
    TX_NOT_REPLACEABLE = "TX_NOT_REPLACEABLE"
    OWNER_REJECTED = "OWNER_REJECTED"
    INVALID_STATE_TRANSITION = "INVALID_STATE_TRANSITION"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    RENEWAL_CONFLICT = "RENEWAL_CONFLICT"
    KILL_SWITCH_ACTIVE = "KILL_SWITCH_ACTIVE"
    KILL_SWITCH_NOT_ACTIVE = "KILL_SWITCH_NOT_ACTIVE"
    RECOVERY_ALREADY_STARTED = "RECOVERY_ALREADY_STARTED"
    RECOVERY_NOT_STARTED = "RECOVERY_NOT_STARTED"
    ALREADY_INITIALISED = "ALREADY_INITIALISED"
    NOT_INITIALISED = "NOT_INITIALISED"
    DATA_DIRECTORY_KIND = "DATA_DIRECTORY_KIND"
    DAEMON_ALREADY_RUNNING = "DAEMON_ALREADY_RUNNING"
    DAEMON_NOT_RUNNING = "DAEMON_NOT_RUNNING"
    # limits
    RATE_LIMIT_EXCEEDED = "RATE_LIMIT_EXCEEDED"
    TOO_MANY_APPROVALS = "TOO_MANY_APPROVALS"
    # availability
    SYSTEM_LOCKED = "SYSTEM_LOCKED"
    CLOCK_UNTRUSTED = "CLOCK_UNTRUSTED"
    STARTING = "STARTING"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    STORAGE_FULL = "STORAGE_FULL"
    STORAGE_BUSY = "STORAGE_BUSY"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    # chains
    CHAIN_UNAVAILABLE = "CHAIN_UNAVAILABLE"
    CHAIN_IDENTITY_MISMATCH = "CHAIN_IDENTITY_MISMATCH"
    CHAIN_ERROR = "CHAIN_ERROR"
    SIMULATION_FAILED = "SIMULATION_FAILED"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    FEE_CEILING_EXCEEDED = "FEE_CEILING_EXCEEDED"
    PAYLOAD_MISMATCH = "PAYLOAD_MISMATCH"
    # keystore
    KEYSTORE_LOCKED = "KEYSTORE_LOCKED"
    KEYSTORE_CORRUPTED = "KEYSTORE_CORRUPTED"
    KEYSTORE_MISSING = "KEYSTORE_MISSING"
    KEYSTORE_KIND = "KEYSTORE_KIND"
    KEYSTORE_PERMISSIONS = "KEYSTORE_PERMISSIONS"
    KEYSTORE_DECRYPT_FAILED = "KEYSTORE_DECRYPT_FAILED"
    KEYSTORE_IMPORT_FAILED = "KEYSTORE_IMPORT_FAILED"
    UNSUPPORTED_KEYSTORE_VERSION = "UNSUPPORTED_KEYSTORE_VERSION"
    WALLET_ALREADY_EXISTS = "WALLET_ALREADY_EXISTS"
    WRONG_PASSWORD = "WRONG_PASSWORD"  # noqa: S105 - a code
    WALLET_KEY_MISSING = "WALLET_KEY_MISSING"
    PERMIT_REFUSED = "PERMIT_REFUSED"
    SIGNER_GONE = "SIGNER_GONE"
    # backups
    BACKUP_DAMAGED = "BACKUP_DAMAGED"
    BACKUP_UNSUPPORTED = "BACKUP_UNSUPPORTED"
    BACKUP_UNSOUND = "BACKUP_UNSOUND"


class WalletError(Exception):
    """Base of every expected failure. Never raised directly.

    ``message`` is one sentence for a person; ``hint`` says what to do next; ``details`` is JSON-able.
    ``retryable`` is True only when repeating the very same call can help and cannot pay twice.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        retryable: bool = False,
        details: Mapping[str, Any] | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.details = dict(details or {})
        self.hint = hint


class InputError(WalletError):
    """The request is not well formed; nothing was changed."""


class AuthError(WalletError):
    """The caller did not prove who it is."""


class RefusedError(WalletError):
    """The caller is known and the answer is no."""


class NotFoundError(WalletError):
    """There is no such thing, or it belongs to somebody else."""


class ConflictError(WalletError):
    """The thing is no longer in the state that the request needs."""


class LimitedError(WalletError):
    """Too many of something; ``details`` may say ``retryAfter`` in seconds."""


class UnavailableError(WalletError):
    """The service is stopped, locked, starting or out of room."""


class ChainError(WalletError):
    """A node did not answer, refused, or answered something that cannot be trusted."""


class KeystoreError(WalletError):
    """Keys, passwords or permits."""


def bad_field(field: str, message: str, code: Code = Code.VALIDATION_ERROR) -> InputError:
    """An InputError naming the offending field in ``details.issues``."""
    return InputError(
        code, f"{field}: {message}", details={"issues": [{"path": field, "message": message}]}
    )
