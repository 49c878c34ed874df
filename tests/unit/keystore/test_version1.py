"""Key files of version 1: strict in, exact out, never a wrong key."""

import json
from dataclasses import replace
from typing import Any

import pytest
from Crypto.Cipher import AES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wallet.errors import Code, InputError, KeystoreError, WalletError
from wallet.keystore import version1
from wallet.keystore.kdf import derive
from wallet.keystore.profiles import CHEAPEST
from wallet.keystore.version1 import Described, KeyFile

PASSWORD = "of the file"
SECRET = bytes(range(1, 33))
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
cheap = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))


def made(chain: str, secret: bytes = SECRET, password: str = PASSWORD) -> KeyFile:
    about = Described(chain=chain, network="sepolia", name="one", created_at=1_700_000_000_123)
    return version1.seal_key(about, secret, password, CHEAPEST)


FILES = {chain: made(chain) for chain in ("ethereum", "solana")}
TEXTS = {chain: file.to_text() for chain, file in FILES.items()}
chains = pytest.mark.parametrize("chain", sorted(FILES))


def changed(chain: str, path: str, value: Any) -> bytes:
    """The file with one field changed; ``...`` takes it away."""
    body = json.loads(TEXTS[chain])
    *steps, last = path.split(".")
    part = body
    for step in steps:
        part = part[step]
    if value is ...:
        del part[last]
    else:
        part[last] = value
    return json.dumps(body).encode()


def refused(raw: bytes, password: str = PASSWORD) -> KeystoreError:
    with pytest.raises(KeystoreError) as caught:
        version1.open_key(version1.parse(raw), password)
    assert SECRET.hex() not in caught.value.message
    assert PASSWORD not in caught.value.message
    return caught.value


@chains
def test_what_is_written_opens_again(chain: str) -> None:
    file = version1.parse(TEXTS[chain])

    assert file == FILES[chain]
    assert version1.open_key(file, PASSWORD) == SECRET
    assert file.created_at == "2023-11-14T22:13:20.123Z"
    assert file.last_unlocked_at is None


def test_a_new_file_has_the_parameters_of_the_description() -> None:
    about = Described(chain="solana", network="devnet", name="x", created_at=0)
    file = version1.seal_key(about, SECRET, PASSWORD)

    assert (file.kdf.memory_kib, file.kdf.time_cost, file.kdf.parallelism) == (65536, 3, 4)


def test_every_file_has_a_salt_and_a_nonce_of_its_own() -> None:
    one, other = made("ethereum"), made("ethereum")
    assert one.salt != other.salt
    assert one.iv != other.iv
    assert one.file_id != other.file_id


@cheap
@given(st.integers(1, ORDER - 1), st.text(max_size=30), st.sampled_from(sorted(FILES)))
def test_any_key_and_any_password_make_the_round_trip(
    scalar: int, password: str, chain: str
) -> None:
    secret = scalar.to_bytes(32)
    file = made(chain, secret, password)

    again = version1.parse(file.to_text())

    assert version1.open_key(again, password) == secret
    assert secret.hex() not in file.to_text().decode()


@chains
@pytest.mark.parametrize("password", ["", "of the filf", "of the file ", "OF THE FILE"])
def test_a_wrong_password_opens_nothing(chain: str, password: str) -> None:
    assert refused(TEXTS[chain], password).code is Code.KEYSTORE_DECRYPT_FAILED


@chains
@pytest.mark.parametrize("field", ["ciphertext", "authTag", "cipherparams.iv", "kdfparams.salt"])
def test_a_flipped_bit_opens_nothing(chain: str, field: str) -> None:
    body: Any = json.loads(TEXTS[chain])["crypto"]
    for step in field.split("."):
        body = body[step]
    bent = f"{int(body[0], 16) ^ 1:x}{body[1:]}"

    error = refused(changed(chain, f"crypto.{field}", bent))

    assert error.code is Code.KEYSTORE_DECRYPT_FAILED


@pytest.mark.parametrize("version", [2, 0, "1", 1.0, True, None, 3])
def test_another_version_is_named_as_such(version: object) -> None:
    error = refused(changed("ethereum", "version", version))
    assert error.code is Code.UNSUPPORTED_KEYSTORE_VERSION


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", "not-a-uuid"), ("id", 7), ("id", ...), ("chain", "bitcoin"), ("chain", None),
        ("network", 1), ("network", ...), ("network", "\ud800"), ("publicKey", None),
        ("crypto", []), ("crypto", ...), ("crypto.cipher", "aes-128-ctr"), ("crypto.cipher", ...),
        ("crypto.cipherparams.iv", "00" * 16), ("crypto.cipherparams.iv", "0g" * 12),
        ("crypto.cipherparams.more", 1), ("crypto.ciphertext", "00" * 64), ("crypto.ciphertext", ""),
        ("crypto.authTag", "00" * 12), ("crypto.kdf", "scrypt"), ("crypto.mac", "00"),
        ("crypto.kdfparams.salt", "00" * 8), ("crypto.kdfparams.hashLength", 16),
        ("crypto.kdfparams.memoryCost", 8), ("crypto.kdfparams.memoryCost", 1024 * 1024 + 1),
        ("crypto.kdfparams.memoryCost", 2**63), ("crypto.kdfparams.memoryCost", "65536"),
        ("crypto.kdfparams.memoryCost", 65536.0), ("crypto.kdfparams.memoryCost", -1),
        ("crypto.kdfparams.timeCost", 0), ("crypto.kdfparams.timeCost", 17),
        ("crypto.kdfparams.timeCost", True), ("crypto.kdfparams.parallelism", 0),
        ("crypto.kdfparams.parallelism", 17), ("crypto.kdfparams.more", 1),
        ("metadata.name", None), ("metadata.name", "a\u0000b"), ("metadata.createdAt", "yesterday"),
        ("metadata.createdAt", None), ("metadata.createdAt", "2026-01-01T00:00:00"),
        ("metadata.createdAt", "2026-01-01T00:00:00+02:00"), ("metadata.lastUnlockedAt", 1),
        ("metadata.lastUnlockedAt", ...), ("metadata.more", 1), ("more", 1),
    ],
)  # fmt: skip
def test_a_field_that_is_not_as_the_format_says_is_named(path: str, value: Any) -> None:
    error = refused(changed("ethereum", path, value))

    assert error.code is Code.KEYSTORE_IMPORT_FAILED
    assert path.split(".", maxsplit=1)[0] in error.message or "unknown fields" in error.message


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"[]", b"null", b"\xff", b"{" * 100_000, b"[" * 65 + b"]" * 65, b'{"version": NaN}',
        b'{"version": 1, "version": 1}', b'{"version": 1' + b"0" * 5000 + b"}", b" " * 70_000,
        b'{"version": 1}',
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_refused(raw: bytes) -> None:
    code = refused(raw).code
    assert code in (Code.KEYSTORE_IMPORT_FAILED, Code.UNSUPPORTED_KEYSTORE_VERSION)


@chains
def test_a_file_that_says_another_public_key_is_refused(chain: str) -> None:
    other = made(chain, bytes(reversed(SECRET))).address

    error = refused(changed(chain, "publicKey", other))

    assert error.code is Code.KEYSTORE_IMPORT_FAILED
    assert "public key" in error.message


def test_a_solana_file_whose_second_half_is_another_key_is_refused() -> None:
    file = FILES["solana"]
    key = derive(PASSWORD.encode(), file.salt, file.kdf, 32)
    plain = SECRET + bytes(32)
    ciphertext, tag = AES.new(key, AES.MODE_GCM, nonce=file.iv).encrypt_and_digest(plain)

    bent = replace(file, ciphertext=ciphertext, tag=tag).to_text()

    assert refused(bent).code is Code.KEYSTORE_IMPORT_FAILED


@pytest.mark.parametrize("scalar", [0, ORDER, 2**256 - 1])
def test_an_evm_file_without_a_key_of_the_curve_is_refused(scalar: int) -> None:
    file = FILES["ethereum"]
    key = derive(PASSWORD.encode(), file.salt, file.kdf, 32)
    cipher = AES.new(key, AES.MODE_GCM, nonce=file.iv)
    ciphertext, tag = cipher.encrypt_and_digest(scalar.to_bytes(32))

    bent = replace(file, ciphertext=ciphertext, tag=tag).to_text()

    assert refused(bent).code is Code.KEYSTORE_IMPORT_FAILED


def test_a_password_longer_than_the_format_allows_is_refused() -> None:
    with pytest.raises(InputError):
        version1.open_key(FILES["solana"], "x" * 129)
    with pytest.raises(InputError):
        version1.open_key(FILES["solana"], "\ud800")


@cheap
@given(st.data(), st.sampled_from(sorted(FILES)))
def test_a_damaged_file_gives_the_right_key_or_an_error(data: st.DataObject, chain: str) -> None:
    """Whatever is cut, doubled or overwritten: the key of the file, or a refusal that says why."""
    text = bytearray(TEXTS[chain])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        end = data.draw(st.integers(at, min(len(text), at + 4)))
        text[at:end] = data.draw(st.binary(max_size=3))
        if not text:
            break
    _right_key_or_an_error(bytes(text))


@cheap
@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(WalletError):
        version1.parse(noise)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
PATHS = (
    "version", "id", "chain", "network", "publicKey", "crypto", "crypto.cipher", "crypto.cipherparams",
    "crypto.ciphertext", "crypto.authTag", "crypto.kdf", "crypto.kdfparams", "crypto.kdfparams.salt",
    "crypto.kdfparams.memoryCost", "crypto.kdfparams.parallelism", "metadata", "metadata.name",
)  # fmt: skip


@cheap
@given(st.sampled_from(PATHS), _json, st.sampled_from(sorted(FILES)))
def test_any_value_in_any_field_gives_the_right_key_or_an_error(
    path: str, value: Any, chain: str
) -> None:
    _right_key_or_an_error(changed(chain, path, value))


def _right_key_or_an_error(raw: bytes) -> None:
    try:
        found = version1.open_key(version1.parse(raw), PASSWORD)
    except WalletError:
        return
    assert found == SECRET
