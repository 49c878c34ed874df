"""The watch over the clock: what makes it doubt, what settles it, and its whole table."""

from itertools import product

import pytest

from tests.support.clock import SettableClock
from wallet.domain.clock import CLOCK_TRANSITIONS, ClockEvent, ClockTrust, next_trust
from wallet.errors import Code, UnavailableError
from wallet.safety.clock_guard import ClockGuard


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def guard(clock: SettableClock) -> ClockGuard:
    return ClockGuard(clock)


def test_the_table_walked_whole() -> None:
    moves = {
        (trust, event): next_trust(trust, event)
        for trust, event in product(ClockTrust, ClockEvent)
    }
    changes = {pair: after for pair, after in moves.items() if after is not pair[0]}
    assert changes == dict(CLOCK_TRANSITIONS)


@pytest.mark.parametrize("seconds", [61, 3600, 86_400, -61, -86_400])
def test_a_leap_either_way_is_doubted(
    clock: SettableClock, guard: ClockGuard, seconds: float
) -> None:
    clock.leap(seconds)
    with pytest.raises(UnavailableError) as refused:
        guard.require()
    assert refused.value.code is Code.CLOCK_UNTRUSTED
    assert refused.value.retryable
    assert ("forward" if seconds > 0 else "back") in refused.value.message
    clock.leap(-seconds)
    assert not guard.is_trusted  # coming back by itself proves nothing


@pytest.mark.parametrize("seconds", [60, -60, 1])
def test_a_small_step_is_not(clock: SettableClock, guard: ClockGuard, seconds: float) -> None:
    clock.leap(seconds)
    assert guard.is_trusted


def test_small_steps_add_up(clock: SettableClock, guard: ClockGuard) -> None:
    for _ in range(3):
        clock.leap(30)
    assert not guard.is_trusted


def test_time_that_passes_is_no_leap(clock: SettableClock, guard: ClockGuard) -> None:
    for _ in range(100):
        clock.advance(86_400)
        assert guard.is_trusted


def test_telegram_settles_it_and_begins_a_doubt(clock: SettableClock, guard: ClockGuard) -> None:
    clock.leap(86_400)
    seen = [guard.is_trusted]
    for said in (clock.now() - 86_400_000, clock.now() + 59_000):
        guard.hear(said, "Telegram")
        seen.append(guard.is_trusted)
    assert seen == [False, False, True]
    assert guard.reason == ""
    guard.hear(clock.now() - 61_000, "Telegram")
    assert "Telegram" in guard.reason


@pytest.mark.parametrize("public", [True, False])
def test_a_young_block_settles_it_and_an_old_one_says_nothing(
    clock: SettableClock, guard: ClockGuard, *, public: bool
) -> None:
    guard.hear_block(clock.now() - 10**9, "chain", is_public=public)
    seen = [guard.is_trusted]
    clock.leap(3600)
    for age in (3_600_000, 12_000):
        guard.hear_block(clock.now() - age, "chain", is_public=public)
        seen.append(guard.is_trusted)
    assert seen == [True, False, True]


def test_a_block_ahead_counts_on_a_public_chain_only(
    clock: SettableClock, guard: ClockGuard
) -> None:
    guard.hear_block(clock.now() + 3_600_000, "my-chain", is_public=False)
    assert guard.is_trusted
    guard.hear_block(clock.now() + 3_600_000, "ethereum-mainnet", is_public=True)
    assert "ahead" in guard.reason


def test_the_owner_settles_it(clock: SettableClock, guard: ClockGuard) -> None:
    clock.leap(3600)
    seen = [guard.is_trusted]
    guard.believe()
    assert [*seen, guard.is_trusted] == [False, True]
