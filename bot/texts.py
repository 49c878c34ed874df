"""Every sentence the owner reads, except those of alerts (wallet.notifications.messages)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from wallet.domain.console import Action
from wallet.domain.owner import Factor
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Status
from wallet.notifications.templates import Severity
from wallet.operations.taps import AnswerKind

LABELS: Final[Mapping[Action, str]] = MappingProxyType(
    {
        Action.APPROVE: "Approve",
        Action.CONFIRM_APPROVE: "Confirm payment",
        Action.BACK: "Back",
        Action.REJECT: "Reject",
        Action.CANCEL: "Cancel payment",
        Action.SPEED_UP: "Speed up",
        Action.CONFIRM_SPEED_UP: "Confirm: speed up",
        Action.CANCEL_SENT: "Cancel payment",
        Action.CONFIRM_CANCEL_SENT: "Confirm: cancel",
        Action.REVOKE_SESSION: "Revoke session",
        Action.CONFIRM_KILL: "Confirm: stop everything",
        Action.DISMISS: "Dismiss",
        Action.PUT_ASIDE: "Dismiss",
        Action.NEW_CODES: "New claim codes",
        Action.CONFIRM_NEW_CODES: "Confirm: new claim codes",
        Action.NO_NEW_CODES: "Back",
        Action.CANCEL_RECOVERY: "Cancel recovery",
        Action.CANCEL_RESET: "Cancel reset",
        Action.CANCEL_LOOSENING: "Cancel change",
    }
)
STYLES: Final[Mapping[Action, str]] = MappingProxyType(
    {
        Action.APPROVE: "success",
        Action.CONFIRM_APPROVE: "success",
        Action.CONFIRM_NEW_CODES: "success",
        Action.REJECT: "danger",
        Action.CANCEL: "danger",
        Action.CONFIRM_SPEED_UP: "success",
        Action.CANCEL_SENT: "danger",
        Action.CONFIRM_CANCEL_SENT: "danger",
        Action.REVOKE_SESSION: "danger",
        Action.CONFIRM_KILL: "danger",
        Action.CANCEL_RECOVERY: "danger",
        Action.CANCEL_RESET: "danger",
        Action.CANCEL_LOOSENING: "danger",
    }
)
COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "status": "Balances and what is going on",
        "pending": "Payments that wait",
        "limits": "The rules that are in force",
        "sessions": "Agents that may ask for payments",
        "revoke": "End a session",
        "killswitch": "Stop everything",
        "help": "What this bot does",
    }
)
HEADS: Final[Mapping[Status, str]] = MappingProxyType(
    {
        Status.PENDING: "🟢 Payment accepted",
        Status.QUEUED: "🟢 Approved, about to be sent",
        Status.EXECUTING: "⚙️ Preparing the payment",
        Status.SUBMITTED: "📤 Sent, waiting for the chain",
        Status.CONFIRMED: "✅ Paid",
        Status.FAILED: "❌ Failed",
        Status.CANCELLED: "🚫 Cancelled",
        Status.EXPIRED: "⌛ Expired",
    }
)
HEAD_REJECTED: Final = "🚫 Rejected"
HEAD_COPY: Final = "↪️ Copy of a card"
COPY: Final = "Another message shows how this payment stands."
HEAD_STUCK: Final = "🐢 Sent, but the chain has not taken it"
HEAD_CANCELLING: Final = "🚫 Cancelling; it may still be paid"
HEAD_SPEEDING_UP: Final = "📤 Being sent again with a higher fee"
HEAD_REPLACING: Final[Mapping[str, str]] = MappingProxyType(
    {
        "SPEED_UP": "🐢 Send it again with a higher fee?",
        "SPEED_UP_CODE": "🔐 Send your 6-digit code",
        "CANCEL": "🚫 Cancel this payment?",
        "CANCEL_CODE": "🔐 Send your 6-digit code",
    }
)
STUCK: Final = "You can send it again with a higher fee, or an empty payment in its place."
STUCK_FACTORS: Final[Mapping[Factor, str]] = MappingProxyType(
    {
        Factor.TAP: "Both take two taps.",
        Factor.CODE: "Both ask for your 6-digit code.",
        Factor.HOST: "Too large to do it here. On the host:",
    }
)
CANCELLING: Final = "It is cancelled once the empty payment in its place is final."
LANDED_FIRST: Final = "It was on the chain before your cancellation."
CANCELLED_SENT: Final = "Nothing was paid; the fee of the cancellation was spent."
HEAD_DELAY: Final = "⏳ Payment on hold"
HEAD_LAPSED: Final = "⌛ Approval no longer possible"
HEAD_APPROVAL: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CARD": "🟠 Approve this payment?",
        "CONFIRM": "🟠 Confirm this payment",
        "CODE": "🔐 Send your 6-digit code",
    }
)
TIERS: Final[Mapping[Tier, str]] = MappingProxyType(
    {
        Tier.INSTANT: "A small payment: no approval was needed.",
        Tier.NOTIFY: "Within your limits: no approval was needed.",
        Tier.DELAY: "Nobody cancelled it before its time was over.",
        Tier.APPROVAL: "It leaves only with your approval.",
    }
)
HELD: Final = "Cancel it before then and nothing is paid."
LAPSED: Final = "Nothing was paid."
NOT_PAID: Final = "Nothing was paid."
CONSENT: Final = "You approved it."
CONSENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        Factor.TAP.value: "You approved it with two taps.",
        Factor.CODE.value: "You approved it with your 6-digit code.",
        Factor.HOST.value: "You approved it on the host.",
    }
)
WAITING: Final[Mapping[Tier, tuple[str, str]]] = MappingProxyType(
    {
        Tier.INSTANT: ("⚙️", "about to be sent"),
        Tier.NOTIFY: ("⚙️", "about to be sent"),
        Tier.DELAY: ("⏳", "leaves by itself"),
        Tier.APPROVAL: ("🟠", "waits for you"),
    }
)
RULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "SPENDING_LIMIT": "One payment",
        "CUMULATIVE_LIMIT": "All together",
        "WHITELIST": "Recipients",
        "TIME_RESTRICTION": "Hours",
        "RATE_LIMIT": "Number of payments",
        "ALLOWED_NETWORKS": "Networks",
        "ALLOWED_TOKENS": "Tokens",
        "CONTRACT_WHITELIST": "Contracts",
        "METHOD_WHITELIST": "Methods",
        "APPROVED_SPENDERS": "Spenders",
        "APPROVE_AMOUNT_LIMIT": "Allowances",
        "FEE_LIMIT": "Fees",
        "BALANCE_SHARE": "Share of the balance",
    }
)
HELD_BY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "OWNER": "by you",
        "KILL_SWITCH": "by the kill switch",
        "CONSECUTIVE_FAILURES": "payments kept failing",
        "TIME_RESTRICTION": "asked outside the hours",
        "DAILY_LIMIT_THRESHOLD": "the day's limit is used",
        "HOURLY_RATE": "asked too often",
        "ANOMALY_PATTERN": "one address too often",
    }
)
FACTORS: Final[Mapping[Factor, str]] = MappingProxyType(
    {
        Factor.TAP: "Approve takes two taps.",
        Factor.CODE: "Approve asks for your 6-digit code.",
        Factor.HOST: "Too large to approve here. On the host:",
    }
)
STAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CONFIRM": "Check amount and address, then press Confirm within 60 seconds.",
        "CODE": "Type the code of your authenticator app here within 2 minutes.",
        "SPEED_UP": "Check the highest fee, then press Confirm within 60 seconds.",
        "SPEED_UP_CODE": "Type the code of your authenticator app here within 2 minutes.",
        "CANCEL": "It may still be paid meanwhile. Press Confirm within 60 seconds.",
        "CANCEL_CODE": "Type the code of your authenticator app here within 2 minutes.",
    }
)
ANSWERS: Final[Mapping[AnswerKind, str]] = MappingProxyType(
    {
        AnswerKind.OUT_OF_DATE: "This button is out of date.",
        AnswerKind.MISMATCH: (
            "This tap does not match the card that was sent. Nothing was done, and approving in "
            "Telegram is frozen. To lift it, on the host: waiaas pair"
        ),
        AnswerKind.FROZEN: "Approving in Telegram is frozen. To lift it, on the host: waiaas pair",
        AnswerKind.CONFIRM_ASKED: "Press Confirm within 60 seconds.",
        AnswerKind.CODE_ASKED: "Now send the 6-digit code of your authenticator app.",
        AnswerKind.HOST_NEEDED: "Too large to do it here. On the host: waiaas {command} {id}",
        AnswerKind.APPROVED: "Approved.",
        AnswerKind.REJECTED: "Rejected. Nothing was paid.",
        AnswerKind.CANCELLED: "Cancelled. Nothing was paid.",
        AnswerKind.SPEED_UP_ORDERED: "It is sent again with a higher fee.",
        AnswerKind.CANCEL_ORDERED: "It is being cancelled. It may still be paid.",
        AnswerKind.BACK: "Nothing was approved.",
        AnswerKind.REVOKED: "The session is ended.",
        AnswerKind.STOPPED: (
            "Everything is stopped. Sessions ended: {sessions}. Waiting payments cancelled: "
            "{transactions}. Already signed: {exposure}."
        ),
        AnswerKind.STOPPED_UNSTORED: (
            "Everything is stopped: nothing is signed or sent. The database cannot be written yet; that is "
            "tried again by itself."
        ),
        AnswerKind.RECOVERY_CANCELLED: "Recovery cancelled. Everything stays stopped.",
        AnswerKind.RESET_CANCELLED: "Reset cancelled. Your authenticator app stays.",
        AnswerKind.LOOSENING_CANCELLED: "Cancelled. The rule stays as it is.",
        AnswerKind.DISMISSED: "Dismissed.",
        AnswerKind.PUT_ASIDE: "Dismissed.",
        AnswerKind.WRONG_CODE: "Wrong code. Tries left: {left}.",
        AnswerKind.USED_CODE: "That code was used before. Send the next one.",
        AnswerKind.CODES_GIVEN: "New claim codes follow. Each works once, for 10 minutes.",
        AnswerKind.CODES_GIVEN_BEFORE: "New claim codes were given before. More on the host: waiaas session create",
        AnswerKind.CODES_ON_HOST: "Too large to grant here. On the host: waiaas session create",
        AnswerKind.NOT_WAITING: (
            "No payment waits for a code. I deleted it; press Approve on a card first."
        ),
    }
)
RESULTS: Final[Mapping[AnswerKind, str]] = MappingProxyType(
    {
        AnswerKind.REVOKED: "✅ Session ended",
        AnswerKind.STOPPED: "🛑 Everything is stopped",
        AnswerKind.STOPPED_UNSTORED: "🛑 Everything is stopped",
        AnswerKind.RECOVERY_CANCELLED: "🛑 Recovery cancelled",
        AnswerKind.RESET_CANCELLED: "Reset cancelled",
        AnswerKind.LOOSENING_CANCELLED: "🚫 Change cancelled",
    }
)
SEVERITIES: Final[Mapping[Severity, str]] = MappingProxyType(
    {Severity.STOP: "🛑", Severity.ALARM: "⚠️", Severity.NEWS: "🔔"}
)
# Good news of the gravest kind: delivered first, but no stop sign.
SIGNS: Final[Mapping[str, str]] = MappingProxyType({"KILL_SWITCH_RECOVERED": "🟢"})
WELCOME: Final = "👋 This chat belongs to the wallet's owner. Send /help to see what you can do."
UNPAIRED: Final = (
    "👋 This wallet has no owner yet.\n\n"
    "Run waiaas pair on the host and open the link it prints. It carries a code that proves it is you."
)
PAIRING_STORED: Final = (
    "🔑 The code is right.\n\n"
    "Now confirm on the host that it is you: it shows your name and Telegram id."
)
PAIRING_REFUSED: Final = (
    "This code is not valid. Codes last 10 minutes. Get a new one on the host: waiaas pair"
)
HELP_HEAD: Final = "What you can do here"
HELP_TAIL: Final = (
    "Cards of payments appear by themselves. Stopping takes a tap; releasing money takes more. "
    "Never type your master password here."
)
STOPPED_ALREADY: Final = "🛑 Stopped already"
RECOVERING: Final = "🛑 Stopped, and recovering"
HOW_TO_RECOVER: Final = "Nothing is signed. To start again, run on the host: waiaas recover"
RECOVERS_AT: Final = "Payments start again at {at}."
CANCEL_HERE: Final = "To stay stopped, press Cancel recovery."
CANCEL_ON_HOST: Final = "To stay stopped, run on the host: waiaas recover --cancel"
KILL_OFFER: Final = "🛑 Stop everything?"
KILL_MEANS: Final = (
    "Every session ends, every waiting payment is cancelled, and nothing is signed until you "
    "recover on the host. Payments that are already on their way cannot be called back."
)
REVOKE_NONE: Final = "No live sessions."
REVOKE_OFFER: Final = "End this session?"
REVOKE_MORE: Final = "There are {more} more. Revoke these first, or use the host: waiaas session"
BALANCE_UNKNOWN: Final = "Balance unknown: the node does not answer"
PENDING_NONE: Final = "✨ Nothing is waiting."
WAITING_RULE_HEAD: Final = "⏳ A rule will be loosened"
WAITING_RULE: Final = "Then:"
WAITING_RULE_GONE: Final = "The rule is taken away."
WAITING_RULE_AT: Final = "It counts from {at} on. To keep the rule as it is, press Cancel change."
WAITING_RULES_MORE: Final = "There are {more} more. On the host: waiaas policy list"
LIMITS_NONE: Final = "No rules yet: every payment is denied. On the host: waiaas policy"
SESSIONS_NONE: Final = "No live sessions. On the host: waiaas session create"
UNKNOWN: Final = "I did not understand that. Send /help to see what you can do."
BROKEN: Final = "Something went wrong here. It was noted in the log; nothing was approved."
