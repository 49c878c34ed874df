"""Sealing: a wrong password and a damaged file are different things."""

import unicodedata
from dataclasses import replace

import pytest

from wallet.errors import Code, InputError, KeystoreError
from wallet.keystore import seal
from wallet.keystore.format import Header, Sealed

KEY = bytes(range(32))


def flip(data: bytes, at: int = 0) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def code_of(header: Header, password: str) -> Code:
    with pytest.raises(KeystoreError) as caught:
        seal.open_header(header, password, "header.json")
    assert password not in str(caught.value)
    return caught.value.code


def test_the_password_opens_the_header(header: Header, password: str) -> None:
    assert len(seal.open_header(header, password, "f")) == 32
    assert seal.open_header(header, password, "f") == seal.open_header(header, password, "f")


def test_two_keystores_with_one_password_share_nothing(header: Header, password: str) -> None:
    draft = seal.HeaderDraft(
        kind=header.kind,
        keystore_id=header.keystore_id,
        created_at=header.created_at,
        bot_api_url=header.bot_api_url,
        kdf=header.kdf,
    )
    other = seal.new_header(draft, password)
    assert other.salt != header.salt
    assert seal.open_header(other, password, "f") != seal.open_header(header, password, "f")


@pytest.mark.parametrize("wrong", ["", "  ", "Correct horse battery staple", "x" * 1024])
def test_another_password_is_a_wrong_password(header: Header, wrong: str) -> None:
    if wrong:
        assert code_of(header, wrong) is Code.WRONG_PASSWORD
    else:
        with pytest.raises(InputError):
            seal.open_header(header, wrong, "f")


@pytest.mark.parametrize("password_text", ["x" * 1025, "\ud800"])
def test_a_password_that_is_too_long_or_no_text_is_an_input_error(
    header: Header, password_text: str
) -> None:
    with pytest.raises(InputError):
        seal.check_password(header, password_text)


def test_a_password_may_be_typed_composed_or_decomposed() -> None:
    composed = "Schlüssel"
    decomposed = unicodedata.normalize("NFD", composed)
    assert composed != decomposed
    assert seal.password_bytes(composed) == seal.password_bytes(decomposed)


def test_a_flipped_wrapped_key_is_damage_with_the_right_password(
    header: Header, password: str
) -> None:
    wrapped = header.wrapped_key
    for bad in (
        Sealed(flip(wrapped.nonce), wrapped.ciphertext),
        Sealed(wrapped.nonce, flip(wrapped.ciphertext)),
        Sealed(wrapped.nonce, flip(wrapped.ciphertext, -1 % 48)),
    ):
        assert code_of(replace(header, wrapped_key=bad), password) is Code.KEYSTORE_CORRUPTED


def test_every_fact_of_the_header_is_authenticated(header: Header, password: str) -> None:
    for edited in (
        replace(header, bot_api_url="https://evil.example"),
        replace(header, created_at=header.created_at + 1),
        replace(header, keystore_id="00000000-0000-4000-8000-000000000000"),
    ):
        assert code_of(edited, password) is Code.KEYSTORE_CORRUPTED


def test_salt_and_password_check_cannot_be_swapped_for_a_known_password(
    header: Header, password: str
) -> None:
    assert code_of(replace(header, salt=flip(header.salt)), password) is Code.WRONG_PASSWORD
    edited = replace(header, password_check=flip(header.password_check))
    assert code_of(edited, password) is Code.WRONG_PASSWORD


def test_a_known_passwords_check_does_not_open_anothers_key(header: Header, password: str) -> None:
    draft = seal.HeaderDraft(
        kind=header.kind,
        keystore_id=header.keystore_id,
        created_at=header.created_at,
        bot_api_url=header.bot_api_url,
        kdf=header.kdf,
    )
    attackers = seal.new_header(draft, "known")
    grafted = replace(attackers, wrapped_key=header.wrapped_key)
    assert code_of(grafted, "known") is Code.KEYSTORE_CORRUPTED


def test_sealing_twice_never_repeats_a_nonce() -> None:
    assert seal.seal(KEY, b"x", b"").nonce != seal.seal(KEY, b"x", b"").nonce


def test_what_is_sealed_opens_only_in_its_place() -> None:
    sealed = seal.seal(KEY, b"secret", b"here")

    assert seal.open_sealed(KEY, sealed, b"here", "f") == b"secret"
    for key, place in ((KEY, b"there"), (flip(KEY), b"here")):
        with pytest.raises(KeystoreError) as caught:
            seal.open_sealed(key, sealed, place, "wallets/x.json")
        assert caught.value.details["file"] == "wallets/x.json"


def test_too_little_memory_is_its_own_error(header: Header) -> None:
    # Argon2 itself refuses a memory of less than 8 KiB per lane, as it does when malloc fails.
    broken = replace(header, kdf=replace(header.kdf, parallelism=1 << 20))
    with pytest.raises(KeystoreError) as caught:
        seal.check_password(broken, "x")
    assert caught.value.code is Code.INTERNAL_ERROR
