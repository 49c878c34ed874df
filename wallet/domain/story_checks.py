"""What must hold for one transaction by itself: its facts, its consent, its attempts, its fee."""

import json
from collections.abc import Iterator
from typing import Any

from wallet.domain.facts import Fact
from wallet.domain.intents import request_hash
from wallet.domain.stories import (
    ORDERS,
    Answer,
    RecordedFact,
    Story,
    Told,
    fee_in_the_end,
    most_in_fees,
    most_with_fills,
)
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Attempt, Purpose, Settlement, Transaction, gap_fills
from wallet.domain.violations import Invariant, Violation
from wallet.domain.wallets import Wallet

APPROVED = "APPROVED"


def check_story(
    story: Story, row: Transaction, tale: Told, wallet: Wallet | None
) -> Iterator[Violation]:
    """Every violation that this transaction alone shows."""
    for reason in story.unreadable:
        yield Violation(Invariant.UNREADABLE, story.id, reason)
    yield from _facts(row, tale)
    yield from _request(row, story.facts)
    yield from _consent(story, row)
    yield from _orders(story, row)
    yield from _attempts(story, row, tale, wallet)
    yield from _fee(row, tale, most_with_fills(row, story))


def _facts(row: Transaction, tale: Told) -> Iterator[Violation]:
    for problem in tale.problems:
        yield Violation(Invariant.FACTS_PATH, row.id, f"{problem[0].upper()}{problem[1:]}.")
    if tale.status is not row.status:
        yield Violation(
            Invariant.FACTS_END, row.id, f"It is {row.status}; its facts end in {tale.status}."
        )
    starts = tale.counted.get(Fact.TX_EXECUTING, 0)
    if starts != row.attempt:
        yield Violation(
            Invariant.FACTS_END,
            row.id,
            f"It was started {row.attempt} times; its facts say {starts}.",
        )
    if tale.has(Fact.TX_FINALIZED) is not (row.finalized_at is not None):
        yield Violation(
            Invariant.FACTS_END, row.id, "Row and facts differ on whether it is final."
        )


def _request(row: Transaction, facts: Any) -> Iterator[Violation]:
    """The columns, the stored request, its hash and the fact of the request tell one payment."""
    asked = next((fact for fact in facts if fact.fact == Fact.TX_REQUESTED), None)
    decided = (row.request, row.tier.value, row.digest)
    if asked is not None and decided != _decided(asked):
        yield Violation(
            Invariant.FACTS_ROW, row.id, "It is not what its first fact says was decided."
        )
    if request_hash(row.request) != row.request_hash:
        yield Violation(Invariant.FACTS_ROW, row.id, "The stored request does not fit its hash.")
    try:
        request = json.loads(row.request)
    except ValueError:
        request = {}
    columns = {
        "walletId": row.wallet_id,
        "network": row.network,
        "to": row.to,
        "amount": str(row.amount),
        "asset": row.asset,
        "memo": row.memo,
    }
    differing = [name for name, value in columns.items() if request.get(name) != value]
    if differing:
        named = ", ".join(differing)
        yield Violation(Invariant.FACTS_ROW, row.id, f"Row and stored request differ: {named}.")


def _decided(asked: RecordedFact) -> tuple[Any, ...]:
    return tuple(asked.details.get(name) for name in ("request", "tier", "digest"))


def _consent(story: Story, row: Transaction) -> Iterator[Violation]:
    ordered = _answers_to_orders(story, row)
    given = [one for one in story.answers if one.answer == APPROVED and one not in ordered]
    approved = [fact for fact in story.facts if fact.fact == Fact.TX_APPROVED]
    consented = row.consent_at is not None
    if not (consented == bool(approved) == bool(given)) or len(given) > 1:
        yield Violation(
            Invariant.CONSENT,
            row.id,
            f"Row, facts and answers hold {int(consented)}, {len(approved)} and {len(given)} times yes.",
        )
        return
    if consented and row.tier is not Tier.APPROVAL:
        yield Violation(Invariant.CONSENT, row.id, f"A {row.tier} payment needs no consent.")
    for answer, fact in zip(given, approved, strict=False):
        same = (row.consent_at, row.consent_factor, row.asset, row.amount)
        if same != (answer.at, answer.factor, answer.asset, answer.amount):
            yield Violation(Invariant.CONSENT, row.id, "The owner's answer is to another payment.")
        if (fact.at, fact.details.get("digest")) != (row.consent_at, row.digest):
            yield Violation(Invariant.CONSENT, row.id, "What was approved is not this payment.")


def _answers_to_orders(story: Story, row: Transaction) -> list[Answer]:
    """The owner's yes to a higher fee: not to the payment, but to what an order added."""
    orders = {(one.at, one.details.get("factor")) for one in story.facts if one.fact in ORDERS}
    consent = (row.consent_at, row.asset, row.amount)
    return [
        one
        for one in story.answers
        if one.answer == APPROVED
        and (one.at, one.factor) in orders
        and (one.at, one.asset, one.amount) != consent
    ]


def _orders(story: Story, row: Transaction) -> Iterator[Violation]:
    """Together the answers to orders released what the orders allow beyond what was decided."""
    released = sum(one.amount for one in _answers_to_orders(story, row))
    added = most_in_fees(row, story.facts) - row.fee_ceiling
    if released != added:
        yield Violation(
            Invariant.CONSENT,
            row.id,
            f"Its orders add {added} in fees; the owner's answers to them released {released}.",
        )


def _attempts(
    story: Story, row: Transaction, tale: Told, wallet: Wallet | None
) -> Iterator[Violation]:
    attempts = story.attempts
    signed = tale.has(Fact.TX_SUBMITTED)
    if signed and not attempts:
        yield Violation(
            Invariant.ATTEMPT_MISSING, row.id, "It was signed, and no attempt is stored."
        )
    if attempts and not signed:
        yield Violation(
            Invariant.ATTEMPT_UNDECIDED,
            row.id,
            f"{len(attempts)} attempts, and it was never signed.",
        )
    if [attempt.number for attempt in attempts] != list(range(1, len(attempts) + 1)):
        numbers = ", ".join(str(attempt.number) for attempt in attempts)
        yield Violation(Invariant.ATTEMPT_NUMBER, row.id, f"Its attempts are numbered {numbers}.")
    if not all(_may_fill(fill, attempts[0]) for fill in gap_fills(attempts)):
        nonces = ", ".join(str(attempt.nonce) for attempt in attempts)
        yield Violation(Invariant.ATTEMPT_NONCE, row.id, f"Its attempts hold the nonces {nonces}.")
    if (row.hash is not None or signed) and row.hash not in {a.hash for a in attempts}:
        yield Violation(Invariant.HASH, row.id, f"No attempt of it has the hash {row.hash}.")
    for attempt in attempts:
        is_own = attempt.nonce == attempts[0].nonce
        fee = most_in_fees(row, story.facts) if is_own else row.fee_ceiling
        yield from _attempt(attempt, row, wallet, fee)


def _may_fill(fill: Attempt, own: Attempt) -> bool:
    """Whether it is an empty payload below the row's own nonce."""
    below = fill.nonce is not None and own.nonce is not None and fill.nonce < own.nonce
    return below and fill.purpose is Purpose.FILL


def _attempt(
    attempt: Attempt, row: Transaction, wallet: Wallet | None, fee: int
) -> Iterator[Violation]:
    place = (attempt.network, attempt.address)
    if (
        wallet is None
        or place != (wallet.network, wallet.address)
        or row.network != wallet.network
    ):
        yield Violation(
            Invariant.ATTEMPT_PLACE,
            row.id,
            f"{attempt.hash} is of {attempt.address}, {attempt.network}.",
        )
    moves_coin = attempt.purpose.pays and row.asset == f"{row.network}/native"
    most = fee + (row.amount if moves_coin else 0)
    if attempt.max_cost > most:
        yield Violation(
            Invariant.ATTEMPT_COST,
            row.id,
            f"{attempt.hash} can take {attempt.max_cost}, at most {most}.",
        )


def _fee(row: Transaction, tale: Told, most: int) -> Iterator[Violation]:
    move, fact = tale.last_move, tale.last_fact
    if move is None or fact is None:
        return
    if move.settlement not in (Settlement.SPEND, Settlement.SPEND_FEE):
        return
    named = str(fact.details.get("fee", "0"))
    if named.isdecimal():
        named = str(fee_in_the_end(tale))
    if str(row.fee or 0) != named:
        yield Violation(Invariant.FEE, row.id, f"The row's fee is {row.fee}, its fact's {named}.")
    if (row.fee or 0) > most:
        yield Violation(Invariant.FEE, row.id, f"The fee {row.fee} is above {most}.")
