"""Both doors over small operations, without a network."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.doors import FakeDaemon, agent_client, owner_client
from tests.support.operations import PASSWORD


@pytest.fixture
def daemon() -> FakeDaemon:
    return FakeDaemon()


@pytest.fixture
async def agent(daemon: FakeDaemon) -> AsyncIterator[httpx.AsyncClient]:
    async with agent_client(daemon) as client:
        yield client


@pytest.fixture
async def stranger(daemon: FakeDaemon) -> AsyncIterator[httpx.AsyncClient]:
    async with agent_client(daemon, token=None) as client:
        yield client


@pytest.fixture
async def owner(daemon: FakeDaemon) -> AsyncIterator[httpx.AsyncClient]:
    """Holds the socket and the master password."""
    async with owner_client(daemon, PASSWORD) as client:
        yield client


@pytest.fixture
async def holder(daemon: FakeDaemon) -> AsyncIterator[httpx.AsyncClient]:
    """Holds the socket only."""
    async with owner_client(daemon) as client:
        yield client
