"""What each alert says: severity, a headline and sentences, without channel words.

A sentence is left out when the alert's payload lacks one of its fields, or has nothing in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from types import MappingProxyType

from wallet.notifications.policy_messages import POLICY_TEMPLATES
from wallet.notifications.templates import Severity, Template


@dataclass(frozen=True, slots=True)
class Message:
    severity: Severity
    headline: str
    sentences: Sequence[str]


TEMPLATES: Mapping[str, Template] = MappingProxyType(
    {
        "KILL_SWITCH_ACTIVATED": Template(
            Severity.STOP,
            "Kill switch active: everything is stopped",
            (
                "Nothing is signed or sent until you recover on the host.",
                "Sessions ended: {sessionsRevoked}.",
                "Waiting payments cancelled: {transactionsCancelled}.",
                "Already signed, ending only on chain: {exposure}.",
                "To recover, run on the host: waiaas recover",
                "Reason: {reason}",
            ),
        ),
        "KILL_SWITCH_RECOVERY_STARTED": Template(
            Severity.STOP,
            "Recovery started",
            (
                "Payments start again at {recoveryAt}.",
                "If this was not you, press Cancel recovery.",
            ),
        ),
        "KILL_SWITCH_RECOVERY_STARTED_AGAIN": Template(
            Severity.STOP,
            "Recovery started again",
            (
                "Payments start again at {recoveryAt}.",
                "This chat cancelled one before.",
                "If this was not you, run on the host: waiaas recover --cancel",
            ),
        ),
        "KILL_SWITCH_RECOVERY_CANCELLED": Template(
            Severity.STOP,
            "Recovery cancelled",
            ("Everything stays stopped.",),
        ),
        "KILL_SWITCH_RECOVERED": Template(
            Severity.STOP,
            "Running again",
            (
                "The kill switch is off and wallets work again.",
                "{agents}",
            ),
        ),
        "SIGNER_NOT_KILLED": Template(
            Severity.STOP,
            "Stopped, but the signer process did not end",
            (
                "It signs nothing without a permit, and none is given. Its keys stay in memory until it ends.",
                "On the host: waiaas stop",
            ),
        ),
        "FACTOR_RESET_STARTED": Template(
            Severity.ALARM,
            "A new authenticator app can soon be enrolled",
            (
                "Somebody with the master password says that the old one is lost.",
                "From {readyAt} on no code of the old one is asked for.",
                "If this was not you, press Cancel reset.",
            ),
        ),
        "FACTOR_RESET_CANCELLED": Template(
            Severity.ALARM,
            "Reset cancelled",
            ("The authenticator app stays the one it was.",),
        ),
        "TX_REORGED": Template(
            Severity.ALARM,
            "A confirmed payment left the chain again",
            (
                "It counts as spent, and its bytes are sent again until the chain has decided.",
                "Payment: {transactionId}",
            ),
        ),
        "AUTHORITY_UNPROVED": Template(
            Severity.ALARM,
            "A stored row was changed by somebody else",
            (
                "It carries no valid proof, so it allows nothing any more.",
                "Check who can write the data directory. When in doubt, stop everything: /killswitch",
                "Table: {table}.",
                "Row: {row}",
            ),
        ),
        "TX_UNPAID": Template(
            Severity.ALARM,
            "A payment that was told as paid did not happen",
            (
                "The chain took it back, and what is final now is something else.",
                "It still counts as spent. Compare the wallet with an explorer.",
                "Payment: {transactionId}",
            ),
        ),
        "DATABASE_BEHIND": Template(
            Severity.STOP,
            "The database is older than what already happened",
            (
                "It was restored or put back. Waiting payments were cancelled and sessions ended.",
                "After a recovery every limit counts as full until its window has passed.",
                "Why: {why}",
            ),
        ),
        "POLICY_ERROR": Template(
            Severity.ALARM,
            "A rule failed, so a payment was denied",
            ("Look at the rules: waiaas policy list", "Rule: {ruleId}"),
        ),
        "DAEMON_LOCKED": Template(
            Severity.ALARM,
            "The keystore is locked",
            (
                "Nothing can be signed. You can still see, reject and stop.",
                "To unlock, run on the host: waiaas unlock",
            ),
        ),
        "CARD_MISMATCH": Template(
            Severity.ALARM,
            "A tap did not match the card that was sent",
            (
                "It had no effect. Approving in Telegram is frozen; rejecting and stopping still work.",
                "Check who can reach this bot, then lift the freeze on the host: waiaas pair",
                "Button: {action}.",
            ),
        ),
        "POLLER_CONFLICT": Template(
            Severity.ALARM,
            "Somebody else uses this bot's token",
            (
                "Approving in Telegram is frozen; rejecting and stopping still work.",
                "What was seen: {what}.",
                "Revoke the token with @BotFather and set a new one on the host.",
            ),
        ),
        "UPDATE_PARKED": Template(
            Severity.ALARM,
            "One of your messages could not be handled",
            ("It failed three times and was set aside. Please send it again.", "Update {update}."),
        ),
        "AUDIT_HEAD": Template(
            Severity.NEWS,
            "The audit log today",
            (
                "Head {head}.",
                "It proves that nothing before it was changed or cut: keep this message.",
                "To check, run on the host: waiaas audit verify --known {head}",
            ),
        ),
        "CLAIM_REUSED": Template(
            Severity.ALARM,
            "A claim code was used twice",
            (
                "The session was ended. Somebody may have seen the code.",
                "Session id: {sessionId}.",
                "Name: {name}",
            ),
        ),
        "SESSION_FROZEN": Template(
            Severity.ALARM,
            "A session was frozen",
            (
                "{reason}.",
                "Its waiting payments were cancelled: {cancelled}. It can look, and pay nothing.",
                "Was this right? End it with /revoke. If not, on the host: waiaas resume session {sessionId}",
                "Wallet: {wallet}.",
                "Name: {name}",
            ),
        ),
        "SESSION_RESUMED": Template(
            Severity.ALARM,
            "A session may pay again",
            ("If this was not you, end it: /revoke", "Session id: {sessionId}.", "Name: {name}"),
        ),
        "WALLET_SUSPENDED": Template(
            Severity.ALARM,
            "A wallet was suspended",
            (
                "{reason}.",
                "Its waiting payments were cancelled: {cancelled}. No session pays with it.",
                "To let it go, on the host: waiaas resume wallet",
                "Wallet: {wallet}",
            ),
        ),
        "WALLET_RESUMED": Template(
            Severity.ALARM,
            "A wallet may pay again",
            ("If this was not you, stop everything: /killswitch", "Wallet: {wallet}"),
        ),
        "AUTO_STOP_WARNED": Template(
            Severity.ALARM,
            "Something looks unusual",
            (
                "Auto-stop noticed: {reason}. Nothing was stopped.",
                "Look: /pending and /sessions. To stop it: /revoke or /killswitch",
                "Wallet: {wallet}.",
                "Name: {name}",
            ),
        ),
        "AUTO_STOP_CHANGED": Template(
            Severity.NEWS,
            "An auto-stop rule was changed",
            ("{rule} of {wallet}: {rules}", "See all, on the host: waiaas autostop list"),
        ),
        "CLOCK_DOUBTED": Template(
            Severity.ALARM,
            "The host's clock is in doubt",
            (
                "Payments, delays, approvals and codes wait until Telegram or a chain agrees with it.",
                "What was seen: {reason}.",
                "Look at the host's clock. If it is right, run there: waiaas clock --trust",
            ),
        ),
        "CLOCK_TRUSTED": Template(
            Severity.ALARM,
            "The host's clock is right again",
            ("What waited goes on.",),
        ),
        "SPEED_UP_DROPPED": Template(
            Severity.ALARM,
            "A payment was not sped up",
            (
                "What was sent before is still on its way.",
                "Transaction: {transactionId}.",
                "Reason: {reason}",
            ),
        ),
        "CANCEL_WAITS": Template(
            Severity.ALARM,
            "A payment cannot be cancelled yet",
            (
                "It is tried again by itself; the payment may still land.",
                "Transaction: {transactionId}.",
                "Reason: {reason}",
            ),
        ),
        "GAP_FILLED": Template(
            Severity.NEWS,
            "A gap before a waiting payment was filled",
            (
                "An empty transfer of the wallet to itself took a number that nothing used.",
                "Waiting payment: {transactionId}.",
            ),
        ),
        "GAP_STAYS": Template(
            Severity.ALARM,
            "A payment waits behind a gap",
            (
                "Nothing uses a number before it, and filling it costs more than is allowed now.",
                "The wallet's later payments take such numbers; until then it may still land.",
                "Transaction: {transactionId}.",
                "Reason: {reason}",
            ),
        ),
        "NONCE_TAKEN": Template(
            Severity.ALARM,
            "A payment's place was taken by something unknown",
            (
                "Another program may hold this wallet's key. The payment is kept open.",
                "Transaction: {transactionId}.",
            ),
        ),
        "TX_PARKED": Template(
            Severity.ALARM,
            "A payment could not be carried on",
            (
                "It failed unexpectedly three times and was set aside; nothing is paid twice.",
                "Transaction: {transactionId}.",
            ),
        ),
        "DISK_ALMOST_FULL": Template(
            Severity.ALARM,
            "The disk is almost full",
            ("Nothing new is paid until space is freed on the host. Stopping works.",),
        ),
        "KEYSTORE_CORRUPTED": Template(
            Severity.ALARM,
            "The keystore was damaged or changed",
            (
                "It does not open, so nothing is signed.",
                "Check who can write the data directory, and put back what was changed from a backup.",
                "What was found: {reason}",
            ),
        ),
        "KEYSTORE_PASSWORD_CHANGED": Template(
            Severity.ALARM,
            "The master password was changed",
            (
                "Old backups keep their old password.",
                "If this was not you: stop everything and move the funds.",
            ),
        ),
        "WALLET_EXPORTED": Template(
            Severity.ALARM,
            "A private key was exported",
            (
                "Whoever has the file and its password can spend without this wallet's rules.",
                "If this was not you: move the funds now.",
                "Wallet: {name}.",
                "Address: {address}",
            ),
        ),
        "WALLET_IMPORTED": Template(
            Severity.NEWS,
            "A wallet was imported",
            (
                "Whoever else has its key can spend from it without this wallet's rules.",
                "Name: {name}.",
                "Network: {network}.",
                "Address: {address}",
            ),
        ),
        "SESSION_CREATED": Template(
            Severity.NEWS,
            "New session",
            (
                "An agent can ask for payments once it used its claim code.",
                "Wallet: {wallet}.",
                "Name: {name}",
            ),
        ),
        "CLAIM_CODES": Template(
            Severity.NEWS,
            "New claim codes",
            (
                "Give each code to its agent. It works once, until {untilAt}.",
                "Later, or for more, on the host: waiaas session create",
            ),
        ),
        "SESSION_REVOKED": Template(
            Severity.NEWS,
            "Session ended",
            ("Its waiting payments were cancelled.", "Session id: {sessionId}.", "Name: {name}"),
        ),
        **POLICY_TEMPLATES,
        "PAIRED": Template(
            Severity.NEWS,
            "This chat now belongs to the owner",
            ("Cards will appear here. Send /help to see what you can do.",),
        ),
        "OWNER_REPLACED": Template(
            Severity.ALARM,
            "This chat no longer belongs to the owner",
            (
                "Another account was paired on the host; cards appear there now.",
                "If this was not you, run on the host: waiaas kill",
            ),
        ),
        "WALLET_CREATED": Template(
            Severity.NEWS,
            "New wallet",
            ("Name: {name}.", "Network: {network}.", "Address: {address}"),
        ),
    }
)
_UNKNOWN = Template(Severity.NEWS, "Notice", ())


def say(kind: str, payload: Mapping[str, str]) -> Message:
    """The message of an alert; a kind unknown here still says its name and facts."""
    template = TEMPLATES.get(kind)
    if template is None:
        sentences = [f"{kind}.", *(f"{name}: {value}" for name, value in payload.items())]
        return Message(_UNKNOWN.severity, _UNKNOWN.headline, sentences)
    known = {name for name, value in payload.items() if value}
    sentences = [
        sentence.format_map(payload)
        for sentence in template.sentences
        if _fields(sentence) <= known
    ]
    return Message(template.severity, template.headline, sentences)


def severity_of(kind: str) -> Severity:
    return TEMPLATES.get(kind, _UNKNOWN).severity


def _fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}
