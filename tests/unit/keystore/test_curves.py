"""Keys and signatures agree with independent libraries (eth_account, solders)."""

import secrets

import pytest
import rlp  # type: ignore[import-untyped]
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature

from wallet.errors import Code, KeystoreError, WalletError
from wallet.keystore import curves
from wallet.keystore.base58 import b58encode

EVM = curves.curve_of("ethereum")
SOLANA = curves.curve_of("solana")
SCALARS = st.integers(1, 2**255).map(lambda n: n.to_bytes(32))
TRANSACTION = {
    "type": 2,
    "chainId": 31337,
    "nonce": 7,
    "maxPriorityFeePerGas": 10**9,
    "maxFeePerGas": 2 * 10**9,
    "gas": 21000,
    "to": "0x" + "22" * 20,
    "value": 10**18,
    "data": "0x",
}


@given(SCALARS)
def test_an_ethereum_address_is_the_one_eth_account_derives(secret: bytes) -> None:
    assert EVM.public_side(secret).address == Account.from_key(secret).address


@given(st.binary(min_size=32, max_size=32))
def test_a_solana_address_is_the_one_solders_derives(seed: bytes) -> None:
    assert SOLANA.public_side(seed).address == str(Keypair.from_seed(seed).pubkey())


@given(st.binary(min_size=20, max_size=20))
def test_addresses_carry_the_eip55_checksum(raw: bytes) -> None:
    assert curves.checksum_address(raw) == to_checksum_address(raw)


@given(st.binary(min_size=32, max_size=32))
def test_base58_agrees_with_solders(raw: bytes) -> None:
    assert b58encode(raw) == str(Pubkey(raw))


def test_base58_keeps_leading_zeros() -> None:
    assert b58encode(bytes(32)) == "1" * 32


def test_generated_keys_differ_and_are_32_bytes() -> None:
    for curve in (EVM, SOLANA):
        first, second = curve.generate(), curve.generate()
        assert len(first) == len(second) == 32
        assert first != second


@given(SCALARS)
def test_an_ethereum_signature_is_byte_for_byte_eth_accounts(secret: bytes) -> None:
    unsigned = TypedTransaction.from_dict(TRANSACTION)
    payload = _unsigned_bytes()
    assert curves.keccak256(payload) == unsigned.hash()

    signature = EVM.sign(secret, payload)

    theirs = Account.sign_transaction(TRANSACTION, secret)
    assert signature == theirs.r.to_bytes(32) + theirs.s.to_bytes(32) + bytes([theirs.v])
    assert EVM.verify(EVM.public_side(secret).public_key, payload, signature)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=1, max_size=1232))
def test_a_solana_signature_is_the_one_solders_makes(seed: bytes, rest: bytes) -> None:
    payload = b"\x80" + rest
    pair = Keypair.from_seed(seed)

    signature = SOLANA.sign(seed, payload)

    assert signature == bytes(pair.sign_message(payload))
    assert Signature(signature).verify(pair.pubkey(), payload)
    assert SOLANA.verify(bytes(pair.pubkey()).hex(), payload, signature)


@pytest.mark.parametrize(
    "payload", [b"", b"\x02", b"\x02\x80", b"\x01\xc0", b"\xf8\x6c", b"\x19\x01" + bytes(64)]
)
def test_only_an_unsigned_typed_transaction_is_signed_for_ethereum(payload: bytes) -> None:
    with pytest.raises(KeystoreError) as caught:
        EVM.sign(secrets.token_bytes(32), payload)
    assert caught.value.code is Code.PAYLOAD_MISMATCH


@pytest.mark.parametrize("payload", [b"", b"\x80", b"\x01\x00", b"\x81\x01", b"hello"])
def test_only_a_version_0_message_is_signed_for_solana(payload: bytes) -> None:
    with pytest.raises(KeystoreError) as caught:
        SOLANA.sign(secrets.token_bytes(32), payload)
    assert caught.value.code is Code.PAYLOAD_MISMATCH


def test_a_foreign_or_damaged_signature_does_not_verify() -> None:
    for curve, payload in ((EVM, _unsigned_bytes()), (SOLANA, b"\x80message")):
        secret = bytes(curve.generate())
        signature = curve.sign(secret, payload)
        mine = curve.public_side(secret).public_key
        other = curve.public_side(bytes(curve.generate())).public_key
        assert not curve.verify(other, payload, signature)
        assert not curve.verify(mine, payload + b"\0", signature)
        assert not curve.verify(mine, payload, bytes([signature[0] ^ 1]) + signature[1:])
        assert not curve.verify(mine, payload, b"\xff" * 64 + b"\x05")


def test_an_unknown_chain_has_no_keys() -> None:
    with pytest.raises(WalletError) as caught:
        curves.curve_of("bitcoin")
    assert caught.value.code is Code.CHAIN_NOT_SUPPORTED


def _unsigned_bytes() -> bytes:
    """0x02 || rlp(fields without the signature), put together with the rlp library."""
    t = TRANSACTION
    fields = [
        t["chainId"], t["nonce"], t["maxPriorityFeePerGas"], t["maxFeePerGas"], t["gas"],
        bytes.fromhex("22" * 20), t["value"], b"", [],
    ]  # fmt: skip
    return b"\x02" + bytes(rlp.encode(fields))
