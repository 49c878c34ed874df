"""The life of a transaction and of a stop, walked whole."""

import itertools
from collections.abc import Iterator, Mapping, Sequence

import pytest

from tests.architecture.bent_payments import faults
from tests.architecture.bent_tables import stop_faults
from wallet.domain.safety import STOP_TRANSITIONS, StopEvent, StopState, next_stop_state
from wallet.domain.transactions import (
    OPEN,
    TERMINAL,
    TRANSITIONS,
    Event,
    Move,
    Settlement,
    Status,
    advance,
)
from wallet.errors import Code, ConflictError

PAIRS = list(itertools.product(Status, Event))
STARTS = (Status.PENDING, Status.QUEUED)

Table = Mapping[tuple[Status, Event], Move]


def walks(longest: int) -> Iterator[Sequence[tuple[Event, Move]]]:
    """Every sequence of events that the table takes from a start, up to a length."""
    front: list[tuple[Status, tuple[tuple[Event, Move], ...]]] = [(s, ()) for s in STARTS]
    for _ in range(longest):
        following = []
        for status, path in front:
            for event in Event:
                move = TRANSITIONS.get((status, event))
                if move is not None:
                    following.append((move.to, (*path, (event, move))))
                    yield following[-1][1]
        front = following


@pytest.mark.parametrize(("status", "event"), PAIRS)
def test_every_pair_makes_its_listed_move_or_is_refused(status: Status, event: Event) -> None:
    if (status, event) in TRANSITIONS:
        assert advance(status, event) is TRANSITIONS[status, event]
        return
    with pytest.raises(ConflictError) as caught:
        advance(status, event)
    assert caught.value.code is Code.INVALID_STATE_TRANSITION


def test_the_table_has_no_fault() -> None:
    assert faults(TRANSITIONS) == []


def test_open_and_terminal_are_everything() -> None:
    assert TERMINAL | OPEN == set(Status)
    assert not TERMINAL & OPEN


def test_no_terminal_status_ever_changes() -> None:
    assert not [pair for pair in TRANSITIONS if pair[0].is_terminal]


def test_no_life_signs_twice() -> None:
    for path in walks(6):
        assert [event for event, _ in path].count(Event.SIGN) <= 1


def test_nothing_is_confirmed_reverted_or_superseded_that_was_not_signed() -> None:
    chain_words = {Event.CONFIRM, Event.REVERT, Event.LAPSE, Event.SUPERSEDE}
    for path in walks(6):
        events = [event for event, _ in path]
        if chain_words & set(events):
            assert Event.SIGN in events[: min(events.index(e) for e in chain_words & set(events))]


def test_what_was_held_is_signed_only_once_an_executor_started_it() -> None:
    for path in walks(6):
        events = [event for event, _ in path]
        if Event.SIGN in events:
            assert Event.START in events[: events.index(Event.SIGN)]


@pytest.mark.parametrize("status", [Status.PENDING, Status.QUEUED, Status.EXECUTING])
def test_the_owner_can_stop_what_is_not_yet_signed(status: Status) -> None:
    move = advance(status, Event.CANCEL)
    assert (move.to, move.settlement) == (Status.CANCELLED, Settlement.RELEASE)


def test_nobody_can_cancel_or_expire_what_is_signed() -> None:
    for event in (Event.CANCEL, Event.EXPIRE, Event.FAIL, Event.START, Event.SIGN):
        assert (Status.SUBMITTED, event) not in TRANSITIONS


def test_money_set_aside_is_settled_exactly_once_on_every_path_that_ends() -> None:
    for path in walks(6):
        settled = [move for _, move in path if move.settlement is not Settlement.KEEP]
        ended = path[-1][1].to.is_terminal
        assert len(settled) == (1 if ended else 0)


def test_money_is_freed_unspent_only_where_nothing_can_land_any_more() -> None:
    for (status, event), move in TRANSITIONS.items():
        if move.settlement is Settlement.RELEASE:
            assert status is not Status.SUBMITTED or event is Event.LAPSE


def test_every_open_status_can_end() -> None:
    for status in OPEN:
        reachable, front = {status}, {status}
        while front:
            front = {m.to for (s, _), m in TRANSITIONS.items() if s in front} - reachable
            reachable |= front
        assert reachable & TERMINAL


@pytest.mark.parametrize(("state", "event"), list(itertools.product(StopState, StopEvent)))
def test_every_stop_event_makes_its_listed_move_or_is_refused(
    state: StopState, event: StopEvent
) -> None:
    if (state, event) in STOP_TRANSITIONS:
        assert next_stop_state(state, event) is STOP_TRANSITIONS[state, event]
        return
    with pytest.raises(ConflictError):
        next_stop_state(state, event)


def test_the_stop_table_has_no_fault() -> None:
    assert stop_faults(STOP_TRANSITIONS) == []
