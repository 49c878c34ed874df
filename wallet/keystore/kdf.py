"""Argon2id, one at a time in the whole process: two at once would double memory and slow both."""

import threading

from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret_raw

from wallet.errors import Code, KeystoreError
from wallet.keystore.profiles import Argon2

_ONE_AT_A_TIME = threading.Lock()


def derive(secret: bytes, salt: bytes, params: Argon2, length: int) -> bytes:
    """``length`` bytes of Argon2id. Raise a retryable INTERNAL_ERROR when memory is short."""
    try:
        with _ONE_AT_A_TIME:
            return hash_secret_raw(
                secret=secret,
                salt=salt,
                time_cost=params.time_cost,
                memory_cost=params.memory_kib,
                parallelism=params.parallelism,
                hash_len=length,
                type=Type.ID,
            )
    except HashingError as error:
        raise KeystoreError(
            Code.INTERNAL_ERROR,
            f"The key could not be derived from the password: {error}.",
            retryable=True,
            hint=f"It needs {params.memory_kib // 1024} MiB of free memory.",
        ) from None
