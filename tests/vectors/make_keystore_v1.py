"""Makes keystore_v1.json from the byte-level description of the format, without the product's code.

    python -m tests.vectors.make_keystore_v1 > tests/vectors/keystore_v1.json

AES-256-GCM is written out below from FIPS 197 and SP 800-38D; Argon2id comes from argon2-cffi, the
public keys from eth-account and solders. Salts, nonces and keys are fixed, so every run prints the same.
"""

import json
import sys
from typing import Any

from argon2.low_level import Type, hash_secret_raw
from eth_account import Account
from solders.keypair import Keypair


def _sbox() -> list[int]:
    table, p, q = [0] * 256, 1, 1
    while True:
        p = p ^ (p << 1) & 0xFF ^ (0x1B if p & 0x80 else 0)
        for shift in (1, 2, 4):
            q ^= q << shift & 0xFF
        q ^= 0x09 if q & 0x80 else 0
        turned = [(q << n | q >> (8 - n)) & 0xFF for n in range(5)]
        table[p] = turned[0] ^ turned[1] ^ turned[2] ^ turned[3] ^ turned[4] ^ 0x63
        if p == 1:
            table[0] = 0x63
            return table


SBOX = _sbox()


def _double(x: int) -> int:
    return (x << 1) & 0xFF ^ (0x1B if x & 0x80 else 0)


def _round_keys(key: bytes) -> list[bytes]:
    words, rcon = [key[n : n + 4] for n in range(0, 32, 4)], 1
    for n in range(8, 60):
        word = words[-1]
        if n % 8 == 0:
            word = bytes(SBOX[b] for b in word[1:] + word[:1])
            word, rcon = bytes([word[0] ^ rcon, *word[1:]]), _double(rcon)
        elif n % 8 == 4:
            word = bytes(SBOX[b] for b in word)
        words.append(bytes(a ^ b for a, b in zip(words[n - 8], word, strict=True)))
    return [b"".join(words[n : n + 4]) for n in range(0, 60, 4)]


def aes256(key: bytes, block: bytes) -> bytes:
    keys = _round_keys(key)
    state = [a ^ b for a, b in zip(block, keys[0], strict=True)]
    for number in range(1, 15):
        state = [SBOX[state[(n + 4 * (n % 4)) % 16]] for n in range(16)]  # SubBytes, ShiftRows
        if number < 14:
            mixed = []
            for column in range(0, 16, 4):
                a = state[column : column + 4]
                mixed += [
                    _double(a[n])
                    ^ _double(a[(n + 1) % 4])
                    ^ a[(n + 1) % 4]
                    ^ a[(n + 2) % 4]
                    ^ a[(n + 3) % 4]
                    for n in range(4)
                ]
            state = mixed
        state = [a ^ b for a, b in zip(state, keys[number], strict=True)]
    return bytes(state)


def _times(x: int, y: int) -> int:
    product = 0
    for bit in range(127, -1, -1):
        if x >> bit & 1:
            product ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return product


def aes256_gcm(key: bytes, iv: bytes, plain: bytes) -> tuple[bytes, bytes]:
    """(ciphertext, tag) with a 12-byte nonce and no associated data."""
    stream = b"".join(aes256(key, iv + (n + 2).to_bytes(4)) for n in range(-(-len(plain) // 16)))
    ciphertext = bytes(a ^ b for a, b in zip(plain, stream, strict=False))
    h, y = int.from_bytes(aes256(key, bytes(16))), 0
    padded = ciphertext + bytes(-len(ciphertext) % 16)
    lengths = bytes(8) + (8 * len(ciphertext)).to_bytes(8)
    for at in range(0, len(padded) + 16, 16):
        y = _times(y ^ int.from_bytes((padded + lengths)[at : at + 16]), h)
    mask = int.from_bytes(aes256(key, iv + (1).to_bytes(4)))
    return ciphertext, (y ^ mask).to_bytes(16)


def key_file(about: dict[str, Any]) -> str:
    """The text of one file, field by field as the description lists them."""
    secret, password = bytes.fromhex(about["secret"]), about["password"]
    if about["chain"] == "solana":
        pair = Keypair.from_seed(secret)
        public, plain = str(pair.pubkey()), secret + bytes(pair.pubkey())
    else:
        public, plain = Account.from_key(secret).address, secret
    salt, iv = bytes.fromhex(about["salt"]), bytes.fromhex(about["iv"])
    key = hash_secret_raw(password.encode(), salt, 3, 65536, 4, 32, Type.ID)
    ciphertext, tag = aes256_gcm(key, iv, plain)
    return f"""{{
  "version": 1,
  "id": "{about["id"]}",
  "chain": "{about["chain"]}",
  "network": "{about["network"]}",
  "publicKey": "{public}",
  "crypto": {{
    "cipher": "aes-256-gcm",
    "cipherparams": {{
      "iv": "{iv.hex()}"
    }},
    "ciphertext": "{ciphertext.hex()}",
    "authTag": "{tag.hex()}",
    "kdf": "argon2id",
    "kdfparams": {{
      "salt": "{salt.hex()}",
      "memoryCost": 65536,
      "timeCost": 3,
      "parallelism": 4,
      "hashLength": 32
    }}
  }},
  "metadata": {{
    "name": "{about["name"]}",
    "createdAt": "2026-02-05T10:00:00.000Z",
    "lastUnlockedAt": {json.dumps(about["lastUnlockedAt"])}
  }}
}}"""


CASES: list[dict[str, Any]] = [
    {
        "chain": "solana", "network": "devnet", "name": "trading-bot", "password": "correct horse battery staple",
        "secret": bytes(range(32)).hex(), "salt": bytes(range(16)).hex(), "iv": bytes(range(12)).hex(),
        "id": "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d", "lastUnlockedAt": None,
    },
    {
        "chain": "ethereum", "network": "sepolia", "name": "käse", "password": "pässwörd ☃",
        "secret": bytes(range(1, 33)).hex(), "salt": "ff" * 16, "iv": "a0" * 12,
        "id": "ffffffff-ffff-4fff-bfff-ffffffffffff", "lastUnlockedAt": "2026-02-06T00:00:00Z",
    },
    {
        "chain": "ethereum", "network": "polygon-mainnet", "name": "empty password", "password": "",
        "secret": "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140",
        "salt": "00" * 16, "iv": "00" * 12,
        "id": "00000000-0000-4000-8000-000000000000", "lastUnlockedAt": None,
    },
]  # fmt: skip


def made() -> str:
    cases = [{**case, "file": key_file(case)} for case in CASES]
    return (
        json.dumps({"made": "tests/vectors/make_keystore_v1.py", "cases": cases}, indent=1) + "\n"
    )


if __name__ == "__main__":
    sys.stdout.write(made())
