"""Values -> text and entities, exactly as Telegram will show and return them. Pure functions.

Agent and on-chain text stands last, quoted, on one line and escaped; addresses are shown whole.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from aiogram.utils.formatting import BlockQuote, Bold, Code, Text

from bot import texts
from bot.wording import brief, clean, joined, moment, rounded, span
from wallet.domain.money import format_units
from wallet.domain.safety import StopState
from wallet.domain.sessions import Session
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Transaction
from wallet.domain.wallets import WalletStatus
from wallet.notifications.claim_codes import COMMAND
from wallet.notifications.messages import say
from wallet.operations.queries import HeldLine, StatusView, WalletLine
from wallet.operations.rule_words import LimitLine, WaitingRule

FACT_CHARACTERS: Final = 200
LINES: Final = "lines"  # a fact of several lines, said after the sentences

LISTED: Final = 20
ANSWER_DAY_MS: Final = 86_400_000  # an approval is never asked for longer than this
NO_COINS: Final[Mapping[str, tuple[str, int]]] = MappingProxyType({})


def alert(kind: str, payload: Mapping[str, str]) -> Text:
    facts = {name: value for name, value in payload.items() if name != LINES}
    message = say(kind, {name: _fact(name, value) for name, value in facts.items()})
    sign = texts.SIGNS.get(kind, texts.SEVERITIES[message.severity])
    head = Bold(f"{sign} {message.headline}")
    lines = [line for line in payload.get(LINES, "").split("\n") if line]
    said = [*message.sentences, *map(_line, lines)]
    return joined([head, "", *said] if said else [head])


def _line(line: str) -> Any:
    if line.startswith(COMMAND):
        return Code(clean(line.removeprefix(COMMAND)))
    return clean(line)[:FACT_CHARACTERS]


def _fact(name: str, value: str) -> str:
    if name.endswith("At") and value.isdecimal():
        return moment(int(value))
    return clean(value)[:FACT_CHARACTERS]


def status(view: StatusView, bot: Mapping[str, Any], coins: Mapping[str, tuple[str, int]]) -> Text:
    lines: list[Any] = [Bold(_state_line(view))]
    for line in view.wallets:
        lines += ["", *_wallet(line, coins)]
    lines += [_held(one) for one in view.held[:LISTED]]
    errors = bot.get("consecutiveErrors", 0)
    trouble = f", {errors} failed polls in a row" if errors else ""
    frozen = ", approving here is frozen" if view.frozen else ""
    lines += [
        "",
        f"Waiting for you or the clock: {view.waiting}",
        f"On their way to the chain: {view.open - view.waiting}",
        f"Live sessions: {view.sessions}",
        BlockQuote(
            f"Telegram {str(bot.get('state', '')).lower()}{trouble}{frozen}"
            f" · audit {view.audit_head} · version {view.version}"
        ),
    ]
    return joined(lines)


def _wallet(line: WalletLine, coins: Mapping[str, tuple[str, int]]) -> list[Any]:
    symbol, decimals = coins.get(line.wallet.network, ("", 0))
    amount = f"{rounded(line.balance.amount, decimals)} {symbol}" if line.balance else None
    suspended = " · suspended" if line.wallet.status is WalletStatus.SUSPENDED else ""
    return [
        Text(Bold(clean(line.wallet.name)), f" · {line.wallet.network}{suspended}"),
        Text(Bold(amount or texts.BALANCE_UNKNOWN)),
        Code(line.wallet.address),
    ]


def _held(line: HeldLine) -> Any:
    """A frozen session; a suspended wallet says so in its own lines, and by whom here."""
    what = "Frozen session" if line.kind == "session" else "Suspended wallet"
    return Text(
        "\n❄️ ", what, " ", Bold(clean(line.name)), f" · {texts.HELD_BY.get(line.by, line.by)}"
    )


def _state_line(view: StatusView) -> str:
    match view.state.state:
        case StopState.ACTIVATED:
            return "🛑 Stopped"
        case StopState.RECOVERING:
            until = view.state.recovery_at
            return f"🛑 Recovering until {moment(until)}" if until else "🛑 Recovering"
        case StopState.NORMAL if view.clock_doubt and not view.locked:
            return f"🕰 Waiting: {view.clock_doubt}"
        case StopState.NORMAL:
            return "🔒 Locked: nothing can be signed" if view.locked else "🟢 Running"


def pending(rows: Sequence[Transaction], coins: Mapping[str, tuple[str, int]]) -> Text:
    if not rows:
        return Text(texts.PENDING_NONE)
    lines: list[Any] = [Bold(f"Waiting: {len(rows)}")]
    for row in rows[:LISTED]:
        lines += ["", *_waiting(row, coins)]
    if len(rows) > LISTED:
        lines += ["", f"and {len(rows) - LISTED} more"]
    return joined(lines)


def _waiting(row: Transaction, coins: Mapping[str, tuple[str, int]]) -> list[Any]:
    symbol, decimals = coins.get(row.network, ("", 0))
    mark, what = texts.WAITING[row.tier]
    amount = f"{format_units(row.amount, decimals)} {symbol}"
    lines: list[Any] = [Text(f"{mark} ", Bold(amount), f" · {what}"), Text("to ", Code(row.to))]
    return lines if row.consent_at else [*lines, *deadline(row)]


def limits(lines: Sequence[LimitLine]) -> Text:
    """Each wallet's rules under its name."""
    if not lines:
        return Text(texts.LIMITS_NONE)
    shown: list[Any] = []
    wallet = None
    for line in lines[:LISTED]:
        if line.wallet != wallet:
            shown += ["", Bold(clean(line.wallet))]
        wallet = line.wallet
        shown += _rule(line)
    if len(lines) > LISTED:
        shown += ["", f"and {len(lines) - LISTED} more"]
    return joined(shown[1:])


def waiting_rule(line: WaitingRule) -> Text:
    """A change that waits, and when it counts."""
    name = texts.RULES.get(line.rule_type, line.rule_type)
    what = texts.WAITING_RULE_GONE if line.text is None else f"{texts.WAITING_RULE} {line.text}"
    return joined(
        [
            Bold(texts.WAITING_RULE_HEAD),
            "",
            clean(f"{name} of {line.wallet}"),
            clean(what),
            texts.WAITING_RULE_AT.format(at=moment(line.counts_at)),
        ]
    )


def _rule(line: LimitLine) -> list[Any]:
    name = texts.RULES.get(line.rule_type, line.rule_type)
    if line.used is None or line.limit is None:
        asset = f" in {line.asset}" if line.asset else ""
        return [clean(f"{name}{asset}: {line.text}")]
    return [clean(f"{name}: used {brief(line.used)} of {line.limit} {line.asset} {line.text}")]


def sessions(
    rows: Sequence[Session], now: int, coins: Mapping[str, tuple[str, int]] = NO_COINS
) -> Text:
    if not rows:
        return Text(texts.SESSIONS_NONE)
    lines: list[Any] = [Bold(f"Live sessions: {len(rows)}")]
    for row in rows[:LISTED]:
        lines += ["", *session_lines(row, now, coins)]
    if len(rows) > LISTED:
        lines += ["", f"and {len(rows) - LISTED} more"]
    return joined(lines)


def session_lines(
    row: Session, now: int, coins: Mapping[str, tuple[str, int]] = NO_COINS
) -> list[Any]:
    """The name, what was and may be spent, and until when."""
    since = f"in use since {moment(row.claimed_at)}" if row.claimed_at else "not claimed yet"
    frozen = [f"❄️ Frozen · {texts.HELD_BY.get(row.frozen_by or '', row.frozen_by)}"]
    return [
        Bold(clean(row.name)),
        *(frozen if row.frozen_at is not None else []),
        *(_spent(row, key, coins) for key in row.limits.amounts),
        f"{row.transactions} of {row.limits.max_transactions} payments asked for",
        since[0].upper() + since[1:],
        f"Ends {moment(row.expires_at)}, in {span(row.expires_at - now)}",
    ]


def _spent(row: Session, key: str, coins: Mapping[str, tuple[str, int]]) -> str:
    """One asset of a session's limit; an asset that is no network's own coin is named by its key."""
    network, _, asset = key.partition("/")
    symbol, decimals = coins.get(network, ("", 0)) if asset == "native" else ("", 0)
    spent, limit = dict(row.spent).get(key, 0), row.limits.amounts[key]
    return f"Spent {rounded(spent, decimals)} of {format_units(limit, decimals)} {symbol or key}"


def is_live(row: Session, now: int) -> bool:
    return row.revoked_at is None and now < row.expires_at


def help_text() -> Text:
    commands = [f"/{name} {what}" for name, what in texts.COMMANDS.items()]
    return joined([Bold(texts.HELP_HEAD), "", *commands, "", texts.HELP_TAIL])


# ---- words


def deadline(row: Transaction) -> list[str]:
    """Until when the owner can answer: the end of a delay, or of an approval's time."""
    if row.tier is Tier.DELAY and row.due_at is not None:
        wait = span(row.due_at - row.created_at)
        return [f"Leaves at {moment(row.due_at)}, {wait} after it was asked."]
    if row.approval_seconds is not None and not _is_running(row):
        return [f"Answer within {span(row.approval_seconds * 1000)}."]
    return [] if row.expires_at is None else [f"Answer by {moment(row.expires_at)}."]


def _is_running(row: Transaction) -> bool:
    """Whether the time to answer has begun: until the card is delivered the day of the request counts."""
    return row.expires_at is not None and row.expires_at - row.created_at < ANSWER_DAY_MS
