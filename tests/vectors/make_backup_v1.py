"""Makes backup_v1.json from docs/backup-format.md, without the product's code and without libsodium.

    python -m tests.vectors.make_backup_v1 > tests/vectors/backup_v1.json

ChaCha20, HChaCha20 and Poly1305 are written out below from RFC 8439 and draft-irtf-cfrg-xchacha, the stream
from libsodium's description of secretstream; Argon2id comes from argon2-cffi. Salt and stream header are
fixed, so every run prints the same.
"""

import base64
import hashlib
import hmac
import json
import struct
import sys
from pathlib import Path
from typing import Any

from argon2.low_level import Type, hash_secret_raw

CHUNK = 65_536
MESSAGE, FINAL = 0, 3
KEYSTORE = json.loads(Path(__file__).with_name("keystore_v2_root.json").read_text())
_QUARTERS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
             (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))  # fmt: skip


def _rounds(words: list[int]) -> list[int]:
    x = list(words)
    for _ in range(10):
        for a, b, c, d in _QUARTERS:
            for one, two, three, turn in (
                (a, b, d, 16),
                (c, d, b, 12),
                (a, b, d, 8),
                (c, d, b, 7),
            ):
                x[one] = (x[one] + x[two]) & 0xFFFFFFFF
                mixed = x[three] ^ x[one]
                x[three] = (mixed << turn | mixed >> (32 - turn)) & 0xFFFFFFFF
    return x


def _start(key: bytes, rest: bytes) -> list[int]:
    return list(struct.unpack("<16I", b"expand 32-byte k" + key + rest))


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    x = _rounds(_start(key, nonce))
    return struct.pack("<8I", *x[:4], *x[12:])


def chacha20(key: bytes, nonce: bytes, counter: int, data: bytes) -> bytes:
    out = bytearray()
    for at in range(0, len(data), 64):
        start = _start(key, struct.pack("<I", counter + at // 64) + nonce)
        words = ((a + b) & 0xFFFFFFFF for a, b in zip(start, _rounds(start), strict=True))
        stream = struct.pack("<16I", *words)
        out += bytes(a ^ b for a, b in zip(data[at : at + 64], stream, strict=False))
    return bytes(out)


def poly1305(key: bytes, data: bytes) -> bytes:
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for at in range(0, len(data), 16):
        block = data[at : at + 16] + b"\1"
        total = (total + int.from_bytes(block, "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


class SecretStream:
    """The sending side. Never long enough here for its counter to come round."""

    def __init__(self, key: bytes, header: bytes) -> None:
        self._key = hchacha20(key, header[:16])
        self._counter, self._inner = 1, header[16:]

    def push(self, plain: bytes, associated: bytes, tag: int) -> bytes:
        nonce = struct.pack("<I", self._counter) + self._inner
        mac_key = chacha20(self._key, nonce, 0, bytes(64))[:32]
        first = chacha20(self._key, nonce, 1, bytes([tag]) + bytes(63))
        sealed = chacha20(self._key, nonce, 2, plain)
        covered = associated + bytes(-len(associated) % 16) + first + sealed
        covered += bytes(len(plain) % 16)  # not to a multiple of 16: so it is in libsodium
        covered += struct.pack("<QQ", len(associated), 64 + len(plain))
        mac = poly1305(mac_key, covered)
        self._inner = bytes(a ^ b for a, b in zip(self._inner, mac, strict=False))
        self._counter += 1
        return first[:1] + sealed + mac


def backup(about: dict[str, Any], files: dict[str, bytes]) -> bytes:
    """The bytes of one file, field by field as the description lists them."""
    salt, header = bytes.fromhex(about["salt"]), bytes.fromhex(about["stream_header"])
    memory, passes, lanes = about["kdf"]
    output = hash_secret_raw(about["password"].encode(), salt, passes, memory, lanes, 64, Type.ID)
    fields = b"waiaas-backup\n" + struct.pack(">HB3xIII", 1, 2, memory, passes, lanes)
    fields += salt + header
    checked = fields + hmac.digest(output[32:], b"waiaas/backup/1/password\0" + fields, "sha256")
    preamble = checked + hashlib.sha256(checked).digest()
    plain = inside(about, files)
    stream, body = SecretStream(output[:32], header), b""
    chunks = [plain[at : at + CHUNK] for at in range(0, len(plain), CHUNK)]
    for number, chunk in enumerate(chunks, 1):
        body += stream.push(chunk, preamble, FINAL if number == len(chunks) else MESSAGE)
    return preamble + body


def inside(about: dict[str, Any], files: dict[str, bytes]) -> bytes:
    listed = ",".join(
        f'{{"name":"{name}","sha256":"{hashlib.sha256(data).hexdigest()}","size":{len(data)}}}'
        for name, data in sorted(files.items())
    )
    manifest = (
        f'{{"audit":{{"head":"{"0f" * 32}","number":42}},"created_at":1800000000000,"files":[{listed}],'
        f'"keystore_id":"{about["keystore_id"]}","kind":"sandbox","product":"0.1.0","version":1}}'
    ).encode()
    return len(manifest).to_bytes(4) + manifest + b"".join(files[name] for name in sorted(files))


def files(database: bytes) -> dict[str, bytes]:
    keystore = {f"keystore/{name}": text.encode() for name, text in KEYSTORE["files"].items()}
    return {**keystore, "kind": b"sandbox\n", "config.toml": b"", "waiaas.db": database}


ABOUT: dict[str, Any] = {
    "password": "pässwörd ☃",
    "kdf": [1024, 1, 1],
    "salt": bytes(range(16)).hex(),
    "stream_header": bytes(range(100, 124)).hex(),
    "keystore_id": json.loads(KEYSTORE["files"]["header.json"])["keystore_id"],
}
SHORT_DATABASE = b"no database"
LONG_DATABASE = bytes(n * n % 251 for n in range(140_000))  # three chunks


def made() -> str:
    short, long = backup(ABOUT, files(SHORT_DATABASE)), backup(ABOUT, files(LONG_DATABASE))
    body = {
        "made": "tests/vectors/make_backup_v1.py",
        **ABOUT,
        "file": base64.b64encode(short).decode(),
        "long_file_bytes": len(long),
        "long_file_sha256": hashlib.sha256(long).hexdigest(),
    }
    return json.dumps(body, indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(made())
