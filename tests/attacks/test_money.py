"""The S list: one effect per decision, whatever repeats, dies, leaps or lies in between."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator

import pytest

from tests.attacks.catalogue import scenario
from tests.attacks.test_sessions import answered, claims_of
from tests.attacks.test_stop import recovered, stop
from tests.support.chain import ETHER
from tests.support.house import SEND, House, bearer, window
from wallet.domain.safety import StopState
from wallet.ports.chain import SendOutcome
from wallet.ports.world import CHECKPOINTS, EXECUTING, ORDERED, RELEASED, SENT, STORED, TAPPED

# What is reached by an act of the owner or the clock; every other step by any payment that is asked for.
LATER = {RELEASED, TAPPED, ORDERED}


class KilledError(BaseException):
    """The process is gone at this very instruction."""


def die() -> None:
    raise KilledError


@contextlib.contextmanager
def dies_at(home: House, point: str) -> Iterator[None]:
    """The daemon dies when it comes by that step, and it must come by."""
    home.world.checkpoints.at[point] = die
    with contextlib.suppress(KilledError, BaseExceptionGroup):
        yield
    assert point not in home.world.checkpoints.at, f"{point} was never reached"


async def survive(home: House) -> None:
    """What a restarted daemon does, until nothing moves any more."""
    home.world.crashes.clear()
    await home.world.restart()
    for _ in range(3):
        home.world.clock.advance(10)
        await home.world.tick()
        for chain in home.world.chains.values():
            chain.finalize()
        await home.world.poll()


@scenario("S-6", "R-13")
@pytest.mark.parametrize("point", [point for point in CHECKPOINTS if point not in LATER])
async def test_a_death_at_any_step_leaves_one_payment(home: House, point: str) -> None:
    token = await home.token()

    with dies_at(home, point):
        await home.sends(token, ETHER // 2, headers={"Idempotency-Key": "one"})
        await home.world.poll()
    await survive(home)

    repeated = await home.sends(token, ETHER // 2, headers={"Idempotency-Key": "one"})
    assert repeated.headers.get("idempotency-replayed") == "true"
    assert repeated.json()["status"] == "CONFIRMED"
    assert home.world.chain.received("payee") == ETHER // 2
    assert await home.world.reserved() == 0


@scenario("S-6", "S-14")
@pytest.mark.parametrize("point", [RELEASED, TAPPED])
async def test_a_death_while_releasing_or_approving_leaves_one_payment(
    home: House, point: str
) -> None:
    token = await home.token()
    row = await home.paid(token, 10 * ETHER if point == RELEASED else 25 * ETHER)

    with dies_at(home, point):
        if point == RELEASED:
            await home.world.passes(900)
        else:
            await home.host("POST", f"/v1/transactions/{row}/approve", {})
    await survive(home)

    assert (await home.sees(token, row))["status"] == "CONFIRMED"
    assert home.world.chain.received("payee") == (10 if point == RELEASED else 25) * ETHER


@scenario("S-6", "R-13")
@pytest.mark.parametrize("order", ["speed-up", "cancel-sent"])
async def test_a_death_at_an_order_about_a_sent_payment_leaves_one_payment(
    home: House, order: str
) -> None:
    """The order was stored and nothing was signed for it: it is carried out once, at the same nonce."""
    token = await home.token()
    home.world.chain.mines = False
    row = await home.paid(token, ETHER // 2)
    await home.world.poll()

    with dies_at(home, ORDERED):
        await home.host("POST", f"/v1/transactions/{row}/{order}")
    assert len(await home.world.attempts(row)) == 1
    await home.world.restart()
    await home.world.poll()
    await survive(home)

    first, second = await home.world.attempts(row)
    assert first.nonce == second.nonce
    cancels = order == "cancel-sent"
    assert (await home.sees(token, row))["status"] == ("CANCELLED" if cancels else "CONFIRMED")
    assert home.world.chain.received("payee") == (0 if cancels else ETHER // 2)
    assert await home.world.reserved() == 0


@scenario("S-7", "N-24")
async def test_a_payment_nobody_has_seen_yet_is_never_signed_twice(home: House) -> None:
    """Accepted and forgotten by the node: the same bytes go out again, and land once."""
    token = await home.token()
    home.world.chain.swallows = True
    row = await home.paid(token, ETHER // 2)
    for _ in range(5):
        home.world.clock.advance(30)
        await home.world.poll()
    assert (await home.sees(token, row))["status"] == "SUBMITTED"
    assert len(home.world.vault.signed) == 1

    home.world.chain.swallows = False
    home.world.clock.advance(30)
    await home.world.poll()
    assert (await home.world.settled(row)).status == "CONFIRMED"
    assert len(set(home.world.chain.sent)) == 1
    assert home.world.chain.received("payee") == ETHER // 2


@scenario("N-24")
async def test_a_payment_that_reverts_is_failed_and_gives_back_all_but_its_fee(
    home: House,
) -> None:
    token = await home.token(limits={"evm-local/native": str(ETHER)})
    home.world.chain.reverts = True
    row = await home.paid(token, ETHER // 2)

    settled = await home.world.settled(row)

    assert settled.status == "FAILED"
    assert await home.world.reserved() == 0
    home.world.chain.reverts = False
    assert (await home.sends(token, ETHER // 2)).status_code == 201


@scenario("S-8", "R-36")
async def test_one_key_is_one_payment_in_a_row_at_once_and_after_a_restart(home: House) -> None:
    token, headers = await home.token(), {"Idempotency-Key": "order-7"}
    first = await home.sends(token, ETHER // 2, headers=headers)
    body = {"to": "payee", "amount": str(ETHER // 2)}

    at_once = await asyncio.gather(
        *(home.agent.post(SEND, json=body, headers=bearer(token) | headers) for _ in range(5))
    )
    await survive(home)
    later = await home.sends(token, ETHER // 2, headers=headers)
    other_session = await home.sends(await home.token(), ETHER // 2, headers=headers)
    other_body = await home.sends(token, ETHER // 3, headers=headers)

    ids = {a.json()["id"] for a in (first, *at_once, later, other_session)}
    assert len(ids) == 1
    assert (other_body.status_code, other_body.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert home.world.chain.received("payee") == ETHER // 2


@scenario("S-8")
async def test_one_key_at_once_for_a_new_payment_is_one_payment(home: House) -> None:
    token = await home.token()
    headers = bearer(token) | {"Idempotency-Key": "fresh"}
    body = {"to": "payee", "amount": str(ETHER // 2)}

    answers = await asyncio.gather(
        *(home.agent.post(SEND, json=body, headers=headers) for _ in range(8))
    )
    await home.world.quiet()

    assert {a.status_code for a in answers} == {201}
    assert len({a.json()["id"] for a in answers}) == 1
    assert home.world.chain.received("payee") == ETHER // 2


@scenario("S-11")
async def test_a_payment_outlives_its_session(home: House) -> None:
    token = await home.token()
    home.world.chain.mines = False
    row = await home.paid(token, ETHER // 2)
    assert (await home.holder("DELETE", f"/v1/sessions/{claims_of(token)['sid']}")).is_success

    home.world.chain.mine()
    assert (await home.world.settled(row)).status == "CONFIRMED"


@scenario("S-14")
async def test_lateness_is_bounded(home: House) -> None:
    """Down past the release: it leaves when the daemon is back in time, and never after."""
    token = await home.token(ttlSeconds=604_800)
    soon, never = await home.paid(token, 6 * ETHER, "soon"), None
    await home.world.close()
    home.world.clock.advance(900 + 1800)
    await home.world.vault.restart()
    await home.world.open()
    await home.world.start()
    await home.world.tick()
    assert home.world.chain.received("soon") == 6 * ETHER

    never = await home.paid(token, 6 * ETHER, "never")
    await home.world.close()
    home.world.clock.advance(900 + 3600)
    await home.world.vault.restart()
    await home.world.open()
    await home.world.start()
    await home.world.tick()
    assert (await home.world.row(never)).status == "EXPIRED"
    assert home.world.chain.received("never") == 0
    assert soon


@scenario("S-15")
async def test_a_caller_who_hangs_up_cancels_nothing(home: House) -> None:
    token = await home.token()
    home.world.chain.holding_build = asyncio.Event()
    call = asyncio.ensure_future(
        home.agent.post(
            SEND,
            json={"to": "payee", "amount": str(ETHER // 2)},
            headers=bearer(token) | {"Prefer": "wait=30"},
        )
    )
    await home.world.chain.build_asked.wait()
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call

    home.world.chain.holding_build.set()
    await home.world.quiet()

    assert home.world.chain.received("payee") == ETHER // 2


@scenario("S-17", "R-05")
@pytest.mark.parametrize("column", ["to", "amount", "memo", "request", "digest"])
async def test_a_waiting_payment_is_signed_as_it_was_decided_or_not_at_all(
    home: House, column: str
) -> None:
    token = await home.token()
    row = await home.paid(token, 10 * ETHER, memo="order 7")
    bent = {"amount": str(11 * ETHER), "request": json.dumps({"a": 1}), "digest": "00" * 32}
    home.world.sql(
        f'UPDATE transactions SET "{column}" = ? WHERE id = ?',
        bent.get(column, "thief"),
        row,
    )

    await home.world.passes(900)

    stored = await home.world.row(row)
    assert (stored.status, stored.error) == ("CANCELLED", "PAYLOAD_MISMATCH")
    assert home.world.chain.sent == []


@scenario("S-17")
async def test_a_delayed_payment_keeps_its_memo(home: House) -> None:
    token = await home.token()
    memo = "order \u20ac 7 \U0001f600"
    await home.paid(token, 10 * ETHER, memo=memo)

    await home.world.passes(900)

    assert home.world.chain.built[-1].memo == memo


@scenario("S-18", "R-35")
async def test_a_dearer_network_cannot_take_more_than_the_fee_ceiling(home: House) -> None:
    token = await home.token()
    home.world.chain.fee = home.world.chain.network.fee_ceiling + 1

    row = await home.paid(token, ETHER // 2)

    assert (await home.sees(token, row))["status"] in {"PENDING", "EXECUTING"}
    assert home.world.chain.sent == []
    home.world.chain.fee = home.world.chain.network.fee_ceiling
    home.world.clock.advance(60)
    await home.world.tick()
    assert home.world.chain.received("payee") == ETHER // 2


@scenario("S-18")
async def test_fees_count_against_every_limit(home: House) -> None:
    ceiling = home.world.chain.network.fee_ceiling
    await home.rule("CUMULATIVE_LIMIT", window(ETHER))
    token = await home.token()

    assert answered(await home.sends(token, ETHER - ceiling + 1)) == (
        403,
        "CUMULATIVE_LIMIT_EXCEEDED",
    )
    assert (await home.sends(token, ETHER - ceiling)).status_code == 201


def stop_at(home: House, point: str) -> Callable[[], Awaitable[None]]:
    """Have a stop come in at a step of the next payment; await what this returns once it was asked for."""
    chain = home.world.chain
    arrived: list[asyncio.Task[None]] = []

    async def ask() -> None:
        await stop(home)
        if chain.holding_build is not None:
            chain.holding_build.set()

    def arrives() -> None:
        if (
            point == STORED
        ):  # nothing is awaited before the next look at the gate: no request fits in between
            home.world.gate.set(StopState.ACTIVATED)
            return
        if point == EXECUTING:
            chain.holding_build = asyncio.Event()
        arrived.append(asyncio.create_task(ask()))

    async def stopping() -> None:
        if point == STORED:
            home.world.gate.set(StopState.NORMAL)  # the cascade follows on its gate
            await stop(home)
        await asyncio.gather(*arrived)
        assert arrived or point == STORED

    home.world.checkpoints.at[point] = arrives
    return stopping


@scenario("N-13", "R-11")
@pytest.mark.parametrize(
    ("point", "while_stopped", "in_the_end", "paid"),
    [
        (EXECUTING, "CANCELLED", "CANCELLED", 0),
        (STORED, "SUBMITTED", "FAILED", 0),
        (SENT, "CONFIRMED", "CONFIRMED", ETHER // 2),
    ],
)
async def test_a_stop_between_two_steps_sends_nothing_that_was_not_sent(
    home: House, point: str, while_stopped: str, in_the_end: str, paid: int
) -> None:
    """Before the signature it is cancelled; signed and unsent, its nonce is filled later; sent, it is tracked."""
    token = await home.token()
    stopping = stop_at(home, point)
    row = await home.paid(token, ETHER // 2)
    await stopping()
    for _ in range(3):
        home.world.clock.advance(30)
        await home.world.tick()
        await home.world.settled(row)

    assert (await home.world.row(row)).status == while_stopped
    assert home.world.chain.received("payee") == paid
    assert len(home.world.chain.sent) == (1 if point == SENT else 0)

    await recovered(home)
    for _ in range(4):
        home.world.clock.advance(6)
        await home.world.poll()
        await home.world.settled(row)

    assert (await home.world.row(row)).status == in_the_end
    assert home.world.chain.received("payee") == paid
    assert await home.world.reserved() == 0


@scenario("R-12")
async def test_a_payload_that_no_node_takes_does_not_block_the_wallet(home: House) -> None:
    token = await home.token()
    home.world.chain.next_send = [SendOutcome.REJECTED]
    first = await home.paid(token, ETHER // 2, "first")
    second = await home.paid(token, ETHER // 2, "second")
    for _ in range(4):
        home.world.clock.advance(5)
        await home.world.poll()

    assert (await home.world.settled(second)).status == "CONFIRMED"
    assert (await home.world.settled(first)).status in {"CONFIRMED", "FAILED"}
    assert home.world.chain.received("second") == ETHER // 2
    assert home.world.chain.received("first") in {0, ETHER // 2}
