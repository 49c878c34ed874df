"""A database that another process holds, and a disk without room: refused with a code, nothing changed, nothing signed.

At every step of a payment. Once the disk is well again everything goes on by itself, and each payment is paid once.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.chain import ETHER
from tests.support.disk import full_disk, held_by_another_process
from tests.support.house import SEND, House, bearer, house
from tests.support.world import PAYEE
from wallet.errors import Code

Fault = Callable[[Path], AbstractContextManager[None]]
FAULTS: dict[Code, Fault] = {
    Code.STORAGE_BUSY: held_by_another_process,
    Code.STORAGE_FULL: full_disk,
}


@pytest.fixture
async def home(tmp_path: Path) -> Any:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    async with house(folder) as made:
        yield made
        funded = {made.world.wallet.id: 100 * ETHER}
        report = await made.world.app.operations.ledger.check(with_chains=True, funded=funded)
        assert report.violations == []


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest) -> Code:
    return Code(request.param)


def broken(home: House, fault: Code) -> AbstractContextManager[None]:
    home.world.database._client.busy_timeout_ms = 20  # it gives up waiting soon
    return FAULTS[fault](home.world.settings.database.path)


def refused(answer: httpx.Response) -> Code:
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, answer.text
    return Code(answer.json()["code"])


async def paid_once(home: House, row: str, amount: int) -> None:
    assert (await home.world.settled(row)).status == "CONFIRMED"
    assert home.world.chain.received(PAYEE) == amount
    assert len(home.world.vault.signed) == 1


async def test_a_request_is_refused_whole_and_may_come_again(home: House, fault: Code) -> None:
    token = await home.token()
    body = {"to": PAYEE, "amount": str(ETHER // 2)}
    headers = bearer(token) | {"Idempotency-Key": "once"}
    before = await home.world.facts()

    with broken(home, fault):
        answer = await home.agent.post(SEND, json=body, headers=headers)
        await home.world.quiet()
        assert refused(answer) is fault
        seen = await home.agent.get("/v1/transactions", headers=bearer(token))
        assert seen.json()["items"] == []
        assert home.world.vault.signed == []
    assert await home.world.facts() == before
    assert await home.world.reserved() == 0

    again = await home.agent.post(SEND, json=body, headers=headers)
    await home.world.quiet()
    assert again.status_code == httpx.codes.CREATED, again.text
    await paid_once(home, again.json()["id"], ETHER // 2)


async def test_a_due_payment_waits_and_leaves_by_itself(home: House, fault: Code) -> None:
    row = await home.paid(await home.token(), 10 * ETHER)
    before = await home.world.row(row)
    home.world.clock.advance(901)

    with broken(home, fault):
        await home.world.app.upkeep.release_due()
        await home.world.quiet()
        assert await home.world.row(row) == before
        assert home.world.vault.signed == []

    await home.world.passes(16)
    await paid_once(home, row, 10 * ETHER)


async def test_a_yes_that_cannot_be_stored_is_no_yes(home: House, fault: Code) -> None:
    row = await home.paid(await home.token(), 30 * ETHER)
    before = await home.world.row(row)

    with broken(home, fault):
        answer = await home.host("POST", f"/v1/transactions/{row}/approve")
        assert refused(answer) is fault
        await home.world.quiet()
        assert await home.world.row(row) == before
        assert home.world.vault.signed == []

    await home.world.passes(16)
    assert (await home.world.row(row)).status == "QUEUED"
    assert (await home.host("POST", f"/v1/transactions/{row}/approve")).is_success
    await paid_once(home, row, 30 * ETHER)


async def test_what_was_signed_and_not_stored_is_never_sent(home: House, fault: Code) -> None:
    """It breaks between the signature and its commit: the node sees those bytes never, or the stored ones."""
    entered: list[AbstractContextManager[None]] = []

    def breaks() -> None:
        entered.append(broken(home, fault))
        entered[0].__enter__()

    home.world.checkpoints.at["EXECUTING"] = breaks
    row = await home.paid(await home.token(), ETHER // 2)
    assert len(home.world.vault.signed) == 1
    assert home.world.chain.sent == []
    assert (await home.world.row(row)).status == "EXECUTING"
    assert await home.world.attempts(row) == []

    entered[0].__exit__(None, None, None)
    await home.world.passes(16)
    assert (await home.world.settled(row)).status == "CONFIRMED"
    assert home.world.chain.received(PAYEE) == ETHER // 2
    stored = [attempt.raw for attempt in await home.world.attempts(row)]
    assert set(home.world.chain.sent) == set(stored)
    assert len(stored) == 1


async def test_a_verdict_that_cannot_be_stored_is_read_again(home: House, fault: Code) -> None:
    home.world.chain.mines = False
    row = await home.paid(await home.token(), ETHER // 2)
    before, reserved = await home.world.row(row), await home.world.reserved()
    home.world.chain.finalize()

    with broken(home, fault):
        await home.world.poll()
        assert await home.world.row(row) == before
        assert await home.world.reserved() == reserved

    await paid_once(home, row, ETHER // 2)
    assert await home.world.reserved() == 0
