"""The sandbox's own offer on the chat page, for a program: who may take it, when, and what comes back."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.support.telegram_sandbox import TelegramSandbox, telegram_sandbox


@pytest.fixture
def sandbox() -> Iterator[TelegramSandbox]:
    with telegram_sandbox("--exit-with-stdin") as running:
        yield running


@pytest.fixture
async def http(sandbox: TelegramSandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox.api, timeout=10) as client:
        yield client


async def offered(http: httpx.AsyncClient, state: str | None) -> None:
    async with asyncio.timeout(5):
        while True:
            if (await http.get("/chat/info")).json()["offer"] == state:
                return
            await asyncio.sleep(0.01)


async def take(http: httpx.AsyncClient) -> httpx.Response:
    return await http.post("/chat/sessions", json={})


async def test_nothing_is_offered_before_the_parent_says_so(http: httpx.AsyncClient) -> None:
    assert (await http.get("/chat/info")).json()["offer"] is None

    answer = await take(http)

    assert answer.status_code == 409
    assert answer.json() == {"error": "no new demo session is offered now"}


async def test_a_press_reaches_the_parent_once_and_waits_for_its_answer(
    sandbox: TelegramSandbox, http: httpx.AsyncClient
) -> None:
    sandbox.says(offer=True)
    await offered(http, "OPEN")
    first = asyncio.create_task(take(http))
    assert await asyncio.to_thread(sandbox.hears) == {"pressed": "new_demo_session"}

    second = await take(http)
    sandbox.says(offer=False, failed=None)

    assert second.status_code == 409
    assert (await first).status_code == 201
    assert (await first).json() == {"made": True}
    await offered(http, None)


async def test_a_failure_is_told_and_the_offer_stands(
    sandbox: TelegramSandbox, http: httpx.AsyncClient
) -> None:
    sandbox.says(offer=True)
    await offered(http, "OPEN")
    pressed = asyncio.create_task(take(http))
    await asyncio.to_thread(sandbox.hears)

    sandbox.says(offer=True, failed="the daemon is away")

    assert (await pressed).status_code == 502
    assert (await pressed).json() == {"error": "the daemon is away"}
    await offered(http, "OPEN")


async def test_lines_that_mean_nothing_change_nothing(
    sandbox: TelegramSandbox, http: httpx.AsyncClient
) -> None:
    sandbox.says(offer=True)
    await offered(http, "OPEN")
    assert sandbox.process.stdin is not None

    sandbox.process.stdin.write('{"offer\n[]\n7\n{"failed": "why"}\n\n')
    sandbox.process.stdin.flush()
    sandbox.says(other=False)
    pressed = asyncio.create_task(take(http))
    await asyncio.to_thread(sandbox.hears)
    sandbox.says(offer=False, failed=None)

    assert (await pressed).status_code == 201


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"origin": "http://evil.example"}, b"{}", 403),
        ({"host": "localhost"}, b"{}", 403),
        ({"content-type": "text/plain"}, b"{}", 415),
        ({}, b"[]", 400),
        ({}, b'{"as": "stranger"}', 403),
        ({}, b'{"as": "bot"}', 400),
    ],
)
async def test_other_pages_forms_and_strangers_cannot_take_it(
    sandbox: TelegramSandbox,
    http: httpx.AsyncClient,
    headers: dict[str, str],
    content: bytes,
    status: int,
) -> None:
    sandbox.says(offer=True)
    await offered(http, "OPEN")

    kind = {"content-type": "application/json"}
    answer = await http.post("/chat/sessions", content=content, headers=kind | headers)

    assert answer.status_code == status
    await offered(http, "OPEN")


async def test_the_process_ends_while_a_press_waits(
    sandbox: TelegramSandbox, http: httpx.AsyncClient
) -> None:
    sandbox.says(offer=True)
    await offered(http, "OPEN")
    pressed = asyncio.create_task(take(http))
    await asyncio.to_thread(sandbox.hears)

    sandbox.process.terminate()

    assert await asyncio.to_thread(sandbox.process.wait, 2) == 0
    assert (await pressed).status_code == 502
