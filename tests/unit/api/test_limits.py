"""The token bucket, with a clock that is moved by hand."""

import pytest

from tests.support.doors import TickingClock
from wallet.api.limits import KEYS_KEPT, Rate
from wallet.errors import LimitedError


def taken(rate: Rate, key: str, times: int) -> int:
    count = 0
    for _ in range(times):
        try:
            rate.take(key)
        except LimitedError:
            break
        count += 1
    return count


def test_a_minute_holds_exactly_its_number() -> None:
    rate = Rate(60, TickingClock())

    assert taken(rate, "a", 100) == 60


def test_room_comes_back_evenly_and_never_beyond_a_minutes_worth() -> None:
    clock = TickingClock()
    rate = Rate(60, clock)
    taken(rate, "a", 60)

    clock.seconds += 5
    after_five = taken(rate, "a", 100)
    clock.seconds += 3600
    after_an_hour = taken(rate, "a", 100)

    assert (after_five, after_an_hour) == (5, 60)


def test_waiting_as_long_as_told_is_enough() -> None:
    clock = TickingClock()
    rate = Rate(7, clock)
    taken(rate, "a", 7)
    with pytest.raises(LimitedError) as refused:
        rate.take("a")

    clock.seconds += refused.value.details["retryAfter"]

    rate.take("a")


def test_keys_do_not_share_their_room() -> None:
    rate = Rate(1, TickingClock())
    rate.take("a")

    rate.take("b")

    with pytest.raises(LimitedError):
        rate.take("a")


def test_a_flood_of_keys_forgets_the_idlest_only() -> None:
    rate = Rate(1, TickingClock())
    for number in range(KEYS_KEPT + 1):
        rate.take(str(number))

    with pytest.raises(LimitedError):
        rate.take(str(KEYS_KEPT))
    rate.take("0")
