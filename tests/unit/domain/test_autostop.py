"""The auto-stop rules: at their bound and beside it, what loosens, and the text they are stored as."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet.domain.autostop import (
    HOLDS,
    KINDS,
    AllowedHours,
    AnomalyPattern,
    AutoStop,
    ConsecutiveFailures,
    DailyLimit,
    HoldEvent,
    HourlyRate,
    Rule,
    StopAction,
    StopRule,
    decode,
    encode,
    kind_of,
    next_hold,
    tightens,
)
from wallet.errors import Code, ConflictError
from wallet.wire.autostop import parse_stop_rule

HOUR = 3_600_000
WARN, FREEZE, SUSPEND = StopAction
ACTIONS = st.sampled_from([WARN, FREEZE])
RULES: st.SearchStrategy[Rule] = st.one_of(
    st.builds(ConsecutiveFailures, st.booleans(), st.integers(1, 20), ACTIONS),
    st.builds(
        AllowedHours,
        st.booleans(),
        st.integers(0, 23),
        st.integers(1, 24),
        st.sampled_from(["UTC", "Asia/Kolkata"]),
        ACTIONS,
    ),
    st.builds(
        DailyLimit,
        st.booleans(),
        st.integers(1, 50),
        st.none() | st.integers(50, 100),
        st.dictionaries(st.sampled_from(["evm-local/native", "sol/native"]), st.integers(1, 9)),
    ),
    st.builds(HourlyRate, st.booleans(), st.integers(1, 99), ACTIONS),
    st.builds(AnomalyPattern, st.booleans(), st.integers(2, 10), st.none() | st.integers(10, 20)),
)


def act(trip: Any) -> StopAction | None:
    return None if trip is None else trip.action


def test_the_defaults_are_those_of_the_documents() -> None:
    assert {kind: rule.enabled for kind, rule in AutoStop().all.items()} == {
        StopRule.CONSECUTIVE_FAILURES: True,
        StopRule.TIME_RESTRICTION: False,
        StopRule.DAILY_LIMIT_THRESHOLD: True,
        StopRule.HOURLY_RATE: True,
        StopRule.ANOMALY_PATTERN: False,
    }


@pytest.mark.parametrize(("failures", "action"), [(0, None), (2, None), (3, FREEZE), (4, FREEZE)])
def test_failures_in_a_row(failures: int, action: StopAction | None) -> None:
    assert act(ConsecutiveFailures().trip(failures)) is action


@pytest.mark.parametrize(("count", "action"), [(50, None), (51, FREEZE)])
def test_the_hourly_rate(count: int, action: StopAction | None) -> None:
    assert act(HourlyRate().trip(count)) is action


@pytest.mark.parametrize(
    ("count", "action"), [(9, None), (10, WARN), (19, WARN), (20, FREEZE), (99, FREEZE)]
)
def test_one_address_again_and_again(count: int, action: StopAction | None) -> None:
    assert act(AnomalyPattern(enabled=True).trip(count)) is action


@pytest.mark.parametrize(
    ("used", "stop", "action"),
    [
        (799, 100, None),
        (800, 100, WARN),
        (999, 100, WARN),
        (1000, 100, SUSPEND),
        (9999, None, WARN),
    ],
)
def test_the_share_of_a_day(used: int, stop: int | None, action: StopAction | None) -> None:
    assert act(DailyLimit(stop_percent=stop).trip(used, 1000)) is action


@pytest.mark.parametrize(
    ("hour", "inside", "wrapped"), [(8, False, True), (9, True, False), (17, True, False),
                                   (18, False, True), (23, False, True), (0, False, True)],
)  # fmt: skip
def test_hours_also_over_midnight(hour: int, *, inside: bool, wrapped: bool) -> None:
    at = hour * HOUR
    assert (AllowedHours(enabled=True).trip(at) is None) is inside
    night = AllowedHours(enabled=True, start_hour=18, end_hour=9)
    assert (night.trip(at) is None) is wrapped


def test_hours_go_by_their_time_zone() -> None:
    kolkata = AllowedHours(enabled=True, timezone="Asia/Kolkata")
    assert kolkata.trip(4 * HOUR) is None  # 09:30 there
    assert kolkata.trip(13 * HOUR) is not None  # 18:30 there


@given(RULES)
def test_a_rule_that_sleeps_finds_nothing(rule: Rule) -> None:
    sleeping: Any = replace(rule, enabled=False)
    seen = (10**9, 1) if isinstance(rule, DailyLimit) else (10**9,)
    assert sleeping.trip(*seen) is None


@given(RULES)
def test_a_rule_survives_its_storage(rule: Rule) -> None:
    assert decode(kind_of(rule), encode(rule)) == rule
    assert AutoStop().but(rule).rule(kind_of(rule)) == rule


@given(RULES, RULES)
def test_what_tightens_both_ways_is_the_same_rule(one: Rule, other: Rule) -> None:
    assert tightens(one, one)
    if tightens(one, other) and tightens(other, one):
        assert one == other or (
            isinstance(one, AllowedHours)
            and isinstance(other, AllowedHours)
            and (one.hours, one.action) == (other.hours, other.action)
        )


@given(RULES, RULES, st.integers(0, 60), st.integers(1, 60))
def test_a_tighter_rule_stops_whatever_the_looser_one_stops(
    before: Rule, after: Rule, seen: int, most: int
) -> None:
    if not tightens(before, after):
        return
    about = (seen, most) if isinstance(before, DailyLimit) else (seen,)
    if isinstance(before, AllowedHours):
        about = (seen * HOUR,)
    old: Any = before
    new: Any = after
    order = [None, *StopAction]
    assert order.index(act(new.trip(*about))) >= order.index(act(old.trip(*about)))


@given(RULES)
def test_switching_off_loosens_and_switching_on_tightens(rule: Rule) -> None:
    on, off = replace(rule, enabled=True), replace(rule, enabled=False)
    assert not tightens(on, off)
    assert tightens(off, on)


def test_what_sleeps_is_not_bent_while_it_sleeps() -> None:
    assert not tightens(HourlyRate(enabled=False), HourlyRate(enabled=False, max_per_hour=100_000))


def test_holding_and_resuming_walk_the_whole_table() -> None:
    for held, event in product((False, True), HoldEvent):
        if (held, event) in HOLDS:
            assert next_hold(event, "session", held=held) is not held
            continue
        with pytest.raises(ConflictError) as refused:
            next_hold(event, "session", held=held)
        assert refused.value.code is Code.INVALID_STATE_TRANSITION
    assert len(HOLDS) == 2


@pytest.mark.parametrize("kind", StopRule)
def test_a_body_without_fields_is_the_default_switched_on(kind: StopRule) -> None:
    assert parse_stop_rule(kind, {}) == replace(KINDS[kind](), enabled=True)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("CONSECUTIVE_FAILURES", {"threshold": 0}),
        ("CONSECUTIVE_FAILURES", {"threshold": 21}),
        ("CONSECUTIVE_FAILURES", {"threshold": "3"}),
        ("CONSECUTIVE_FAILURES", {"treshold": 3}),
        ("CONSECUTIVE_FAILURES", {"action": "KILL_SWITCH"}),
        ("CONSECUTIVE_FAILURES", {"action": "SUSPEND_WALLET"}),
        ("HOURLY_RATE", {"max_per_hour": 0}),
        ("HOURLY_RATE", {"enabled": 1}),
        ("TIME_RESTRICTION", {"timezone": "Mars/Olympus"}),
        ("TIME_RESTRICTION", {"end_hour": 25}),
        ("DAILY_LIMIT_THRESHOLD", {"warn_percent": 90, "stop_percent": 80}),
        ("DAILY_LIMIT_THRESHOLD", {"daily_max": {"evm-local/native": "0"}}),
        ("DAILY_LIMIT_THRESHOLD", {"daily_max": {"evm-local/native": "1.5"}}),
        ("ANOMALY_PATTERN", {"same_address_warn": 30}),
    ],
)
def test_a_body_that_could_not_be_meant_is_refused(kind: str, body: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="not valid") as refused:
        parse_stop_rule(StopRule(kind), body)
    assert getattr(refused.value, "code", None) is Code.POLICY_INVALID
