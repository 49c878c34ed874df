"""What a disk refuses becomes an answer with a code."""

import errno

import pytest

from wallet.bootstrap.backup import explained
from wallet.errors import Code, WalletError


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, Code.STORAGE_FULL),
        (errno.EDQUOT, Code.STORAGE_FULL),
        (errno.EROFS, Code.VALIDATION_ERROR),
        (errno.EACCES, Code.VALIDATION_ERROR),
    ],
)
def test_a_disk_that_refuses_is_an_answer(number: int, code: Code) -> None:
    with pytest.raises(WalletError) as caught, explained("try another place"):
        raise OSError(number, "refused", "/media/usb/x")
    assert caught.value.code is code
    named = code is Code.VALIDATION_ERROR
    assert ("/media/usb/x" in caught.value.message) == named
    assert (caught.value.hint == "try another place") == named
