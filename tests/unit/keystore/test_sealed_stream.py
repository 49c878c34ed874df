"""A backup file that is not, byte for byte, what was written is refused."""

import hashlib
import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet.errors import Code, KeystoreError
from wallet.keystore.profiles import CHEAPEST, MODERATE, Argon2, Kind
from wallet.keystore.sealed_stream import (
    CHUNK_BYTES,
    MAGIC,
    PREAMBLE_BYTES,
    SealedReader,
    SealedWriter,
    parse_preamble,
)

PASSWORD = "correct horse battery staple"
TAG = 17  # secretstream's bytes per chunk


def sealed(plain: bytes, password: str = PASSWORD) -> bytes:
    file = io.BytesIO()
    writer = SealedWriter(file, password, Kind.SANDBOX, CHEAPEST)
    writer.write(plain)
    writer.finish()
    return file.getvalue()


def opened(raw: bytes, size: int, password: str = PASSWORD) -> bytes:
    reader = SealedReader(io.BytesIO(raw), password)
    plain = reader.read(size)
    reader.finish()
    return plain


def refusal(raw: bytes, size: int, password: str = PASSWORD) -> Code:
    with pytest.raises(KeystoreError) as caught:
        opened(raw, size, password)
    return caught.value.code


def renewed(raw: bytes) -> bytes:
    """The same with a checksum that fits: what somebody does who knows the format."""
    return raw[:104] + hashlib.sha256(raw[:104]).digest() + raw[PREAMBLE_BYTES:]


SHORT_PLAIN = b"a backup"
SHORT = sealed(SHORT_PLAIN)
LONG_PLAIN = bytes(2 * CHUNK_BYTES + 1000)
LONG = sealed(LONG_PLAIN)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 300_000])
def test_what_was_written_is_read(size: int) -> None:
    plain = bytes(n % 251 for n in range(size))
    raw = sealed(plain)
    chunks = max(1, -(-size // CHUNK_BYTES))

    assert opened(raw, size) == plain
    assert len(raw) == PREAMBLE_BYTES + size + TAG * chunks


def test_two_files_of_the_same_contents_share_nothing_but_the_first_bytes() -> None:
    other = sealed(SHORT_PLAIN)
    assert other[:32] == SHORT[:32]
    assert other[32:48] != SHORT[32:48]
    assert other[PREAMBLE_BYTES:] != SHORT[PREAMBLE_BYTES:]


@pytest.mark.parametrize("length", range(len(SHORT)))
def test_a_file_cut_at_any_byte_is_refused(length: int) -> None:
    assert refusal(SHORT[:length], len(SHORT_PLAIN)) is Code.BACKUP_DAMAGED


@pytest.mark.parametrize("place", range(len(SHORT)))
def test_a_change_of_any_byte_is_damage_and_not_a_wrong_password(place: int) -> None:
    bent = bytearray(SHORT)
    bent[place] ^= 1 << place % 8
    is_version = place in (14, 15)
    expected = Code.BACKUP_UNSUPPORTED if is_version else Code.BACKUP_DAMAGED
    assert refusal(bytes(bent), len(SHORT_PLAIN)) is expected


@given(st.integers(0, len(LONG) - 1))
def test_a_long_file_cut_anywhere_is_refused(length: int) -> None:
    assert refusal(LONG[:length], len(LONG_PLAIN)) is Code.BACKUP_DAMAGED


@given(st.integers(PREAMBLE_BYTES, len(LONG) - 1), st.integers(0, 7))
def test_a_bit_changed_anywhere_in_a_long_file_is_noticed(place: int, bit: int) -> None:
    bent = bytearray(LONG)
    bent[place] ^= 1 << bit
    assert refusal(bytes(bent), len(LONG_PLAIN)) is Code.BACKUP_DAMAGED


def parts(raw: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    body, whole = raw[PREAMBLE_BYTES:], CHUNK_BYTES + TAG
    return raw[:PREAMBLE_BYTES], body[:whole], body[whole : 2 * whole], body[2 * whole :]


@pytest.mark.parametrize(
    "bend",
    [
        lambda head, one, two, last: head + two + one + last,
        lambda head, one, two, last: head + one + last,
        lambda head, one, two, last: head + one + one + two + last,
        lambda head, one, two, last: head + one + two,
        lambda head, one, two, last: head + one + two + last + b"\0",
        lambda head, one, two, last: head + one + two + last + last,
        lambda head, one, two, last: parts(sealed(LONG_PLAIN))[0] + one + two + last,
    ],
    ids=["swapped", "left out", "twice", "no end", "more", "two ends", "another head"],
)
def test_chunks_stay_where_they_were_put(bend: Callable[..., bytes]) -> None:
    assert refusal(bend(*parts(LONG)), len(LONG_PLAIN)) is Code.BACKUP_DAMAGED


def test_nothing_follows_a_final_chunk_that_is_full() -> None:
    """A shorter one would be read together with what follows, and not open."""
    assert refusal(sealed(bytes(CHUNK_BYTES)) + b"\0", CHUNK_BYTES) is Code.BACKUP_DAMAGED


@pytest.mark.parametrize("size", [len(SHORT_PLAIN) - 1, len(SHORT_PLAIN) + 1])
def test_more_or_less_than_was_said_is_damage(size: int) -> None:
    assert refusal(SHORT, size) is Code.BACKUP_DAMAGED


def test_a_wrong_password_is_told_from_damage() -> None:
    assert refusal(SHORT, len(SHORT_PLAIN), "another password") is Code.WRONG_PASSWORD
    assert refusal(LONG[:-1], len(LONG_PLAIN), "another password") is Code.WRONG_PASSWORD


@pytest.mark.parametrize("place", [32, 47, 48, 71, 72, 103])
def test_a_changed_preamble_with_a_new_checksum_opens_nothing(place: int) -> None:
    bent = bytearray(SHORT)
    bent[place] ^= 1
    assert refusal(renewed(bytes(bent)), len(SHORT_PLAIN)) is Code.WRONG_PASSWORD


@pytest.mark.parametrize(
    ("place", "value"),
    [(16, 1), (16, 3), (17, 1), (20, 0xFF), (24, 0xFF), (28, 0xFF), (22, 0), (27, 0), (31, 0)],
    ids=["too cheap", "kind", "pad", "memory", "passes", "lanes", "no memory", "none", "zero"],
)
def test_parameters_out_of_bounds_cost_nothing(place: int, value: int) -> None:
    """Refused before any derivation: a file must not stop the machine, nor be cheap to guess at."""
    bent = bytearray(SHORT)
    bent[place] = value
    with pytest.raises(KeystoreError) as caught:
        parse_preamble(renewed(bytes(bent))[:PREAMBLE_BYTES])
    assert caught.value.code is Code.BACKUP_DAMAGED


def test_the_fields_stand_where_the_description_says() -> None:
    file = io.BytesIO()
    SealedWriter(file, PASSWORD, Kind.PRODUCTION, MODERATE).finish()
    raw = file.getvalue()

    assert raw[:14] == MAGIC == b"waiaas-backup\n"
    assert raw[14:20] == bytes([0, 1, 1, 0, 0, 0])
    assert [int.from_bytes(raw[n : n + 4]) for n in (20, 24, 28)] == [65536, 3, 4]
    assert len(raw) == PREAMBLE_BYTES + TAG
    assert parse_preamble(raw[:PREAMBLE_BYTES]).kdf == Argon2(65536, 3, 4)
