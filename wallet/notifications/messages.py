"""What each alert says: severity, a headline and sentences, without channel words.

A sentence is left out when the alert's payload lacks one of its fields, or has nothing in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from string import Formatter
from types import MappingProxyType


class Severity(IntEnum):
    """Delivered in this order."""

    STOP = 0
    ALARM = 1
    NEWS = 2


@dataclass(frozen=True, slots=True)
class Template:
    severity: Severity
    headline: str
    sentences: tuple[str, ...]


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
                "Agents need new sessions: waiaas session create",
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
        "TX_UNPAID": Template(
            Severity.ALARM,
            "A payment that was told as paid did not happen",
            (
                "The chain took it back, and what is final now is something else.",
                "It still counts as spent. Compare the wallet with an explorer.",
                "Payment: {transactionId}",
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
        "CLAIM_REUSED": Template(
            Severity.ALARM,
            "A claim code was used twice",
            (
                "The session was ended. Somebody may have seen the code.",
                "Session id: {sessionId}.",
                "Name: {name}",
            ),
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
        "SESSION_CREATED": Template(
            Severity.NEWS,
            "New session",
            (
                "An agent can ask for payments once it used its claim code.",
                "Wallet: {wallet}.",
                "Name: {name}",
            ),
        ),
        "SESSION_REVOKED": Template(
            Severity.NEWS,
            "Session ended",
            ("Its waiting payments were cancelled.", "Session id: {sessionId}.", "Name: {name}"),
        ),
        "POLICY_CHANGED": Template(
            Severity.NEWS,
            "A rule was changed",
            ("{type} of {wallet}.", "See what is in force: /limits"),
        ),
        "PAIRED": Template(
            Severity.NEWS,
            "This chat now belongs to the owner",
            ("Cards will appear here. Send /help to see what you can do.",),
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
