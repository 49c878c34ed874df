"""A body of brackets must not reach the parser's C stack, whatever a library did to the recursion limit."""

import subprocess
import sys

import pytest

PROBE = """
import sys
sys.setrecursionlimit(100_000)
from wallet.api.bodies import parse
from wallet.errors import InputError
from wallet.wire.transactions import SendRequest
try:
    parse(SendRequest, {body} * 40_000)
except InputError:
    print("refused")
"""


@pytest.mark.parametrize("body", ['b"["', "b'{\"a\":'"])
def test_a_body_of_brackets_is_refused_and_not_a_crash(body: str) -> None:
    probe = PROBE.replace("{body}", body)
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout.strip()) == (0, "refused")
