"""Payments become bytes and come back unchanged; anything else is refused."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.account import Account
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.message import Message, MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import ID as SYSTEM_PROGRAM
from solders.system_program import AssignParams, TransferParams, assign, transfer
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata

from wallet.chains.solana.encode import (
    MEMO_PROGRAM,
    Terms,
    attach,
    decode,
    encode,
    payment,
    recipient,
    with_signature,
    without_signature,
)
from wallet.domain.money import U64_MAX
from wallet.errors import ChainError, Code, InputError

_KEYS = st.binary(min_size=32, max_size=32).map(Pubkey)
_LETTERS = "1Az 0\né✓𝄞"
_U32_MAX = 2**32 - 1
_PAYER = Keypair.from_seed(bytes([1]) * 32)
_TO = Keypair.from_seed(bytes([2]) * 32).pubkey()


@st.composite
def _terms(draw: st.DrawFn) -> Terms:
    special = {
        SYSTEM_PROGRAM,
        MEMO_PROGRAM,
        Pubkey.from_string("ComputeBudget111111111111111111111111111111"),
    }
    keys = _KEYS.filter(lambda key: key not in special)
    return Terms(
        payer=draw(keys),
        to=draw(keys),
        amount=draw(st.integers(0, U64_MAX)),
        memo=draw(st.none() | st.text(_LETTERS, max_size=60)),
        unit_limit=draw(st.integers(0, _U32_MAX)),
        unit_price=draw(st.integers(0, U64_MAX)),
        blockhash=Hash(draw(st.binary(min_size=32, max_size=32))),
    )


def _plain(**changes: object) -> Terms:
    fields: dict[str, object] = {
        "payer": _PAYER.pubkey(),
        "to": _TO,
        "amount": 5,
        "memo": None,
        "unit_limit": 1_000,
        "unit_price": 0,
        "blockhash": Hash.default(),
    }
    return Terms(**{**fields, **changes})  # type: ignore[arg-type]


def _message(*instructions: Instruction, payer: Pubkey | None = None) -> bytes:
    who = payer or _PAYER.pubkey()
    return to_bytes_versioned(MessageV0.try_compile(who, list(instructions), [], Hash.default()))


def _is_refused(payload: bytes) -> bool:
    with pytest.raises(ChainError) as caught:
        decode(payload)
    return caught.value.code == Code.PAYLOAD_MISMATCH


class TestMessages:
    @given(_terms())
    def test_a_payment_survives_the_round_trip(self, terms: Terms) -> None:
        assert decode(encode(terms)) == terms

    @given(_terms(), st.data())
    def test_no_changed_byte_goes_unnoticed(self, terms: Terms, data: st.DataObject) -> None:
        payload = bytearray(encode(terms))
        payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
        with suppress(ChainError):
            assert decode(bytes(payload)) != terms

    @given(st.binary(max_size=300))
    def test_junk_is_refused(self, junk: bytes) -> None:
        assert _is_refused(junk)
        assert _is_refused(b"\x80" + junk)

    @given(_terms(), st.binary(min_size=1, max_size=9))
    def test_bytes_behind_the_message_are_refused(self, terms: Terms, more: bytes) -> None:
        assert _is_refused(encode(terms) + more)

    def test_anything_beside_one_plain_payment_is_refused(self) -> None:
        limit, price = set_compute_unit_limit(1_000), set_compute_unit_price(0)
        payer, thief = _PAYER.pubkey(), Keypair().pubkey()
        pay = transfer(TransferParams(from_pubkey=payer, to_pubkey=_TO, lamports=5))
        steal = transfer(TransferParams(from_pubkey=payer, to_pubkey=thief, lamports=5))
        memo = Instruction(MEMO_PROGRAM, b"hi", [])
        give_away = assign(AssignParams(pubkey=payer, owner=thief))
        signed_memo = Instruction(MEMO_PROGRAM, b"hi", [AccountMeta(payer, True, False)])
        assert decode(_message(limit, price, pay, memo)).memo == "hi"
        for instructions in (
            [],
            [pay],
            [limit, pay],
            [price, limit, pay],
            [limit, price],
            [limit, price, memo],
            [limit, price, pay, steal],
            [limit, price, pay, memo, steal],
            [limit, price, pay, memo, memo],
            [limit, price, give_away],
            [limit, price, pay, give_away],
            [limit, price, pay, signed_memo],
            [limit, price, pay, Instruction(MEMO_PROGRAM, b"\xff", [])],
            [limit, price, pay, Instruction(thief, b"hi", [])],
        ):
            assert _is_refused(_message(*instructions))

    def test_a_payment_out_of_another_account_is_refused(self) -> None:
        limit, price = set_compute_unit_limit(1_000), set_compute_unit_price(0)
        other = TransferParams(from_pubkey=_TO, to_pubkey=Keypair().pubkey(), lamports=5)
        assert _is_refused(_message(limit, price, transfer(other)))

    def test_a_legacy_message_is_refused(self) -> None:
        limit, price = set_compute_unit_limit(1_000), set_compute_unit_price(0)
        pay = TransferParams(from_pubkey=_PAYER.pubkey(), to_pubkey=_TO, lamports=5)
        legacy = Message.new_with_blockhash(
            [limit, price, transfer(pay)], _PAYER.pubkey(), Hash.default()
        )
        assert _is_refused(bytes(legacy))

    def test_a_memo_that_does_not_fit_is_refused(self) -> None:
        with pytest.raises(InputError) as caught:
            encode(_plain(memo="x" * 1_200))
        assert caught.value.code == Code.INVALID_MEMO

    def test_the_payment_names_payer_recipient_amount_memo_and_fee(self) -> None:
        paid = payment(encode(_plain(memo="hi", unit_limit=1_001, unit_price=1_000)))
        assert (paid.address, paid.to) == (str(_PAYER.pubkey()), str(_TO))
        assert (paid.amount, paid.memo, paid.max_fee, paid.nonce) == (5, "hi", 5_002, None)


class TestSigning:
    def test_the_wire_form_is_that_of_solders(self) -> None:
        payload = encode(_plain(memo="hi"))
        signed = attach(payload, bytes(_PAYER.sign_message(payload)))
        transaction = VersionedTransaction.from_bytes(signed.raw)
        assert bytes(transaction) == signed.raw
        assert all(transaction.verify_with_results())
        assert str(transaction.signatures[0]) == signed.hash
        assert without_signature(signed.raw) == payload

    def test_the_unsigned_form_is_that_of_solders(self) -> None:
        payload = encode(_plain())
        message = MessageV0.from_bytes(payload[1:])
        expected = VersionedTransaction.populate(message, [Signature.default()])
        assert with_signature(payload, bytes(64)) == bytes(expected)

    @pytest.mark.parametrize("size", [0, 63, 64, 65, 128])
    def test_a_signature_that_is_not_the_payers_is_refused(self, size: int) -> None:
        with pytest.raises(ChainError) as caught:
            attach(encode(_plain()), bytes(size))
        assert caught.value.code == Code.PAYLOAD_MISMATCH

    def test_a_signature_over_other_bytes_is_refused(self) -> None:
        other = bytes(_PAYER.sign_message(encode(_plain(amount=6))))
        with pytest.raises(ChainError):
            attach(encode(_plain()), other)

    def test_a_payment_lands_on_the_real_runtime(self) -> None:
        svm = LiteSVM().with_blockhash_check(check=False)
        svm.set_account(_PAYER.pubkey(), Account(10**10, b"", SYSTEM_PROGRAM))
        payload = encode(_plain(amount=10**9, memo="hi", unit_limit=30_000, unit_price=10_000))
        signed = attach(payload, bytes(_PAYER.sign_message(payload)))
        result = svm.send_transaction(VersionedTransaction.from_bytes(signed.raw))
        assert not isinstance(result, FailedTransactionMetadata)
        assert result.fee() == payment(payload).max_fee == 5_300
        assert svm.get_balance(_TO) == 10**9


class TestRecipients:
    @given(st.integers(0, 2**64))
    def test_every_key_holder_can_be_paid(self, seed: int) -> None:
        address = str(Keypair.from_seed(seed.to_bytes(32)).pubkey())
        assert recipient(address) == address

    @given(_KEYS)
    def test_an_address_without_a_key_is_refused(self, key: Pubkey) -> None:
        if not key.is_on_curve():
            with pytest.raises(InputError, match="no private key"):
                recipient(str(key))

    @given(st.text(_LETTERS, max_size=60).filter(lambda text: len(text) not in range(32, 45)))
    def test_text_that_is_no_address_is_refused(self, text: str) -> None:
        with pytest.raises(InputError) as caught:
            recipient(text)
        assert caught.value.code == Code.INVALID_ADDRESS
        assert caught.value.details["issues"][0]["path"] == "to"

    @pytest.mark.parametrize("bend", [str.lower, str.upper])
    def test_an_address_that_lost_its_case_is_refused(self, bend: Callable[[str], str]) -> None:
        """The first of these still decodes to a point of the curve: money sent there would be nobody's."""
        with pytest.raises(InputError, match=r"one case only|base58"):
            recipient(bend("92VcKcwPfw7vWtiDAW4bGgHKPFn4mybkJRoHKrmNQbYZ"))

    @pytest.mark.parametrize(
        "address",
        [
            "11111111111111111111111111111111",
            "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
            "ComputeBudget111111111111111111111111111111",
            "SysvarC1ock11111111111111111111111111111111",
            "SysvarRent111111111111111111111111111111111",
            "1nc1nerator11111111111111111111111111111111",
        ],
    )
    def test_programs_and_system_accounts_are_refused(self, address: str) -> None:
        with pytest.raises(InputError, match="program or system account"):
            recipient(address)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "0x52908400098527886E0F7030069857D2E4169EE7",
            f" {_TO}",
            f"{_TO}\n",
            f"{_TO}1",
            f"1{_TO}",
            str(_TO)[:-1] + "0",
            "1" * 31,
            "1" * 10_000,
        ],
    )
    def test_a_wrong_spelling_is_refused(self, text: str) -> None:
        with pytest.raises(InputError):
            recipient(text)

    def test_case_is_kept(self) -> None:
        assert recipient(str(_TO)) == str(_TO)

    def test_a_derived_address_is_refused(self) -> None:
        derived, _ = Pubkey.find_program_address([b"vault"], MEMO_PROGRAM)
        with pytest.raises(InputError):
            recipient(str(derived))
