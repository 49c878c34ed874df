"""What the details of each fact may hold. docs/audit.md says what each means; tests compare the two both ways."""

from collections.abc import Mapping
from types import MappingProxyType

from wallet.domain.facts import Fact

_MOVE = ("status", "attempt", "hash", "error", "message", "fee")
_ORDER = ("factor", "ceiling", "digest")
_PAYLOAD = ("hash", "purpose", "number", "maxCost")
_STOP = ("state", "reason")
_SESSION = ("name",)
_AUTO_STOP = ("rule", "rules", "wallet")
_LOOSENING = ("looseningId", "ruleId", "type", "change")
_WALLET = ("name", "network", "address")

DETAILS: Mapping[Fact, tuple[str, ...]] = MappingProxyType(
    {
        Fact.DIRECTORY_BORN: ("kind",),
        Fact.DAEMON_STARTED: ("version",),
        Fact.DAEMON_STOPPED: (),
        Fact.KEYSTORE_UNLOCKED: ("by", "sealedFrom", "sealedTo"),
        Fact.KEYSTORE_LOCKED: ("by",),
        Fact.KEYSTORE_CORRUPTED: ("file", "reason"),
        Fact.KEYSTORE_PASSWORD_CHANGED: ("dataKey",),
        Fact.WALLET_CREATED: _WALLET,
        Fact.WALLET_IMPORTED: _WALLET,
        Fact.WALLET_EXPORTED: _WALLET,
        Fact.WALLET_SUSPENDED: ("by", "wallet", "reason", "cancelled"),
        Fact.WALLET_RESUMED: ("by", "wallet"),
        Fact.SESSION_CREATED: ("name", "factor"),
        Fact.SESSION_CLAIMED: _SESSION,
        Fact.SESSION_RENEWED: _SESSION,
        Fact.SESSION_REVOKED: _SESSION,
        Fact.SESSION_EXPIRED: (),
        Fact.SESSION_CLAIM_REUSED: _SESSION,
        Fact.SESSION_FROZEN: ("sessionId", "name", "wallet", "by", "reason", "cancelled"),
        Fact.SESSION_RESUMED: ("sessionId", "name", "by"),
        Fact.AUTO_STOP_SET: _AUTO_STOP,
        Fact.AUTO_STOP_RESET: _AUTO_STOP,
        Fact.AUTO_STOP_WARNED: ("rule", "reason", "wallet", "name", "sessionId"),
        Fact.POLICY_SET: ("ruleId", "type", "rules", "version"),
        Fact.POLICY_REMOVED: ("ruleId",),
        Fact.POLICY_LOOSENING_QUEUED: (*_LOOSENING, "rules", "baseVersion", "countsAt"),
        Fact.POLICY_LOOSENING_APPLIED: (*_LOOSENING, "version"),
        Fact.POLICY_LOOSENING_CANCELLED: _LOOSENING,
        Fact.POLICY_LOOSENING_DROPPED: (*_LOOSENING, "reason"),
        Fact.OWNER_PAIRING_STARTED: (),
        Fact.OWNER_PAIRING_FAILED: ("refusedUserId",),
        Fact.OWNER_PAIRED: ("userId",),
        Fact.BANDS_SET: ("bands",),
        Fact.FACTOR_ENROLLED: (),
        Fact.FACTOR_RESET_STARTED: ("readyAt",),
        Fact.FACTOR_RESET_CANCELLED: (),
        Fact.FACTOR_FAILED: ("count",),
        Fact.MASTER_PASSWORD_FAILED: ("count",),
        Fact.TX_REQUESTED: ("request", "tier", "digest", "usd", "feeUsd"),
        Fact.TX_DENIED: ("request", "code", "reason", "ruleId"),
        Fact.TX_DENIALS_SUMMED: ("count",),
        Fact.TX_APPROVED: ("factor", "digest"),
        Fact.TX_RELEASED: ("dueAt",),
        Fact.TX_EXECUTING: _MOVE,
        Fact.TX_SUBMITTED: _MOVE,
        Fact.TX_STUCK: ("hash", "ceiling"),
        Fact.TX_SPEED_UP_ORDERED: _ORDER,
        Fact.TX_SPEED_UP_DROPPED: ("error", "reason"),
        Fact.TX_CANCEL_ORDERED: _ORDER,
        Fact.TX_REPLACED: _PAYLOAD,
        Fact.TX_RENEWED: _PAYLOAD,
        Fact.TX_GAP_FILLED: _PAYLOAD,
        Fact.TX_CONFIRMED: _MOVE,
        Fact.TX_FINALIZED: ("status", "hash", "fee"),
        Fact.TX_REORGED: (),
        Fact.TX_FAILED: _MOVE,
        Fact.TX_CANCELLED: _MOVE,
        Fact.TX_EXPIRED: _MOVE,
        Fact.TX_NONCE_TAKEN: (),
        Fact.CARD_MISMATCH: ("action", "messageId", "kind", "what"),
        Fact.UPDATE_PARKED: ("updateId", "attempts"),
        Fact.KILL_SWITCH_ACTIVATED: (
            *_STOP,
            "sessionsRevoked",
            "transactionsCancelled",
            "walletsSuspended",
            "exposure",
        ),
        Fact.KILL_SWITCH_RECOVERY_STARTED: (*_STOP, "recoveryAt"),
        Fact.KILL_SWITCH_RECOVERY_CANCELLED: _STOP,
        Fact.KILL_SWITCH_RECOVERED: (*_STOP, "stoppedAt"),
        Fact.STATE_UNTRUSTED: (),
        Fact.SIGNER_NOT_KILLED: (),
        Fact.CLOCK_DOUBTED: ("reason",),
        Fact.CLOCK_TRUSTED: ("reason",),
        Fact.AUDIT_UNTRUSTED: ("firstBad", "reason"),
        Fact.AUTHORITY_UNPROVED: ("table", "row"),
        Fact.DATABASE_BEHIND: ("why",),
    }
)
