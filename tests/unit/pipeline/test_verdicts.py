"""What evidence allows: payments confirm at depth, money comes back only on final word."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.support.stores import an_attempt
from wallet.domain.transactions import Event, Purpose
from wallet.pipeline.recheck import outstanding
from wallet.pipeline.verdicts import is_nonce_taken, verdict
from wallet.ports.chain import Evidence, Sighting

PAY, FILL = an_attempt("0x1"), an_attempt("0x2", number=2, purpose=Purpose.FILL)


def seen(
    sighting: Sighting, *, deep: bool = False, final: bool = False, of: str = "0x1"
) -> Evidence:
    return Evidence(of, sighting, deep_enough=deep, final=final, fee=3)


def event(*evidence: Evidence) -> Event | None:
    found = verdict([PAY, FILL][: len(evidence)], evidence)
    return None if found is None else found.event


def test_a_payment_confirms_when_deep_enough_and_not_before() -> None:
    assert event(seen(Sighting.SUCCEEDED)) is None
    assert event(seen(Sighting.SUCCEEDED, deep=True)) is Event.CONFIRM
    assert event(seen(Sighting.SUCCEEDED, final=True)) is Event.CONFIRM


@pytest.mark.parametrize("sighting", [Sighting.FAILED, Sighting.DEAD])
def test_money_comes_back_only_on_final_evidence(sighting: Sighting) -> None:
    assert event(seen(sighting, deep=True)) is None
    expected = Event.REVERT if sighting is Sighting.FAILED else Event.LAPSE
    assert event(seen(sighting, deep=True, final=True)) is expected


def test_a_fill_that_landed_finally_ends_the_payment() -> None:
    gone = seen(Sighting.NONCE_TAKEN, final=True)
    for sighting in (Sighting.SUCCEEDED, Sighting.FAILED):
        assert event(gone, seen(sighting, deep=True, of="0x2")) is None
        assert event(gone, seen(sighting, final=True, of="0x2")) is Event.REVERT


@pytest.mark.parametrize("sighting", [Sighting.SUCCEEDED, Sighting.FAILED])
def test_a_cancellation_ends_the_payment_only_once_it_is_final(sighting: Sighting) -> None:
    cancel = an_attempt("0x2", number=2, purpose=Purpose.CANCEL)
    for final, expected in ((False, None), (True, Event.SUPERSEDE)):
        evidence = [seen(Sighting.UNSEEN), seen(sighting, deep=True, final=final, of="0x2")]
        found = verdict([PAY, cancel], evidence)
        assert (None if found is None else found.event) is expected


def test_a_payment_that_was_sped_up_settles_as_itself() -> None:
    faster = an_attempt("0x2", number=2, purpose=Purpose.SPEED_UP)
    lost = seen(Sighting.NONCE_TAKEN, final=True)
    paid = verdict([PAY, faster], [lost, seen(Sighting.SUCCEEDED, deep=True, of="0x2")])
    failed = verdict([PAY, faster], [lost, seen(Sighting.FAILED, final=True, of="0x2")])
    assert paid is not None
    assert failed is not None
    assert (paid.event, failed.event) == (Event.CONFIRM, Event.REVERT)


def test_what_filled_a_gap_costs_its_fee_and_is_waited_for() -> None:
    above = replace(PAY, nonce=1)
    fill = replace(FILL, nonce=0)
    paid = seen(Sighting.SUCCEEDED, final=True)
    found = verdict([above, fill], [paid, seen(Sighting.SUCCEEDED, of="0x2")])
    assert found is not None
    assert (found.event, found.fee) == (Event.CONFIRM, 6)
    assert verdict([above, fill], [paid, seen(Sighting.UNSEEN, of="0x2")]) is None
    overtaken = replace(seen(Sighting.NONCE_TAKEN, final=True, of="0x2"), fee=None)
    alone = verdict([above, fill], [paid, overtaken])
    assert alone is not None
    assert alone.fee == 3


def test_the_attempt_that_landed_decides_whatever_its_siblings_say() -> None:
    paid = seen(Sighting.SUCCEEDED, final=True)
    for other in Sighting:
        if other is not Sighting.SUCCEEDED:
            assert event(paid, seen(other, of="0x2")) is Event.CONFIRM


def test_a_payment_lapses_only_when_every_attempt_is_dead() -> None:
    dead = seen(Sighting.DEAD, final=True)
    assert event(dead, seen(Sighting.UNSEEN, of="0x2")) is None
    assert event(dead, seen(Sighting.DEAD, final=True, of="0x2")) is Event.LAPSE


def test_nothing_known_decides_nothing() -> None:
    assert verdict([], []) is None
    assert event(seen(Sighting.UNSEEN)) is None
    assert event(seen(Sighting.NONCE_TAKEN, final=True)) is None


def test_no_evidence_short_of_final_ever_frees_money() -> None:
    for sightings in itertools.product(Sighting, repeat=2):
        for deep in (False, True):
            evidence: Sequence[Evidence] = [
                seen(s, deep=deep, of=a.hash) for s, a in zip(sightings, (PAY, FILL), strict=True)
            ]
            assert event(*evidence) in (None, Event.CONFIRM)


def test_a_strange_nonce_is_one_that_none_of_ours_holds_finally() -> None:
    taken = seen(Sighting.NONCE_TAKEN, final=True)
    assert is_nonce_taken([taken, taken])
    assert not is_nonce_taken([taken, seen(Sighting.UNSEEN)])
    assert not is_nonce_taken([seen(Sighting.NONCE_TAKEN)])
    assert not is_nonce_taken([])


def test_siblings_at_one_nonce_can_take_only_the_dearest() -> None:
    attempts = [
        an_attempt("a", max_cost=5),
        an_attempt("b", max_cost=9),
        an_attempt("c", nonce=1, max_cost=2),
    ]
    assert outstanding(attempts) == 11
    solana = [an_attempt(h, nonce=None, max_cost=5) for h in "ab"]
    assert outstanding(solana) == 10
    assert outstanding([]) == 0
