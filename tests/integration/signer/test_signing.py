"""The real signer process signs what a permit covers, once, and nothing else."""

import asyncio
import time
from dataclasses import replace

import pytest
import rlp  # type: ignore[import-untyped]
from eth_account import Account
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import TransferParams, transfer

from tests.integration.signer.conftest import PASSWORD, World, report
from wallet.domain.permits import LIFETIME_MS, Permit
from wallet.errors import Code, KeystoreError


def evm_fields(nonce: int = 0) -> list[object]:
    return [31337, nonce, 10**9, 2 * 10**9, 21000, bytes.fromhex("22" * 20), 10**18, b"", []]


def evm_payload(nonce: int = 0) -> bytes:
    return b"\x02" + bytes(rlp.encode(evm_fields(nonce)))


def solana_payload(world: World, lamports: int = 1) -> bytes:
    payer = Pubkey.from_string(world.solana.address)
    payee = Keypair.from_seed(bytes(32)).pubkey()
    order = transfer(TransferParams(from_pubkey=payer, to_pubkey=payee, lamports=lamports))
    return to_bytes_versioned(MessageV0.try_compile(payer, [order], [], Hash.default()))


async def refusal(world: World, permit: Permit, payload: bytes) -> str:
    with pytest.raises(KeystoreError) as caught:
        await world.vault.sign(permit, payload)
    assert caught.value.code is Code.PERMIT_REFUSED
    return str(caught.value.details["reason"])


async def test_a_signed_ethereum_payment_comes_from_the_wallet(world: World) -> None:
    payload = evm_payload()

    signature = await world.vault.sign(world.permit(world.evm, payload), payload)

    assert len(signature) == 65
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:64])
    signed = b"\x02" + bytes(rlp.encode([*evm_fields(), signature[64], r, s]))
    assert Account.recover_transaction(signed) == world.evm.address


async def test_a_signed_solana_payment_verifies(world: World) -> None:
    payload = solana_payload(world)

    signature = await world.vault.sign(world.permit(world.solana, payload), payload)

    assert len(signature) == 64
    assert Signature(signature).verify(Pubkey.from_string(world.solana.address), payload)


async def test_a_permit_signs_once(world: World) -> None:
    payload = evm_payload()
    permit = world.permit(world.evm, payload)
    await world.vault.sign(permit, payload)

    assert await refusal(world, permit, payload) == "spent"


async def test_a_permit_signs_once_even_when_asked_many_times_at_once(world: World) -> None:
    payload = evm_payload()
    permit = world.permit(world.evm, payload)

    answers = await asyncio.gather(
        *(world.vault.sign(permit, payload) for _ in range(20)), return_exceptions=True
    )

    assert sum(isinstance(answer, bytes) for answer in answers) == 1


async def test_a_permit_stays_spent_through_lock_and_unlock(world: World) -> None:
    payload = evm_payload()
    permit = world.permit(world.evm, payload)
    await world.vault.sign(permit, payload)
    await world.vault.lock()
    await world.vault.unlock(PASSWORD)

    assert await refusal(world, permit, payload) == "spent"


async def test_an_expired_permit_is_refused(world: World) -> None:
    payload = evm_payload()
    permit = world.permit(world.evm, payload, age_ms=LIFETIME_MS)

    assert await refusal(world, permit, payload) == "expired"


async def test_another_payload_is_refused(world: World) -> None:
    permit = world.permit(world.evm, evm_payload(nonce=1))

    assert await refusal(world, permit, evm_payload(nonce=2)) == "payload"


async def test_another_wallet_is_refused(world: World) -> None:
    payload = evm_payload()
    permit = replace(world.permit(world.evm, payload), wallet_id=world.solana.wallet_id)

    assert await refusal(world, permit, payload) == "mac"


async def test_another_chain_is_refused(world: World) -> None:
    payload = evm_payload()
    permit = world.permit_for_chain(world.solana, payload, "ethereum")

    assert await refusal(world, permit, payload) == "chain"


async def test_a_permit_minted_without_the_key_is_refused(world: World) -> None:
    payload = evm_payload()
    world.subkeys = replace(world.subkeys, permit=bytes(32))

    assert await refusal(world, world.permit(world.evm, payload), payload) == "mac"


async def test_a_wallet_without_a_key_is_named(world: World) -> None:
    payload = evm_payload()
    stranger = replace(world.evm, wallet_id="0190b5a0-0000-7000-8000-00000000ffff")

    with pytest.raises(KeystoreError, match="ffff") as caught:
        await world.vault.sign(world.permit(stranger, payload), payload)

    assert caught.value.code is Code.WALLET_KEY_MISSING


@pytest.mark.parametrize("payload", [b"\x01\xc0", b"\xf8\x6b", b"\x19Ethereum Signed Message"])
async def test_no_permit_makes_it_sign_anything_but_a_payment(
    world: World, payload: bytes
) -> None:
    for wallet in (world.evm, world.solana):
        with pytest.raises(KeystoreError) as caught:
            await world.vault.sign(world.permit(wallet, payload), payload)
        assert caught.value.code is Code.PAYLOAD_MISMATCH


async def test_a_locked_signer_signs_nothing(world: World) -> None:
    payload = evm_payload()
    await world.vault.lock()

    with pytest.raises(KeystoreError) as caught:
        await world.vault.sign(world.permit(world.evm, payload), payload)

    assert caught.value.code is Code.KEYSTORE_LOCKED


async def test_signing_goes_on_while_a_password_is_being_checked(world: World) -> None:
    vault = world.vault
    checking = asyncio.gather(*(vault.verify_password("wrong") for _ in range(50)))
    payload = evm_payload()

    signature = await vault.sign(world.permit(world.evm, payload), payload)

    assert len(signature) == 65
    assert not checking.done()
    assert await checking == [False] * 50


async def test_two_hundred_signatures_take_well_under_a_second_each_way(world: World) -> None:
    for wallet in (world.evm, world.solana):
        payloads = [
            evm_payload(n) if wallet is world.evm else solana_payload(world, n) for n in range(200)
        ]
        permits = [world.permit(wallet, payload) for payload in payloads]
        started = time.perf_counter()
        signatures = await asyncio.gather(*map(world.vault.sign, permits, payloads))
        seconds = time.perf_counter() - started
        report(f"{wallet.chain}: {200 / seconds:,.0f} signatures/s")
        assert len(set(signatures)) == 200
        assert seconds < 10
