"""Intents, contexts and rules of every type, for tests of the policy."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from wallet.domain.intents import Approve, ContractCall, Intent, TokenTransfer, Transfer
from wallet.domain.money import Asset
from wallet.domain.policy import AppliedRule, Policy
from wallet.domain.prices import PriceGap, Worth
from wallet.domain.rules import (
    AllowedNetworks,
    AllowedTokens,
    ApproveAmountLimit,
    ApprovedSpenders,
    BalanceShare,
    Context,
    ContractWhitelist,
    CumulativeLimit,
    DollarWindow,
    FeeBounds,
    FeeLimit,
    Holding,
    MethodWhitelist,
    RateLimit,
    Rule,
    SpendingLimit,
    TierBounds,
    TimeRestriction,
    Whitelist,
    WindowBounds,
)
from wallet.domain.spending import Bucket, Reservation, bucket_start

ETH = Asset("evm-local", "ETH", 18)
TOKEN = Asset("evm-local", "TKN", 6, "0xToken")
NOW = 1_800_000_000_000
FEE = 7
DOLLAR = 10**6
SELECTOR = "0xa9059cbb"
CALL_DATA = bytes.fromhex(SELECTOR[2:]) + bytes(64)


def policy(*rules: Rule) -> Policy:
    return Policy([AppliedRule(f"r{n}", None, n + 1, rule) for n, rule in enumerate(rules)])


def context(**changes: Any) -> Context:
    plain = Context(NOW, "w1", owner_paired=True, buckets=[], reservations=[])
    return replace(plain, **changes)


def transfer(amount: int = 100, to: str = "payee") -> Transfer:
    return Transfer("w1", ETH, to, amount)


def token(amount: int = 100, to: str = "payee") -> TokenTransfer:
    return TokenTransfer("w1", TOKEN, to, amount)


def call(amount: int = 0, to: str = "0xContract", data: bytes = CALL_DATA) -> ContractCall:
    return ContractCall("w1", ETH, to, amount, data)


def approve(amount: int = 100, to: str = "0xSpender") -> Approve:
    return Approve("w1", TOKEN, to, amount)


def bucket(amount: int = 0, ago: int = 0, **changes: Any) -> Bucket:
    plain = Bucket("w1", ETH.key, bucket_start(NOW - ago), amount, 0, 1)
    return replace(plain, **changes)


def reservation(amount: int = 0, **changes: Any) -> Reservation:
    plain = Reservation(
        "t1", "w1", "s1", ETH.key, amount, ETH.key, 0, owner_approved=False, created_at=NOW
    )
    return replace(plain, **changes)


def tiers(instant: int = 100, notify: int = 200, delay: int = 300, **more: Any) -> SpendingLimit:
    bounds = TierBounds(instant, notify, delay)
    return SpendingLimit({ETH.key: bounds, TOKEN.key: bounds}, 60, 900, **more)


# With these every intent of this module is allowed at once, unless another rule objects.
GRANTING: tuple[Rule, ...] = (
    tiers(2**256, 2**256, 2**256),
    AllowedTokens(frozenset({TOKEN.key})),
    ContractWhitelist(frozenset({"evm-local/0xContract", "evm-local/0xOther"}), False, 900),
    ApprovedSpenders(frozenset({"evm-local/0xSpender", "evm-local/0xOther"}), False, 900),
)


# ---- everything at random

_small = st.integers(0, 400)
_bps = st.integers(1, 10_000)
_ask = st.booleans()
_seconds = st.integers(1, 2000)
_intents: list[st.SearchStrategy[Any]] = [
    st.builds(transfer, st.integers(1, 400), st.sampled_from(["payee", "other"])),
    st.builds(token, st.integers(1, 400), st.sampled_from(["payee", "other"])),
    st.builds(
        call,
        _small,
        st.sampled_from(["0xContract", "0xOther"]),
        st.sampled_from([CALL_DATA, b"", b"\1\2\3\4"]),
    ),
    st.builds(
        approve,
        st.one_of(st.integers(1, 400), st.just(2**256 - 1)),
        st.sampled_from(["0xSpender", "0xOther"]),
    ),
]
intents: st.SearchStrategy[Intent] = st.one_of(_intents)


def _subsets(*values: str) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(values))


@st.composite
def _tier_bounds(draw: st.DrawFn) -> TierBounds:
    return TierBounds(*sorted(draw(st.tuples(_small, _small, _small))))


@st.composite
def _window_bounds(draw: st.DrawFn) -> WindowBounds:
    *steps, limit = sorted(draw(st.lists(st.integers(0, 900), min_size=1, max_size=4)))
    return WindowBounds(limit, *steps)


_assets = st.sampled_from([ETH.key, TOKEN.key])
RULES: dict[Any, st.SearchStrategy[Any]] = {
    SpendingLimit: st.builds(
        SpendingLimit,
        st.dictionaries(_assets, _tier_bounds()),
        _seconds,
        _seconds,
        st.none() | _tier_bounds(),
    ),
    CumulativeLimit: st.builds(
        CumulativeLimit,
        st.dictionaries(_assets, _window_bounds()),
        st.sampled_from([300, 3600]),
        _ask,
        _ask,
        _seconds,
        _seconds,
        st.none() | st.builds(DollarWindow, _window_bounds(), _ask),
    ),
    Whitelist: st.builds(Whitelist, _subsets("payee", "0xContract"), _ask, _seconds),
    TimeRestriction: st.builds(
        TimeRestriction,
        st.integers(0, 23),
        st.integers(1, 24),
        st.frozensets(st.integers(0, 6), min_size=1),
        st.just("UTC"),
    ),
    RateLimit: st.builds(RateLimit, st.integers(1, 4), st.integers(1, 4), _ask),
    AllowedNetworks: st.builds(AllowedNetworks, _subsets("evm-local", "elsewhere")),
    AllowedTokens: st.builds(AllowedTokens, _subsets(TOKEN.key, "evm-local/0xOther")),
    ContractWhitelist: st.builds(
        ContractWhitelist, _subsets("evm-local/0xContract", "evm-local/0xOther"), _ask, _seconds
    ),
    MethodWhitelist: st.builds(
        MethodWhitelist,
        st.dictionaries(
            st.sampled_from(["evm-local/0xContract", "evm-local/0xOther"]),
            _subsets(SELECTOR, "0x01020304"),
        ),
        _ask,
        _seconds,
    ),
    ApprovedSpenders: st.builds(
        ApprovedSpenders, _subsets("evm-local/0xSpender", "evm-local/0xOther"), _ask, _seconds
    ),
    ApproveAmountLimit: st.builds(
        ApproveAmountLimit, st.dictionaries(st.just(TOKEN.key), _small), _ask, _seconds
    ),
    FeeLimit: st.builds(
        FeeLimit,
        st.dictionaries(
            st.sampled_from([ETH.key, "elsewhere/native"]),
            st.builds(FeeBounds, st.integers(0, 20), st.none() | _bps),
        ),
        _seconds,
    ),
    BalanceShare: st.builds(
        BalanceShare, _bps, st.none() | _bps, st.sampled_from([300, 3600]), _ask, _seconds
    ),
}
rules: st.SearchStrategy[Rule] = st.one_of(list(RULES.values()))


@st.composite
def contexts(draw: st.DrawFn) -> Context:
    minutes = st.integers(0, 90)
    wallets = st.sampled_from(["w1", "w2"])
    buckets = [
        bucket(
            draw(_small),
            draw(minutes) * 60_000,
            wallet_id=draw(wallets),
            asset=draw(_assets),
            usd=draw(_small),
            unpriced=draw(st.sampled_from([0, 0, 0, 1])),
        )
        for _ in range(draw(st.integers(0, 3)))
    ]
    held = [
        reservation(
            draw(_small),
            wallet_id=draw(wallets),
            asset=draw(_assets),
            usd=draw(st.none() | _small),
            fee_usd=1,
            owner_approved=draw(_ask),
        )
        for _ in range(draw(st.integers(0, 2)))
    ]
    worth: Worth | PriceGap = draw(
        st.one_of(st.builds(Worth, _small, st.integers(0, 5)), st.sampled_from(list(PriceGap)))
    )
    ages = st.sampled_from([0, 60_000, 60_001])
    balances = {
        key: Holding(draw(st.integers(0, 2000)), NOW - draw(ages))
        for key in draw(st.frozensets(_assets))
    }
    return context(
        owner_paired=draw(_ask),
        buckets=buckets,
        reservations=held,
        worth=worth,
        balances=balances,
    )
