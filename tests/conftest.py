"""How all tests run, and one sandbox for those that leave it as they found it; the others start their own."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support.production import Installation
from tests.support.sandbox import Sandbox, sandbox

# How long an example takes says nothing about the product, only about what else the machine does.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# As the daemon logs. The default paints every traceback, which is a third of the time of a test that raises.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(),
    ]
)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run ungrouped where groups were asked for: tests that share a daemon need one worker."""
    if getattr(session.config.option, "loadgroup", False):
        grouped = [item for item in session.items if item.get_closest_marker("xdist_group")]
        if not all("@" in item.nodeid for item in grouped):
            raise pytest.UsageError("this pytest-xdist does not group tests under this pytest")


@pytest.fixture(scope="session")
def shared() -> Iterator[Sandbox]:
    with sandbox("--delay-seconds", "3") as running:
        yield running


@pytest.fixture(autouse=True)
def books(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every test on a daemon that outlives it the books are right; the others check theirs at their end."""
    yield
    found = [*request.node.funcargs.values()]
    if "shared" in request.fixturenames:
        found.append(request.getfixturevalue("shared"))
    for value in found:
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, Sandbox | Installation) and one.is_running:
                one.books_are_right()
