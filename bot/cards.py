"""A payment's card: what it says in each state, as text and entities. Pure functions."""

from typing import Any, Final

from aiogram.utils.formatting import BlockQuote, Bold, Code, Text, TextLink

from bot import texts
from bot.views import FACT_CHARACTERS, deadline
from bot.wording import clean, fingerprint, joined, moment, quote
from wallet.domain.money import format_units
from wallet.domain.owner import Factor
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Status, Transaction
from wallet.errors import Code as ErrorCode
from wallet.ports.owner_channel import CardView

# Endings that the wallet or the owner words. Others may repeat what a node or a contract wrote.
OUR_REASONS: Final = frozenset(
    code.value
    for code in (
        ErrorCode.OWNER_REJECTED, ErrorCode.KILL_SWITCH_ACTIVE, ErrorCode.SESSION_REVOKED,
        ErrorCode.TX_EXPIRED, ErrorCode.WALLET_SUSPENDED, ErrorCode.PAYLOAD_MISMATCH,
        ErrorCode.CHAIN_UNAVAILABLE,
    )
)  # fmt: skip


def card(view: CardView) -> Text:
    """The one message of a transaction, as the transaction is now."""
    row = view.transaction
    amount = f"{format_units(row.amount, view.decimals)} {view.symbol}"
    lines: list[Any] = [
        Bold(_head(view)),
        Text(Bold(amount), " from ", Bold(clean(view.wallet.name)), f" · {row.network}"),
        Text("to ", Code(row.to)),
        "",
        *_asked(view),
        BlockQuote(joined(_details(view))),
        *_said(row),
    ]
    return joined(lines)


def copy(view: CardView) -> Text:
    """What stands in another message of a payment, once its card is elsewhere: true whatever comes."""
    row = view.transaction
    amount = f"{format_units(row.amount, view.decimals)} {view.symbol}"
    lines: list[Any] = [
        Bold(texts.HEAD_COPY),
        Text(Bold(amount), " from ", Bold(clean(view.wallet.name)), f" · {row.network}"),
        Text("to ", Code(row.to)),
        "",
        texts.COPY,
        BlockQuote(Text("Id ", Code(row.id))),
    ]
    return joined(lines)


def _by_owner(row: Transaction) -> bool:
    return row.error == ErrorCode.OWNER_REJECTED.value


def _our_reason(row: Transaction) -> list[str]:
    if not row.error_message or row.error not in OUR_REASONS:
        return []
    return [f"Reason: {clean(row.error_message)[:FACT_CHARACTERS]}"]


def _head(view: CardView) -> str:
    row = view.transaction
    if row.status is Status.QUEUED and row.tier is Tier.DELAY:
        return texts.HEAD_DELAY
    if row.status is Status.QUEUED and row.tier is Tier.APPROVAL and row.consent_at is None:
        return texts.HEAD_APPROVAL[view.stage] if view.buttons else texts.HEAD_LAPSED
    if row.status is Status.CANCELLED and row.tier is Tier.APPROVAL and _by_owner(row):
        return texts.HEAD_REJECTED
    if row.status is Status.SUBMITTED:
        return _sent_head(view)
    return texts.HEADS[row.status]


def _sent_head(view: CardView) -> str:
    row = view.transaction
    if row.cancelling_at is not None:
        return texts.HEAD_CANCELLING
    if row.wanted is not None:
        return texts.HEAD_SPEEDING_UP
    if view.buttons:
        return texts.HEAD_REPLACING.get(view.stage, texts.HEAD_STUCK)
    return texts.HEADS[row.status]


def _on_its_way(view: CardView) -> list[Any]:
    """What can still be done about a payment that was sent, or what is being done."""
    row = view.transaction
    if row.cancelling_at is not None:
        return [texts.CANCELLING]
    if not view.buttons:
        return []
    if view.stage != "CARD":
        return [Bold(texts.STAGES[view.stage]), *_highest_fee(view)]
    how = [] if view.factor is None else [texts.STUCK_FACTORS[view.factor]]
    lines: list[Any] = [" ".join([texts.STUCK, *how]), *_highest_fee(view)]
    if view.factor is Factor.HOST:
        lines += [Code(f"waiaas {word} {row.id}") for word in ("speed-up", "cancel")]
    return lines


def _highest_fee(view: CardView) -> list[Any]:
    ceiling = view.transaction.offered_ceiling
    if ceiling is None:
        return []
    return [f"Fee then at most {format_units(ceiling, view.fee_decimals)} {view.fee_symbol}."]


def _asked(view: CardView) -> list[Any]:
    """Why the payment is where it is, and what the owner can do about it."""
    row = view.transaction
    if row.status is Status.SUBMITTED and (found := _on_its_way(view)):
        return found
    if row.cancelling_at is not None and row.status in (Status.CONFIRMED, Status.CANCELLED):
        paid = row.status is Status.CONFIRMED
        return [texts.LANDED_FIRST if paid else texts.CANCELLED_SENT]
    if row.status in (Status.FAILED, Status.CANCELLED, Status.EXPIRED):
        unpaid = [texts.NOT_PAID] if row.hash is None else []
        return [*unpaid, *_our_reason(row)]
    if row.consent_factor is not None:
        return [texts.CONSENTS.get(row.consent_factor, texts.CONSENT)]
    if row.status is not Status.QUEUED:
        return [texts.TIERS[row.tier]]
    if row.tier is Tier.DELAY:
        return [*deadline(row), texts.HELD]
    return _question(view)


def _question(view: CardView) -> list[Any]:
    """How this approval can be given, while it is asked for."""
    if not view.buttons:
        return [texts.LAPSED]
    if view.stage != "CARD":
        return [Bold(texts.STAGES[view.stage])]
    how = [] if view.factor is None else [texts.FACTORS[view.factor]]
    lines: list[Any] = [" ".join([*deadline(view.transaction), *how])]
    if view.factor is Factor.HOST:
        lines.append(Code(f"waiaas approve {view.transaction.id}"))
    return lines


def _details(view: CardView) -> list[Any]:
    """What a careful owner compares and keeps."""
    row = view.transaction
    paid = row.fee is not None
    fee = format_units(row.fee if row.fee is not None else row.fee_ceiling, view.fee_decimals)
    lines: list[Any] = [
        f"{'Fee' if paid else 'Fee at most'} {fee} {view.fee_symbol} · {_happened(row)}"
    ]
    if row.hash:
        lines.append(Text("Hash ", Code(row.hash)))
    if view.explorer:
        lines.append(TextLink("View in explorer", url=view.explorer))
    proof = f" · {row.tier} · audit {view.audit_head}"
    return [
        *lines,
        Text("Fingerprint ", Code(fingerprint(row.digest)), proof),
        Text("Id ", Code(row.id)),
    ]


def _happened(row: Transaction) -> str:
    """The last thing that happened, and when."""
    if row.executed_at is not None:
        return f"on chain {moment(row.executed_at)}"
    if row.submitted_at is not None:
        return f"sent {moment(row.submitted_at)}"
    return f"asked {moment(row.created_at)}"


def _said(row: Transaction) -> list[Any]:
    """What others wrote: last, so that nothing they write looks like ours."""
    lines: list[Any] = []
    if row.error_message and not _our_reason(row):
        lines.append(Text("Reason: ", Code(quote(row.error_message))))
    if row.memo:
        lines.append(Text("Memo from the agent: ", Code(quote(row.memo))))
    return lines
