"""Payloads that somebody changed in the file: nothing is signed beside what was signed before."""

import sqlite3

import pytest

from tests.integration.pipeline.test_replacing import order, purposes, stuck
from tests.support.chain import SOL
from tests.support.world import INSTANT, PAYEE, World
from wallet.domain.authority import Proof, row_mac
from wallet.domain.facts import Fact
from wallet.domain.transactions import Purpose, Status
from wallet.persistence.transactions import TRANSACTIONS
from wallet.ports.chain import SendOutcome


async def looks_again(world: World, network: str, transaction_id: str) -> None:
    world.app.settlement.look_again(network, transaction_id)
    for _ in range(3):
        world.clock.advance(6)
        await world.poll()


@pytest.mark.parametrize(
    "bent",
    [
        "nonce = nonce + 1",
        "hash = '0x' || substr(hash, 3, 32)",
        r"""raw = CAST(replace(CAST(raw AS TEXT), '\"nonce\": 0', '\"nonce\": 1') AS BLOB)""",
    ],
)
async def test_a_nonce_that_was_changed_signs_no_second_payment(world: World, bent: str) -> None:
    world.chain.next_send = [SendOutcome.REJECTED] * 30
    row = await world.pay()
    world.sql(f"UPDATE attempts SET {bent} WHERE transaction_id = ?", row.id)
    world.chain.fee *= 2
    await looks_again(world, row.network, row.id)
    assert await purposes(world, row) == [Purpose.PAY]
    assert len(world.vault.signed) == 1
    assert (await world.alerts()).count("AUTHORITY_UNPROVED") == 1
    assert (await world.facts()).count(Fact.AUTHORITY_UNPROVED) == 1


async def test_a_hash_that_was_changed_builds_no_payment_anew(world: World) -> None:
    """The chain knows no trace of the changed hash; the payment landed under its own."""
    chain = world.chains[SOL.name]
    wallet = await world.new_wallet("sol", SOL.name)
    row = await world.pay(wallet=wallet, session=await world.new_session(wallet))
    assert chain.received(PAYEE) == INSTANT
    bent = "hash = 'h', last_valid_height = 0, accepted_at = NULL"
    world.sql(f"UPDATE attempts SET {bent} WHERE transaction_id = ?", row.id)
    await looks_again(world, row.network, row.id)
    assert len(world.vault.signed) == 1
    assert (await world.row(row.id)).status is Status.SUBMITTED
    assert chain.received(PAYEE) == INSTANT


async def test_a_payload_that_was_taken_away_is_missed(world: World) -> None:
    """The newest is what the row's proof names."""
    row = await stuck(world)
    await order(world, row, Purpose.SPEED_UP)
    await world.poll()
    assert await purposes(world, row) == [Purpose.PAY, Purpose.SPEED_UP]
    world.sql("DELETE FROM attempts WHERE transaction_id = ? AND number = 2", row.id)
    world.sql("UPDATE attempts SET rejected = 'x' WHERE transaction_id = ?", row.id)
    signed = len(world.vault.signed)
    world.chain.next_send = [SendOutcome.REJECTED] * 30
    await looks_again(world, row.network, row.id)
    assert len(world.vault.signed) == signed


async def test_the_row_cannot_be_made_to_name_another_payload(world: World) -> None:
    world.chain.next_send = [SendOutcome.REJECTED] * 30
    row = await world.pay()
    world.sql("UPDATE transactions SET hash = 'h' WHERE id = ?", row.id)
    world.sql("UPDATE attempts SET hash = 'h' WHERE transaction_id = ?", row.id)
    await looks_again(world, row.network, row.id)
    assert (await world.row(row.id)).proof.is_broken
    assert len(world.vault.signed) == 1


async def test_a_signed_row_of_an_earlier_version_keeps_its_proof(world: World) -> None:
    """Which did not cover the hash; what is written to it from now on does."""
    row = await stuck(world)
    key = world.keyring.row_key()
    assert key is not None
    listed = ", ".join(f'"{name}"' for name in TRANSACTIONS.columns)
    with sqlite3.connect(world.settings.database.path) as reading:
        [found] = reading.execute(f"SELECT {listed} FROM transactions").fetchall()
    reading.close()
    covered = TRANSACTIONS.covered(dict(zip(TRANSACTIONS.columns, found, strict=True)))
    assert covered.pop("hash") == row.hash
    mac = row_mac(key, "transactions", covered)
    world.sql("UPDATE transactions SET mac = ? WHERE id = ?", mac, row.id)
    assert (await world.row(row.id)).proof is Proof.PROVED
    await order(world, row, Purpose.SPEED_UP)
    await world.poll()
    assert await purposes(world, row) == [Purpose.PAY, Purpose.SPEED_UP]
    world.sql("UPDATE transactions SET hash = ? WHERE id = ?", row.hash, row.id)
    assert (await world.row(row.id)).proof.is_broken
