"""Rules in words, for a person: one line each, with what a window holds where the rule has one."""

from collections.abc import Sequence
from dataclasses import dataclass

from wallet.domain.chains import Network
from wallet.domain.money import format_units
from wallet.domain.prices import BPS, USD, USD_DECIMALS
from wallet.domain.rules import (
    AllowedNetworks,
    AllowedTokens,
    ApproveAmountLimit,
    ApprovedSpenders,
    BalanceShare,
    Context,
    ContractWhitelist,
    CumulativeLimit,
    FeeLimit,
    MethodWhitelist,
    RateLimit,
    Rule,
    SpendingLimit,
    TierBounds,
    TimeRestriction,
    Whitelist,
)

LONGEST = 400  # characters of a rule in one line


@dataclass(frozen=True, slots=True)
class LimitLine:
    """One rule in words, with what its window holds where it has one."""

    wallet: str  # the wallet's name, or "every wallet"
    rule_type: str
    asset: str
    text: str
    used: str | None = None
    limit: str | None = None


@dataclass(frozen=True, slots=True)
class WaitingRule:
    """A change that waits, in words. ``text`` None: the rule is taken away. ``counts_at`` in epoch ms."""

    id: str
    wallet: str
    rule_type: str
    text: str | None
    counts_at: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule counts, and the networks whose coins it may name."""

    wallet: str
    networks: Sequence[Network]

    def symbol(self, key: str) -> str:
        return next((n.symbol for n in self.networks if n.native.key == key), key)

    def coins(self, units: int, key: str) -> str:
        decimals = next((n.decimals for n in self.networks if n.native.key == key), 0)
        return format_units(units, decimals)


def lines_of(rule: Rule, place: Place, context: Context) -> list[LimitLine]:
    """A rule's lines: one per asset where it names several."""
    match rule:
        case SpendingLimit():
            return _spending(rule, place)
        case CumulativeLimit():
            return _windows(rule, place, context)
        case FeeLimit(assets=fees):
            return [
                LimitLine(
                    place.wallet,
                    rule.type.value,
                    place.symbol(key),
                    f"at most {place.coins(bounds.max_fee, key)} a payment{_share(bounds.max_share_bps)}",
                )
                for key, bounds in fees.items()
            ]
        case _:
            return [LimitLine(place.wallet, rule.type.value, "", text) for text in _texts(rule)]


def in_words(rule: Rule, wallet: str, networks: Sequence[Network]) -> str:
    """The whole rule in one line, without what its windows hold."""
    nothing = Context(0, "", owner_paired=True, buckets=(), reservations=())
    parts = []
    for line in lines_of(rule, Place(wallet, networks), nothing):
        limit = "" if line.limit is None else f"at most {line.limit} "
        parts.append(" ".join(word for word in (line.asset, limit + line.text) if word))
    text = "; ".join(parts)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _texts(rule: Rule) -> list[str]:
    match rule:
        case TimeRestriction(start_hour=start, end_hour=end, timezone=zone):
            return [f"{start}:00 to {end}:00 {zone}"]
        case RateLimit(max_per_hour=hour, max_per_day=day):
            return [f"{hour} an hour, {day} a day"]
        case BalanceShare(max_payment_bps=bps, otherwise_ask=ask):
            return [f"{_percent(bps)} a payment{_in_window(rule)}; beyond: {_beyond(ask=ask)}"]
        case _:
            return _list_texts(rule)


def _list_texts(rule: Rule) -> list[str]:
    match rule:
        case Whitelist(addresses=listed, otherwise_ask=ask):
            return [f"{len(listed)} recipients; others {_beyond(ask=ask)}"]
        case AllowedNetworks(networks=listed):
            return [", ".join(sorted(listed)) or "none"]
        case AllowedTokens(tokens=listed):
            return [f"{len(listed)} tokens; others denied"]
        case ContractWhitelist(contracts=listed, otherwise_ask=ask):
            return [f"{len(listed)} contracts; others {_beyond(ask=ask)}"]
        case MethodWhitelist(methods=methods, otherwise_ask=ask):
            count = sum(len(listed) for listed in methods.values())
            return [f"{count} of {len(methods)} contracts; others {_beyond(ask=ask)}"]
        case ApprovedSpenders(spenders=listed, otherwise_ask=ask):
            return [f"{len(listed)} spenders; others {_beyond(ask=ask)}"]
        case ApproveAmountLimit(assets=limits, otherwise_ask=ask):
            return [f"{len(limits)} tokens with a limit; beyond: {_beyond(ask=ask)}"]
        case _:
            return []


def _spending(rule: SpendingLimit, place: Place) -> list[LimitLine]:
    name, seconds = rule.type.value, rule.delay_seconds
    lines = []
    for key, bounds in rule.assets.items():
        tiers = [place.coins(units, key) for units in _three(bounds)]
        lines.append(LimitLine(place.wallet, name, place.symbol(key), _tiers(tiers, seconds)))
    if rule.usd is not None:
        tiers = [format_units(units, USD_DECIMALS) for units in _three(rule.usd)]
        lines.append(LimitLine(place.wallet, name, USD, _tiers(tiers, seconds)))
    return lines


def _windows(rule: CumulativeLimit, place: Place, context: Context) -> list[LimitLine]:
    name = rule.type.value
    text = f"in {rule.window_seconds // 3600} h; beyond: {_beyond(ask=rule.otherwise_ask)}"
    lines = []
    for key, bounds in rule.assets.items():
        everywhere = rule.all_wallets or not context.wallet_id
        window = context.used(key, window_ms=rule.window_ms, all_wallets=everywhere)
        used, limit = place.coins(window.amount, key), place.coins(bounds.limit, key)
        lines.append(LimitLine(place.wallet, name, place.symbol(key), text, used, limit))
    if rule.usd is not None:
        everywhere = rule.usd.all_wallets or not context.wallet_id
        dollars = context.dollars(window_ms=rule.window_ms, all_wallets=everywhere)
        used = format_units(dollars.amount, USD_DECIMALS)
        limit = format_units(rule.usd.bounds.limit, USD_DECIMALS)
        more = f" and {dollars.unpriced} of unknown value" if dollars.unpriced else ""
        lines.append(LimitLine(place.wallet, name, USD, f"{text}{more}", used, limit))
    return lines


def _three(bounds: TierBounds) -> tuple[int, int, int]:
    return bounds.instant_max, bounds.notify_max, bounds.delay_max


def _tiers(tiers: Sequence[str], delay_seconds: int) -> str:
    instant, notify, delay = tiers
    return (
        f"instant to {instant}, notify to {notify}, {delay_seconds} s delay to {delay}, then ask"
    )


def _beyond(*, ask: bool) -> str:
    return "ask" if ask else "denied"


def _percent(bps: int) -> str:
    return f"{format_units(bps * 100, len(str(BPS)) - 1)} %"


def _share(bps: int | None) -> str:
    return "" if bps is None else f" and {_percent(bps)} of it"


def _in_window(rule: BalanceShare) -> str:
    if rule.max_window_bps is None:
        return ""
    return f", {_percent(rule.max_window_bps)} in {rule.window_seconds // 3600} h"
