"""A disk that is almost full: nothing new is admitted, what was admitted goes on, and a stop is written."""

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.support.chain import ETHER
from tests.support.house import House, house
from tests.support.world import PAYEE
from wallet.operations.room import LEAST_FREE_BYTES, LOOK_EVERY_SECONDS

Leaves = Callable[[int], None]


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    async with house(folder) as made:
        yield made


@pytest.fixture
def leaves(home: House, monkeypatch: pytest.MonkeyPatch) -> Leaves:
    """The disk of the data directory has so many bytes left, and the last look at it is long enough ago."""
    whole = shutil.disk_usage(home.world.folder)
    left = whole.free

    def usage(path: Path) -> object:
        assert path == home.world.folder
        return whole._replace(free=left)

    def changes(free: int) -> None:
        nonlocal left
        left = free
        home.world.clock.advance(LOOK_EVERY_SECONDS)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    return changes


async def refuses(home: House, token: str) -> None:
    answer = await home.sends(token, 1, headers={"Idempotency-Key": "once"})
    assert (answer.status_code, answer.json()["code"]) == (503, "STORAGE_FULL")


async def test_nothing_is_admitted_until_there_is_room_again(home: House, leaves: Leaves) -> None:
    token = await home.token()
    facts = await home.world.facts()

    leaves(LEAST_FREE_BYTES - 1)
    await refuses(home, token)
    await refuses(home, token)
    assert await home.world.facts() == facts
    assert await home.world.reserved() == 0
    assert (await home.world.alerts()).count("DISK_ALMOST_FULL") == 1

    leaves(LEAST_FREE_BYTES)
    await home.paid(token, 1, headers={"Idempotency-Key": "once"})
    assert home.world.chain.received(PAYEE) == 1


async def test_what_was_admitted_before_is_still_paid(home: House, leaves: Leaves) -> None:
    token = await home.token()
    delayed = await home.paid(token, 10 * ETHER)

    leaves(0)
    await refuses(home, token)
    await home.world.passes(900)

    assert (await home.world.settled(delayed)).status == "CONFIRMED"


async def test_a_stop_is_still_stored(home: House, leaves: Leaves) -> None:
    token = await home.token()
    waits = await home.paid(token, 10 * ETHER)
    leaves(0)
    await refuses(home, token)

    stopped = await home.holder("POST", "/v1/kill-switch", {"reason": "a test"})

    assert stopped.is_success, stopped.text
    assert (await home.world.row(waits)).status == "CANCELLED"
    home.world.halt_file.unlink()  # so that the database alone remembers it
    await home.world.restart()
    assert (await home.holder("GET", "/v1/kill-switch")).json()["state"] == "ACTIVATED"
