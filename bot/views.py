"""Values -> text and entities, exactly as Telegram will show and return them. Pure functions.

Agent and on-chain text stands last, quoted, on one line and escaped; addresses are shown whole.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from aiogram.utils.formatting import Bold, Code, Text, TextLink

from bot import texts
from wallet.domain.money import format_units
from wallet.domain.owner import Factor
from wallet.domain.safety import StopState
from wallet.domain.sessions import Session
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Status, Transaction
from wallet.domain.wallets import WalletStatus
from wallet.notifications.messages import say
from wallet.operations.queries import LimitLine, StatusView
from wallet.ports.owner_channel import CardView

QUOTE_CHARACTERS: Final = 100
FACT_CHARACTERS: Final = 200

LISTED: Final = 20


def card(view: CardView) -> Text:
    """The one message of a transaction, as the transaction is now."""
    row = view.transaction
    lines: list[Any] = [
        Bold(_head(view)),
        "",
        Bold(f"{format_units(row.amount, view.decimals)} {view.symbol}"),
        Text("from ", Bold(clean(view.wallet.name)), f" · {row.network}"),
        Text("to ", Code(row.to)),
        "",
        *_why(row),
        *_when(row),
        *_proof(view),
        *_chain(view),
        Text("Fingerprint ", Code(fingerprint(row.digest)), f" · audit {view.audit_head}"),
        Text("Id ", Code(row.id)),
        *_said(row),
    ]
    return joined(lines)


def _head(view: CardView) -> str:
    row = view.transaction
    if row.status is Status.QUEUED and row.tier is Tier.DELAY:
        return texts.HEAD_DELAY
    if row.status is Status.QUEUED and row.tier is Tier.APPROVAL and row.consent_at is None:
        return texts.HEAD_APPROVAL[view.stage] if view.buttons else texts.HEAD_LAPSED
    return texts.HEADS[row.status]


def _why(row: Transaction) -> list[Any]:
    rule = f" (rule {row.rule_id[:8]})" if row.rule_id else ""
    words = f"You approved it by {row.consent_factor.lower()}" if row.consent_factor else None
    return [f"{row.tier}: {words or texts.TIERS[row.tier]}{rule}"]


def _when(row: Transaction) -> list[Any]:
    lines = [f"Asked {moment(row.created_at)}"]
    match row.status:
        case Status.QUEUED if row.tier is Tier.DELAY and row.due_at is not None:
            wait = span(row.due_at - row.created_at)
            lines.append(f"Released {moment(row.due_at)} ({wait} after it was asked)")
        case Status.QUEUED if row.consent_at is None and row.expires_at is not None:
            lines.append(f"Answer by {moment(row.expires_at)}")
        case Status.QUEUED if row.consent_at is None and row.approval_seconds is not None:
            lines.append(f"Answer within {span(row.approval_seconds * 1000)}")
        case _ if row.executed_at is not None:
            lines.append(f"On chain {moment(row.executed_at)}")
        case _ if row.submitted_at is not None:
            lines.append(f"Sent {moment(row.submitted_at)}")
        case _:
            pass
    return lines


def _proof(view: CardView) -> list[Any]:
    """How this approval can be given, while it is asked for."""
    if not view.buttons or view.transaction.tier is not Tier.APPROVAL:
        return []
    if view.stage != "CARD":
        return ["", Bold(texts.STAGES[view.stage])]
    if view.factor is None:
        return []
    lines: list[Any] = ["", texts.FACTORS[view.factor]]
    if view.factor is Factor.HOST:
        lines.append(Code(f"waiaas approve {view.transaction.id}"))
    return lines


def _chain(view: CardView) -> list[Any]:
    row = view.transaction
    paid = row.fee is not None
    fee = format_units(row.fee if row.fee is not None else row.fee_ceiling, view.fee_decimals)
    lines: list[Any] = ["", f"{'Fee' if paid else 'Fee at most'} {fee} {view.fee_symbol}"]
    if row.hash:
        lines.append(Text("Hash ", Code(row.hash)))
    if view.explorer:
        lines.append(TextLink("View in explorer", url=view.explorer))
    return lines


def _said(row: Transaction) -> list[Any]:
    """What others wrote: last, so that nothing they write looks like ours."""
    lines: list[Any] = []
    if row.error_message:
        lines.append(Text("Reason: ", Code(quote(row.error_message))))
    if row.memo:
        lines.append(Text("Memo from the agent: ", Code(quote(row.memo))))
    return ["", *lines] if lines else []


def alert(kind: str, payload: Mapping[str, str]) -> Text:
    message = say(kind, {name: _fact(name, value) for name, value in payload.items()})
    head = Bold(f"{texts.SEVERITIES[message.severity]} {message.headline}")
    return joined([head, "", *message.sentences] if message.sentences else [head])


def _fact(name: str, value: str) -> str:
    if name.endswith("At") and value.isdecimal():
        return moment(int(value))
    return clean(value)[:FACT_CHARACTERS]


def status(view: StatusView, bot: Mapping[str, Any], coins: Mapping[str, tuple[str, int]]) -> Text:
    lines: list[Any] = [Bold(_state_line(view)), ""]
    for line in view.wallets:
        symbol, decimals = coins.get(line.wallet.network, ("", 0))
        amount = format_units(line.balance.amount, decimals) if line.balance else "balance unknown"
        suspended = " · suspended" if line.wallet.status is WalletStatus.SUSPENDED else ""
        shown = f"{amount} {symbol}" if line.balance else amount
        lines.append(Text(Bold(shown), f" · {clean(line.wallet.name)}{suspended}"))
        lines.append(Text(f"{line.wallet.network} ", Code(line.wallet.address)))
    errors = bot.get("consecutive_errors", 0)
    trouble = f" · {errors} failed polls in a row" if errors else ""
    frozen = " · approving here is frozen" if bot.get("frozen") else ""
    lines += [
        "",
        f"Waiting for you or the clock: {view.waiting}",
        f"On their way: {view.open}",
        f"Live sessions: {view.sessions}",
        f"Telegram: {str(bot.get('state', '')).lower()}{trouble}{frozen}",
        f"Audit {view.audit_head} · version {view.version}",
    ]
    return joined(lines)


def _state_line(view: StatusView) -> str:
    match view.state.state:
        case StopState.ACTIVATED:
            return "🛑 Stopped"
        case StopState.RECOVERING:
            until = view.state.recovery_at
            return f"🛑 Recovering until {moment(until)}" if until else "🛑 Recovering"
        case StopState.NORMAL:
            return "🔒 Locked: nothing can be signed" if view.locked else "🟢 Running"


def pending(rows: Sequence[Transaction], coins: Mapping[str, tuple[str, int]]) -> Text:
    if not rows:
        return Text(texts.PENDING_NONE)
    lines: list[Any] = [Bold(f"Waiting: {len(rows)}")]
    for row in rows[:LISTED]:
        symbol, decimals = coins.get(row.network, ("", 0))
        mark = "🟠" if row.tier is Tier.APPROVAL else "⏳"
        lines += [
            "",
            Text(
                f"{mark} ",
                Bold(f"{format_units(row.amount, decimals)} {symbol}"),
                f" · {row.tier}",
            ),
            Text("to ", Code(row.to)),
            *_when(row)[1:],
        ]
    if len(rows) > LISTED:
        lines += ["", f"and {len(rows) - LISTED} more"]
    return joined(lines)


def limits(lines: Sequence[LimitLine]) -> Text:
    if not lines:
        return Text(texts.LIMITS_NONE)
    shown: list[Any] = []
    for line in lines[:LISTED]:
        shown += ["", Bold(clean(f"{line.rule_type} · {line.wallet}"))]
        shown.append(clean(f"{line.asset} {line.text}".strip()))
        if line.used is not None and line.limit is not None:
            shown.append(f"Used {line.used} of {line.limit} {clean(line.asset)}")
    if len(lines) > LISTED:
        shown += ["", f"and {len(lines) - LISTED} more"]
    return joined(shown[1:])


def sessions(rows: Sequence[Session], now: int) -> Text:
    if not rows:
        return Text(texts.SESSIONS_NONE)
    lines: list[Any] = [Bold(f"Live sessions: {len(rows)}")]
    for row in rows[:LISTED]:
        lines += ["", *session_lines(row, now)]
    return joined(lines)


def session_lines(row: Session, now: int) -> list[Any]:
    claimed = "in use" if row.claimed_at else "not claimed yet"
    return [
        Text(Bold(clean(row.name)), f" · {claimed}"),
        f"{row.transactions} of {row.limits.max_transactions} payments",
        f"Ends {moment(row.expires_at)} (in {span(row.expires_at - now)})",
        Text("Id ", Code(row.id)),
    ]


def is_live(row: Session, now: int) -> bool:
    return row.revoked_at is None and now < row.expires_at


def help_text() -> Text:
    commands = [f"/{name} {what}" for name, what in texts.COMMANDS.items()]
    return joined([Bold(texts.HELP_HEAD), "", *commands, "", texts.HELP_TAIL])


# ---- words


def joined(lines: Sequence[Any]) -> Text:
    """Lines under each other; blank ones separate, never end."""
    parts: list[Any] = []
    for number, line in enumerate(lines):
        parts += ["\n", line] if number else [line]
    return Text(*parts)


def clean(text: str) -> str:
    """One line; control, format and bidirectional characters are spelled as their code point."""
    return "".join(_escaped(character) for character in text)


def quote(text: str) -> str:
    """Somebody else's words: quoted, one line, escaped, at most 100 characters of them."""
    cleaned = clean(text)
    cut = cleaned if len(cleaned) <= QUOTE_CHARACTERS else f"{cleaned[: QUOTE_CHARACTERS - 1]}…"
    return f"“{cut}”"


def _escaped(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    return (
        f"\\u{{{ord(character):x}}}"
        if category[0] == "C" or category in ("Zl", "Zp")
        else character
    )


def fingerprint(digest: str) -> str:
    """The first 8 hex digits in two groups."""
    return f"{digest[:4]} {digest[4:8]}"


def moment(at: int) -> str:
    """Epoch milliseconds as UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def span(milliseconds: int) -> str:
    """A duration in its two largest units: 1 d 2 h, 12 h, 5 min 30 s."""
    seconds = max(0, milliseconds // 1000)
    parts: list[str] = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
