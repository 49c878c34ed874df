"""A keystore that does not open is evidence: audited, told to the owner, and not without end."""

import pytest

from tests.support.disk import full_disk
from tests.support.vault import PASSWORD
from tests.support.world import World
from wallet.domain.facts import Fact
from wallet.errors import Code, WalletError
from wallet.keystore.format import corrupted
from wallet.ports.vault import Subkeys

DAY = 86_400


async def refused(world: World, password: str = PASSWORD) -> Code:
    with pytest.raises(WalletError) as caught:
        await world.app.unlocking.unlock(password)
    assert not world.keyring.is_open
    return caught.value.code


def damaged(world: World, file: str) -> None:
    async def unlock(password: str) -> Subkeys:
        raise corrupted(file, "its bytes are not as written")

    world.vault.unlock = unlock  # type: ignore[method-assign]


async def told(world: World) -> tuple[int, int]:
    """Facts, and alerts to the owner."""
    kind = Fact.KEYSTORE_CORRUPTED
    return (await world.facts()).count(kind), (await world.alerts()).count(kind)


async def test_damage_is_audited_and_told_once_a_day_for_each_file(world: World) -> None:
    await world.restart(unlocked=False)
    damaged(world, "one.json")
    for _ in range(3):
        assert await refused(world) is Code.KEYSTORE_CORRUPTED
    assert await told(world) == (1, 1)
    rows = await world.database.read(lambda unit: unit.audit.rows(limit=100_000))
    about = next(row["details"] for row in rows if row["fact"] == Fact.KEYSTORE_CORRUPTED)
    assert about["file"] == "one.json"
    assert about["reason"].endswith("its bytes are not as written.")

    damaged(world, "two.json")
    assert await refused(world) is Code.KEYSTORE_CORRUPTED
    assert await told(world) == (2, 2)

    world.clock.advance(DAY)
    assert await refused(world) is Code.KEYSTORE_CORRUPTED
    assert await told(world) == (3, 3)


async def test_a_wrong_password_is_no_damage(world: World) -> None:
    await world.restart(unlocked=False)
    assert await refused(world, "wrong") is Code.WRONG_PASSWORD
    assert await told(world) == (0, 0)


async def test_a_key_of_another_wallet_is_damage_also_at_a_recovery(world: World) -> None:
    await world.app.safety.halt("test", "host")
    world.sql("UPDATE wallets SET address = 'addrelsewhere' WHERE id = ?", world.wallet.id)
    with pytest.raises(WalletError) as caught:
        await world.app.safety.begin_recovery(PASSWORD, "host")
    assert caught.value.code is Code.KEYSTORE_CORRUPTED
    assert world.vault.locked
    assert await told(world) == (1, 1)


async def test_a_full_disk_does_not_hide_the_damage(world: World) -> None:
    await world.restart(unlocked=False)
    damaged(world, "one.json")
    with full_disk(world.folder):
        assert await refused(world) is Code.KEYSTORE_CORRUPTED
    assert await told(world) == (0, 0)
    assert await refused(world) is Code.KEYSTORE_CORRUPTED
    assert await told(world) == (1, 1)
