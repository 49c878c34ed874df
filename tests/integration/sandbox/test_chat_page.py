"""The chat page in a real browser: what the visitor of the sandbox sees and presses."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, Request, async_playwright, expect

from tests.support.browser import ARGUMENTS, chromium_path
from tests.support.telegram_sandbox import TelegramSandbox, Visitor, telegram_sandbox

CARD = {
    "text": "<b>Approve 0.5 ETH?</b>\nto <code>0xA1</code>",
    "parse_mode": "HTML",
    "reply_markup": {
        "inline_keyboard": [
            [
                {"text": "Approve", "callback_data": "a:1"},
                {"text": "Reject", "callback_data": "a:2"},
            ],
            [{"text": "Explorer", "url": "https://example.org"}],
        ]
    },
}


class BotCalls:
    """The Bot API by hand, so that a test decides when the bot answers."""

    def __init__(self, sandbox: TelegramSandbox) -> None:
        self._http = httpx.AsyncClient(base_url=f"{sandbox.api}/bot{sandbox.token}", timeout=30)
        self._offset = 0

    async def call(self, method: str, **params: Any) -> Any:
        answer = (await self._http.post(f"/{method}", json=params)).json()
        assert answer["ok"], answer
        return answer["result"]

    async def send(self, **content: Any) -> int:
        message = await self.call("sendMessage", chat_id=1001, **content)
        number: int = message["message_id"]
        return number

    async def next_update(self) -> dict[str, Any]:
        update: dict[str, Any]
        [update] = await self.call("getUpdates", offset=self._offset, timeout=10, limit=1)
        self._offset = update["update_id"] + 1
        return update

    async def waiting(self) -> list[dict[str, Any]]:
        updates: list[dict[str, Any]] = await self.call("getUpdates", offset=self._offset)
        return updates

    async def close(self) -> None:
        await self._http.aclose()


@pytest.fixture(scope="module")
def chromium() -> str:
    return chromium_path()


@pytest.fixture
def sandbox() -> Iterator[TelegramSandbox]:
    with telegram_sandbox("--bot-name", "Wallet", "--exit-with-stdin") as running:
        yield running


@pytest.fixture
async def bot(sandbox: TelegramSandbox) -> AsyncIterator[BotCalls]:
    calls = BotCalls(sandbox)
    yield calls
    await calls.close()


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield launched
        await launched.close()


@pytest.fixture
async def page(browser: Browser, sandbox: TelegramSandbox) -> AsyncIterator[Page]:
    """The owner's chat; a script error, a refused load or a foreign request fails the test."""
    opened = await browser.new_page(viewport={"width": 480, "height": 800})
    troubles: list[str] = []

    def requested(request: Request) -> None:
        if not request.url.startswith((sandbox.api, "data:")):
            troubles.append(f"asked {request.url}")

    opened.on("request", requested)
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("console", lambda line: troubles.append(line.text) if line.type == "error" else None)
    await opened.goto(sandbox.chat)
    yield opened
    await opened.close()
    assert troubles == []


async def start(page: Page) -> None:
    await page.get_by_role("button", name="START").click()
    await expect(page.locator(".message .text")).to_contain_text("/start")


async def test_pressing_start_writes_to_the_bot(page: Page, bot: BotCalls) -> None:
    await expect(page.get_by_text("What can this bot do?")).to_be_visible()
    await start(page)
    update = await bot.next_update()
    assert update["message"]["text"] == "/start"
    await expect(page.get_by_text("What can this bot do?")).to_have_count(0)
    await expect(page.get_by_role("status").first).to_have_text("bot · online")


async def test_a_pairing_link_offers_start_and_sends_its_code(
    page: Page, sandbox: TelegramSandbox, bot: BotCalls
) -> None:
    await bot.send(text="An older message")
    await page.goto(f"{sandbox.chat}?start=ABCDE12345")
    await page.get_by_role("button", name="START").click()
    assert (await bot.next_update())["message"]["text"] == "/start ABCDE12345"
    await expect(page.get_by_label("Message", exact=True)).to_be_visible()


async def test_what_the_owner_types_is_sent_by_enter(page: Page, bot: BotCalls) -> None:
    await start(page)
    await bot.next_update()
    field = page.get_by_label("Message", exact=True)
    await field.fill("<b>not bold</b>")
    await field.press("Enter")
    assert (await bot.next_update())["message"]["text"] == "<b>not bold</b>"
    await expect(page.locator(".message.own").last).to_contain_text("<b>not bold</b>")
    await expect(field).to_have_value("")


async def test_a_pressed_button_answers_and_the_edit_appears_in_place(
    page: Page, bot: BotCalls
) -> None:
    number = await bot.send(**CARD)
    await bot.send(text="A later message")
    card = page.locator(f'[data-message-id="{number}"]')
    await expect(card.locator("b")).to_have_text("Approve 0.5 ETH?")
    await card.get_by_role("button", name="Approve").click()
    query = (await bot.next_update())["callback_query"]
    assert (query["data"], query["message"]["message_id"]) == ("a:1", number)
    await expect(card.get_by_role("button", name="Approve")).to_have_attribute("aria-busy", "true")
    await bot.call("editMessageText", chat_id=1001, message_id=number, text="Approved")
    await bot.call("answerCallbackQuery", callback_query_id=query["id"], text="Noted")
    await expect(card.locator(".text")).to_contain_text("Approved")
    await expect(card.locator(".meta")).to_contain_text("edited")
    await expect(card.locator(".key")).to_have_count(0)
    await expect(page.locator("#toast")).to_have_text("Noted")
    await expect(page.locator(".message").first).to_have_attribute("data-message-id", str(number))


async def test_an_alert_waits_until_it_is_closed(page: Page, bot: BotCalls) -> None:
    await bot.send(**CARD)
    await page.get_by_role("button", name="Reject").press("Enter")
    query = (await bot.next_update())["callback_query"]
    await bot.call(
        "answerCallbackQuery", callback_query_id=query["id"], text="Too late", show_alert=True
    )
    alert = page.get_by_role("dialog")
    await expect(alert).to_contain_text("Too late")
    await alert.get_by_role("button", name="OK").click()
    await expect(alert).to_be_hidden()


async def test_markup_in_a_text_stays_text_and_links_keep_to_the_web(
    page: Page, bot: BotCalls
) -> None:
    await bot.send(text="<img src=x onerror=alert(1)><script>alert(2)</script>")
    await bot.send(
        text="click me please",
        entities=[
            {"type": "text_link", "offset": 0, "length": 5, "url": "javascript:alert(3)"},
            {"type": "text_link", "offset": 6, "length": 2, "url": "https://example.org/"},
        ],
    )
    texts = page.locator(".message .text")
    await expect(texts.first).to_contain_text("<img src=x onerror=alert(1)><script>")
    await expect(texts.first.locator("img, script")).to_have_count(0)
    await expect(texts.last.locator("a")).to_have_count(1)
    await expect(texts.last.locator("a")).to_have_attribute("href", "https://example.org/")


async def test_the_menu_lists_the_commands_and_sends_the_chosen_one(
    page: Page, bot: BotCalls
) -> None:
    await start(page)
    await bot.next_update()
    commands = [
        {"command": "status", "description": "What is going on"},
        {"command": "stop", "description": "Stop everything"},
    ]
    await bot.call("setMyCommands", commands=commands)
    await page.get_by_role("button", name="Menu").click()
    await expect(page.locator("#commands li")).to_have_count(2)
    field = page.get_by_label("Message", exact=True)
    await field.fill("/sto")
    await expect(page.locator("#commands li")).to_have_count(1)
    await field.press("ArrowDown")
    await field.press("Enter")
    assert (await bot.next_update())["message"]["text"] == "/stop"


async def test_deleted_messages_leave_the_page_and_a_stranger_sees_his_own_chat(
    page: Page, sandbox: TelegramSandbox, bot: BotCalls
) -> None:
    kept, gone = await bot.send(text="Kept"), await bot.send(text="Gone")
    await expect(page.locator(f'[data-message-id="{gone}"]')).to_be_visible()
    await bot.call("deleteMessage", chat_id=1001, message_id=gone)
    await expect(page.locator(f'[data-message-id="{gone}"]')).to_have_count(0)
    await expect(page.locator(f'[data-message-id="{kept}"]')).to_be_visible()
    stranger = Visitor(sandbox, "stranger")
    await stranger.says("Who is there?")
    await stranger.close()
    await page.goto(f"{sandbox.chat}?as=stranger")
    await expect(page.locator(".message")).to_have_count(1)
    await expect(page.locator(".message.own")).to_contain_text("Who is there?")


async def test_pressing_twice_while_the_bot_thinks_asks_once(page: Page, bot: BotCalls) -> None:
    await bot.send(**CARD)
    approve = page.get_by_role("button", name="Approve")
    await approve.click()
    await expect(approve).to_have_attribute("aria-busy", "true")
    await approve.click()
    query = (await bot.next_update())["callback_query"]
    await bot.call("answerCallbackQuery", callback_query_id=query["id"])
    await expect(approve).not_to_have_attribute("aria-busy", "true")
    assert await bot.waiting() == []


async def test_the_sandboxes_offer_stands_apart_and_is_taken_by_one_press(
    page: Page, sandbox: TelegramSandbox, bot: BotCalls
) -> None:
    bar = page.get_by_role("region", name="Sandbox, not the bot")
    renew = bar.get_by_role("button", name="New demo session")
    await expect(page.locator("#name")).to_have_text("Wallet")
    await expect(bar).to_be_hidden()

    sandbox.says(offer=True)
    await renew.click()
    assert await asyncio.to_thread(sandbox.hears) == {"pressed": "new_demo_session"}
    await expect(renew).to_be_disabled()
    sandbox.says(offer=False, failed=None)

    await expect(page.locator("#toast")).to_contain_text("new sessions")
    await expect(bar).to_be_hidden()
    await expect(page.locator(".message")).to_have_count(0)
    assert await bot.waiting() == []


async def test_an_offer_that_failed_says_why_and_stays_until_it_is_withdrawn(
    page: Page, browser: Browser, sandbox: TelegramSandbox
) -> None:
    renew = page.get_by_role("button", name="New demo session")
    sandbox.says(offer=True)
    await renew.click()
    await asyncio.to_thread(sandbox.hears)
    await page.reload()
    await expect(renew).to_be_disabled()

    stranger = await browser.new_page()
    await stranger.goto(f"{sandbox.chat}?as=stranger")
    await expect(stranger.locator("#status")).to_contain_text("bot")
    await expect(stranger.locator("#offer")).to_be_hidden()
    await stranger.close()
    sandbox.says(offer=True, failed="the daemon is away")

    await expect(renew).to_be_enabled()
    sandbox.says(offer=False)
    await expect(renew).to_be_hidden()
