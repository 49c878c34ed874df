"""One sandbox for all tests that leave it as they found it; those that stop or kill it start their own."""

from collections.abc import Iterator

import pytest

from tests.support.sandbox import Sandbox, sandbox


@pytest.fixture(scope="session")
def shared() -> Iterator[Sandbox]:
    with sandbox("--delay-seconds", "3") as running:
        yield running
