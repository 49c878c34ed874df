"""The owner at the chat page of a running sandbox, in a real browser: what is tapped there moves money or stops it."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_utils.address import to_checksum_address
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Route,
    expect,
    sync_playwright,
)

from tests.support.browser import ARGUMENTS, chromium_path
from tests.support.sandbox import CHAINS, ETH, Sandbox, sandbox, until

PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "chat.png"
LARGE = {"ethereum": "7", "solana": "70"}
HELD = {"ethereum": "2", "solana": "20"}
PATIENCE = 15_000  # ms, for a fact that a payment has to make true first


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium_path()
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield launched
        launched.close()


def open_chat(browser: Browser, running: Sandbox, troubles: list[str]) -> Page:
    """The owner's chat, as wide as a telephone."""
    page = browser.new_page(viewport={"width": 390, "height": 844})

    def said(line: ConsoleMessage) -> None:
        if line.type == "error":
            troubles.append(line.text)

    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", said)
    page.goto(running.facts["telegram_url"])
    return page


@pytest.fixture
def page(browser: Browser, shared: Sandbox) -> Iterator[Page]:
    """The shared sandbox's chat; a script error fails the test."""
    troubles: list[str] = []
    opened = open_chat(browser, shared, troubles)
    yield opened
    opened.close()
    assert troubles == []


def card_of(page: Page, transaction_id: str) -> Locator:
    card = page.locator(".message").filter(has_text=transaction_id)
    expect(card).to_be_visible(timeout=PATIENCE)
    return card


def shown(address: str) -> str:
    """An address as the wallet spells it."""
    return to_checksum_address(address) if address.startswith("0x") else address


def buttons(card: Locator) -> list[str]:
    return card.locator(".key").all_inner_texts()


def heads(card: Locator, words: str) -> None:
    expect(card.locator(".text b").first).to_have_text(words, timeout=PATIENCE)


@pytest.mark.xdist_group("shared-sandbox")
@pytest.mark.parametrize("chain", CHAINS)
def test_two_taps_on_a_card_pay_and_the_card_becomes_the_receipt(
    shared: Sandbox, page: Page, chain: str
) -> None:
    agent, payee = shared.agent(chain), shared.chain(chain).stranger()
    row = agent.asks(LARGE[chain], to=payee, memo="Yearly plan")
    card = card_of(page, row["id"])
    number = card.get_attribute("data-message-id")
    heads(card, "🟠 Approve this payment?")
    expect(card.locator(".text")).to_contain_text(shown(payee))
    expect(card.locator(".text")).to_contain_text("“Yearly plan”")
    expect(card.locator(".text")).to_contain_text("Answer within 12 h. Approve takes two taps.")
    assert buttons(card) == ["Approve", "Reject"]

    card.get_by_role("button", name="Approve").click()
    heads(card, "🟠 Confirm this payment")
    assert buttons(card) == ["Confirm payment", "Back"]
    assert not agent.chain.payments_to(payee)
    card.get_by_role("button", name="Confirm payment").click()

    heads(card, "✅ Paid")
    done = agent.waits_for(row["id"], "CONFIRMED")
    expect(card.locator(".text")).to_contain_text(done["txHash"])
    expect(card.locator(".text")).to_contain_text("You approved it with two taps.")
    expect(card.locator(".key")).to_have_count(0)
    assert card.get_attribute("data-message-id") == number
    assert agent.chain.balance(payee) == int(LARGE[chain]) * agent.chain.unit
    assert len(agent.chain.payments_to(payee)) == 1


@pytest.mark.xdist_group("shared-sandbox")
def test_back_and_reject_leave_the_money_where_it_is(shared: Sandbox, page: Page) -> None:
    agent, payee = shared.agent("ethereum"), shared.chain("ethereum").stranger()
    row = agent.asks("7", to=payee)
    card = card_of(page, row["id"])

    card.get_by_role("button", name="Approve").click()
    card.get_by_role("button", name="Back").click()
    heads(card, "🟠 Approve this payment?")
    card.get_by_role("button", name="Reject").click()

    heads(card, "🚫 Rejected")
    expect(card.locator(".key")).to_have_count(0)
    expect(card.locator(".text")).to_contain_text("Nothing was paid.")
    assert agent.sees(row["id"])["error"] == "OWNER_REJECTED"
    assert agent.chain.payments_to(payee) == []


@pytest.mark.xdist_group("shared-sandbox")
def test_what_arrives_while_the_page_loads_stays(shared: Sandbox, page: Page) -> None:
    """The list of messages is asked for, then overtaken by a new card, then delivered."""
    agent, rows = shared.agent("ethereum"), []

    def overtaken(route: Route) -> None:
        stale = route.fetch()
        rows.append(agent.asks("0.5", wait=20))
        shared.owner.finds("Paid", rows[-1]["id"])
        route.fulfill(response=stale)

    page.route("**/chat/messages?as=owner", overtaken, times=1)
    with page.expect_response("**/chat/messages?as=owner"):
        page.reload()

    agent.asks("0.5", memo="after it", wait=20)
    expect(page.locator(".message").filter(has_text="after it")).to_be_visible(timeout=PATIENCE)
    heads(card_of(page, rows[0]["id"]), "✅ Paid")


@pytest.mark.parametrize("chain", CHAINS)
def test_a_payment_on_hold_is_cancelled_by_one_tap(browser: Browser, chain: str) -> None:
    troubles: list[str] = []
    with sandbox("--delay-seconds", "120") as running:
        page = open_chat(browser, running, troubles)
        agent, payee = running.agent(chain), running.chain(chain).stranger()
        before = agent.balance()
        row = agent.asks(HELD[chain], to=payee)
        card = card_of(page, row["id"])
        heads(card, "⏳ Payment on hold")
        expect(card.locator(".text")).to_contain_text("2 min after it was asked")

        card.get_by_role("button", name="Cancel payment").click()

        heads(card, "🚫 Cancelled")
        expect(card.locator(".key")).to_have_count(0)
        assert agent.waits_for(row["id"], "CANCELLED")["txHash"] is None
        assert agent.chain.balance(payee) == 0
        assert agent.balance() == before
        page.close()
    assert troubles == []


def test_typing_killswitch_and_confirming_stops_everything(browser: Browser) -> None:
    troubles: list[str] = []
    with sandbox("--delay-seconds", "120") as running:
        page = open_chat(browser, running, troubles)
        agent, payee = running.agent("ethereum"), running.chain("ethereum").stranger()
        row = agent.asks("2", to=payee)
        held = card_of(page, row["id"])
        field = page.get_by_label("Message", exact=True)
        field.fill("/killswitch")
        field.press("Enter")
        offer = page.locator(".message").filter(has_text="Stop everything?")
        offer.get_by_role("button", name="Confirm: stop everything").click()

        expect(page.get_by_text("Everything is stopped").first).to_be_visible(timeout=PATIENCE)
        heads(held, "🚫 Cancelled")
        expect(page.locator(".key")).to_have_count(0)
        until(
            lambda: running.host.status()["state"]["state"] == "ACTIVATED", "everything is stopped"
        )
        assert agent.sends("0.01").json()["code"] == "SYSTEM_LOCKED"
        assert agent.chain.payments_to(payee) == []
        assert agent.balance() == 10_000 * ETH
        page.close()
    assert troubles == []


def test_the_picture_of_the_chat_is_crisp_and_small() -> None:
    content = PICTURE.read_bytes()

    width, height = struct.unpack(">II", content[16:24])
    assert content.startswith(b"\x89PNG")
    assert width >= 1400
    assert height >= 1800
    assert len(content) < 400_000
