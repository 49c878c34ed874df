"""The Store port: cards, alerts, handles, challenges, stored updates."""

from dataclasses import replace
from functools import partial

import pytest

from tests.support.stores import a_transaction, put_transactions
from wallet.domain.console import Action, AlertState, Card, Challenge, Handle, StoredUpdate
from wallet.persistence.database import Database
from wallet.ports.store import Unit

HANDLE = Handle(
    "h1", Action.APPROVE, "t1", "d", 3, chat_id=-5, message_id=None, rendering=None, expires_at=9
)
CHALLENGE = Challenge("c1", "approve", "t1", "d", "CODE", tries_left=3, expires_at=100)


@pytest.fixture
async def console(store: Database) -> Database:
    await store.run(lambda u: put_transactions(u, a_transaction("t1"), a_transaction("t2")))
    return store


async def due_at(unit: Unit, now: int) -> list[Card]:
    return await unit.console.cards_due(now, 10)


async def card_of(store: Database, transaction_id: str = "t1") -> Card:
    found = await store.read(lambda u: u.console.card(transaction_id))
    assert found is not None
    return found


async def test_a_card_is_wanted_again_with_every_change(console: Database) -> None:
    await console.run(lambda u: u.console.want_card("t1", -5))
    assert await card_of(console) == Card("t1", -5, wanted=1, shown=0)
    await console.run(lambda u: u.console.save_card(Card("t1", -5, 1, 0, retry_at=50)))
    await console.run(lambda u: u.console.want_card("t1", -5))
    assert await card_of(console) == Card("t1", -5, wanted=2, shown=0, retry_at=0)


async def test_saving_a_card_never_loses_a_wish_made_meanwhile(console: Database) -> None:
    await console.run(lambda u: u.console.want_card("t1", -5))
    drawn = await card_of(console)
    await console.run(lambda u: u.console.want_card("t1", -5))
    shown = replace(
        drawn,
        shown=1,
        message_id=77,
        delivered_at=5,
        attempts=2,
        renderings=("a", "b", "c", "d"),
        stage="CONFIRM",
        stage_until=60,
    )
    await console.run(lambda u: u.console.save_card(shown))
    found = await card_of(console)
    assert found == replace(shown, wanted=2, renderings=("b", "c", "d"))
    assert await console.read(lambda u: u.console.card_by_message(-5, 77)) == found
    assert await console.read(lambda u: u.console.card_by_message(-5, 78)) is None


async def test_cards_are_due_until_shown_and_not_before_their_retry(console: Database) -> None:
    async def body(unit: Unit) -> None:
        await unit.console.want_card("t1", -5)
        await unit.console.want_card("t2", -5)
        await unit.console.save_card(Card("t1", -5, 1, 0, retry_at=50))

    await console.run(body)
    for now, due in ((49, ["t2"]), (50, ["t2", "t1"])):
        found = await console.read(partial(due_at, now=now))
        assert [card.transaction_id for card in found] == due
    assert len(await console.read(lambda u: u.console.cards_due(50, 1))) == 1
    await console.run(lambda u: u.console.save_card(Card("t2", -5, 1, shown=1)))
    assert await console.read(lambda u: u.console.next_retry()) == 50


async def test_an_alert_is_added_once_for_ever(console: Database) -> None:
    async def add(unit: Unit) -> bool:
        return await unit.console.alert("key", "KIND", {"a": "b"}, 7)

    assert await console.read(lambda u: u.console.next_retry()) is None
    assert await console.run(add)
    assert not await console.run(add)
    (alert,) = await console.read(lambda u: u.console.alerts_due(7, 10))
    assert (alert.kind, alert.payload, alert.created_at) == ("KIND", {"a": "b"}, 7)
    assert await console.read(lambda u: u.console.alerts_due(6, 10)) == []
    await console.run(lambda u: u.console.save_alert(replace(alert, attempts=1, retry_at=20)))
    assert await console.read(lambda u: u.console.next_retry()) == 20
    await console.run(lambda u: u.console.save_alert(replace(alert, state=AlertState.SENT)))
    assert await console.read(lambda u: u.console.alerts_due(99, 10)) == []
    assert await console.read(lambda u: u.console.next_retry()) is None
    assert not await console.run(add)


async def test_a_handle_is_bound_to_its_message_and_used_once(console: Database) -> None:
    async def body(unit: Unit) -> list[bool]:
        await unit.console.add_handle(HANDLE)
        await unit.console.add_handle(replace(HANDLE, handle="h2", action=Action.REJECT))
        await unit.console.bind_handles(["h1", "h2"], 77, "text")
        await unit.console.bind_handles([], 78, "other")
        return [
            await unit.console.use_handle("h1", 5),
            await unit.console.use_handle("h1", 6),
            await unit.console.use_handle("h9", 6),
        ]

    assert await console.run(body) == [True, False, False]
    bound = replace(HANDLE, message_id=77, rendering="text", used_at=5)
    assert await console.read(lambda u: u.console.handle("h1")) == bound
    assert await console.read(lambda u: u.console.handle("h9")) is None
    of_t1 = await console.read(lambda u: u.console.handles_of("t1"))
    assert [handle.handle for handle in of_t1] == ["h1", "h2"]


async def test_the_newest_open_challenge_is_the_one_that_waits(console: Database) -> None:
    async def body(unit: Unit) -> None:
        await unit.console.add_challenge(CHALLENGE)
        await unit.console.add_challenge(replace(CHALLENGE, id="c0"))

    await console.run(body)
    newest = await console.read(lambda u: u.console.open_challenge(99))
    assert newest == replace(CHALLENGE, id="c0")
    assert await console.read(lambda u: u.console.open_challenge(100)) is None
    used = replace(newest, consumed_at=50, tries_left=2)
    await console.run(lambda u: u.console.save_challenge(used))
    assert await console.read(lambda u: u.console.open_challenge(99)) == CHALLENGE
    await console.run(lambda u: u.console.end_challenges(60))
    assert await console.read(lambda u: u.console.open_challenge(61)) is None


async def test_an_update_is_stored_once_and_waits_until_handled(console: Database) -> None:
    async def body(unit: Unit) -> list[bool]:
        updates = [StoredUpdate(update_id, "{}", 1) for update_id in (8, 7, 8)]
        return [await unit.console.add_update(update) for update in updates]

    assert await console.read(lambda u: u.console.next_update_offset()) == 0
    assert await console.run(body) == [True, True, False]
    assert await console.read(lambda u: u.console.next_update_offset()) == 9
    waiting = await console.read(lambda u: u.console.waiting_updates())
    assert [update.update_id for update in waiting] == [7, 8]
    handled = replace(waiting[0], body="", attempts=1, handled_at=5)
    await console.run(lambda u: u.console.save_update(handled))
    assert await console.read(lambda u: u.console.waiting_updates()) == waiting[1:]
    await console.run(lambda u: u.console.set_update_offset(20))
    assert await console.read(lambda u: u.console.next_update_offset()) == 20
