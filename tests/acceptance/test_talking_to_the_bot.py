"""Every command of the bot in a running sandbox: its answer holds the facts, in words a person reads."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from tests.support.sandbox import CHAINS, Agent, Person, Sandbox, sandbox, until

shared_sandbox = pytest.mark.xdist_group("shared-sandbox")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
BASE_UNITS = re.compile(r"(?<![0-9A-Za-z.])[0-9]{10,}|\.[0-9]{7,}")
COMMANDS = ("/status", "/pending", "/limits", "/sessions", "/revoke", "/killswitch", "/help")
SYMBOLS = {"ethereum": "ETH", "solana": "SOL"}
HELD = {"ethereum": "2", "solana": "20"}
LARGE = {"ethereum": "7", "solana": "70"}


def answers(person: Person, text: str, words: str = "") -> dict[str, Any]:
    """What the bot writes after the owner wrote `text`: the first message that holds `words`."""
    sent = person.says(text)["message_id"]

    def look() -> dict[str, Any] | None:
        found = [m for m in person.messages() if m["message_id"] > sent and m["from"] == "bot"]
        return next((m for m in found if words in m["text"]), None)

    return until(look, f"an answer to {text}")


def spelled(address: str) -> str:
    return to_checksum_address(address) if address.startswith("0x") else address


def dismiss_all(person: Person) -> None:
    """Put every open offer aside, so that the next test finds its own."""
    for message in person.messages():
        labels = [b["text"] for row in message["buttons"] for b in row]
        if "Dismiss" in labels:
            person.presses(message, "Dismiss")


@pytest.fixture
def agents(shared: Sandbox) -> list[Agent]:
    return [shared.agent(chain) for chain in CHAINS]


@shared_sandbox
def test_start_greets_the_owner_and_names_help(shared: Sandbox) -> None:
    text = answers(shared.owner, "/start", "👋")["text"]

    assert "belongs to the wallet's owner" in text
    assert "/help" in text


@shared_sandbox
def test_help_explains_every_command_of_the_menu(shared: Sandbox) -> None:
    lines = answers(shared.owner, "/help", "What you can do here")["text"].splitlines()

    for command in COMMANDS:
        explained = [line for line in lines if line.startswith(f"{command} ")]
        assert len(explained) == 1, command
        assert len(explained[0]) > len(command) + 5
    assert "Never type your master password here." in lines[-1]


@shared_sandbox
def test_status_shows_wallets_balances_and_what_is_going_on(
    shared: Sandbox, agents: list[Agent]
) -> None:
    text = answers(shared.owner, "/status", "Running")["text"]

    assert text.startswith("🟢 Running")
    for agent in agents:
        symbol = SYMBOLS[agent.chain.name]
        shown = re.search(rf"^([0-9.]+) {symbol}$", text, re.MULTILINE)
        assert shown is not None
        assert abs(float(shown[1]) - agent.balance() / agent.chain.unit) < 1e-6
        assert f"{symbol} wallet · {agent.wallet['network']}" in text
        assert spelled(agent.wallet["address"]) in text
    for line in ("Waiting for you or the clock:", "On their way to the chain:", "Live sessions:"):
        assert re.search(rf"^{line} [0-9]+$", text, re.MULTILINE)
    assert re.search(r"Telegram polling · audit [0-9]+:[0-9a-f]{8} · version ", text)


@shared_sandbox
@pytest.mark.parametrize("chain", CHAINS)
def test_pending_lists_what_waits_until_it_is_decided(shared: Sandbox, chain: str) -> None:
    agent, payee = shared.agent(chain), shared.chain(chain).stranger()
    row = agent.asks(LARGE[chain], to=payee)
    shared.owner.finds(spelled(payee), button="Reject")

    text = answers(shared.owner, "/pending", "Waiting: ")["text"]

    block = next(part for part in text.split("\n\n") if spelled(payee) in part)
    assert block.splitlines()[0] == f"🟠 {LARGE[chain]} {SYMBOLS[chain]} · waits for you"
    assert re.search(r"Answer by [0-9-]{10} [0-9:]{8} UTC\.$", block)
    shared.owner.presses(shared.owner.finds(spelled(payee), button="Reject"), "Reject")
    agent.waits_for(row["id"], "CANCELLED")
    assert spelled(payee) not in answers(shared.owner, "/pending")["text"]


@shared_sandbox
def test_limits_show_each_wallets_rules_and_their_use(
    shared: Sandbox, agents: list[Agent]
) -> None:
    before = used(answers(shared.owner, "/limits", "One payment")["text"], "ETH")
    agents[0].asks("0.25", wait=20)

    text = answers(shared.owner, "/limits", "One payment")["text"]

    for agent in agents:
        symbol = SYMBOLS[agent.chain.name]
        block = next(part for part in text.split("\n\n") if part.startswith(f"{symbol} wallet"))
        assert f"One payment in {symbol}: instant to " in block
        assert "then ask" in block
        assert "in 24 h" in block
    assert "One payment in ETH: instant to 0.1, notify to 1, 3 s delay to 5" in text
    assert 0.25 <= used(text, "ETH") - before < 0.26


def used(limits: str, symbol: str) -> float:
    found = re.search(rf"used ([0-9.]+) of [0-9.]+ {symbol} in 24 h", limits)
    assert found is not None, limits
    return float(found[1])


@shared_sandbox
def test_sessions_show_who_may_spend_how_much_until_when(shared: Sandbox) -> None:
    text = answers(shared.owner, "/sessions", "Live sessions: ")["text"]

    for agent, limit in (("demo ETH", "1000 ETH"), ("demo SOL", "10000 SOL")):
        block = next(part for part in text.split("\n\n") if part.startswith(agent))
        assert re.search(rf"^Spent [0-9.]+ of {limit}$", block, re.MULTILINE)
        assert re.search(r"^[0-9]+ of 10000 payments asked for$", block, re.MULTILINE)
        assert re.search(r"^In use since [0-9-]{10} [0-9:]{8} UTC$", block, re.MULTILINE)
        assert re.search(r"^Ends [0-9-]{10} [0-9:]{8} UTC, in 6 d 23 h$", block, re.MULTILINE)


@shared_sandbox
def test_revoke_offers_sessions_and_the_tap_ends_that_one_only(
    shared: Sandbox, agents: list[Agent]
) -> None:
    doomed = shared.host.new_agent(agents[0], name="leaving agent")
    offer = answers(shared.owner, "/revoke", "leaving agent")
    assert offer["text"].startswith("End this session?")

    toast = shared.owner.presses(offer, "Revoke session")

    assert toast["answer"] == "The session is ended."
    refused = doomed.request("GET", "/v1/wallet/address")
    assert refused.json()["code"] == "SESSION_REVOKED"
    assert agents[0].request("GET", "/v1/wallet/address").is_success
    assert "leaving agent" not in answers(shared.owner, "/sessions", "Live")["text"]
    dismiss_all(shared.owner)


@shared_sandbox
def test_killswitch_asks_first_and_dismissing_changes_nothing(shared: Sandbox) -> None:
    offer = answers(shared.owner, "/killswitch", "Stop everything?")
    assert [b["text"] for row in offer["buttons"] for b in row] == [
        "Confirm: stop everything",
        "Dismiss",
    ]
    assert "until you recover on the host" in offer["text"]

    shared.owner.presses(offer, "Dismiss")

    until(lambda: not buttons_of(shared.owner, offer), "the offer is put aside")
    assert shared.host.status()["state"]["state"] == "NORMAL"


def buttons_of(person: Person, message: dict[str, Any]) -> list[Any]:
    same = [m for m in person.messages() if m["message_id"] == message["message_id"]]
    return list(same[0]["buttons"]) if same else []


@shared_sandbox
def test_no_answer_shows_ids_base_units_or_codes_of_the_program(
    shared: Sandbox, agents: list[Agent]
) -> None:
    agents[0].asks("0.000000000000000001", wait=20)  # one wei: balances get long
    rows = [agent.asks(LARGE[agent.chain.name]) for agent in agents]
    cards = [shared.owner.finds(row["id"], button="Reject") for row in rows]

    for command in COMMANDS:
        text = answers(shared.owner, command)["text"]
        said = re.sub(r"(?m)^(to )?(0x[0-9A-Fa-f]{40}|[1-9A-HJ-NP-Za-km-z]{32,44})$", "", text)
        assert not UUID.search(text), text
        assert not BASE_UNITS.search(said), text
        assert "_" not in said, text
        assert "None" not in said, text
        assert text == text.strip()
        assert "\n\n\n" not in text
    dismiss_all(shared.owner)
    for card in cards:
        shared.owner.presses(card, "Reject")


@pytest.fixture(scope="module")
def own() -> Iterator[Sandbox]:
    """A sandbox whose delays last long enough to look at."""
    with sandbox("--delay-seconds", "600") as running:
        yield running


@pytest.mark.xdist_group("talking")
@pytest.mark.parametrize("chain", CHAINS)
def test_pending_says_when_a_held_payment_leaves(own: Sandbox, chain: str) -> None:
    agent, payee = own.agent(chain), own.chain(chain).stranger()
    agent.asks(HELD[chain], to=payee)

    own.owner.finds(spelled(payee), button="Cancel")  # the card names the payee as well
    text = answers(own.owner, "/pending", "Waiting: ")["text"]

    block = next(part for part in text.split("\n\n") if spelled(payee) in part)
    assert block.splitlines()[0] == f"⏳ {HELD[chain]} {SYMBOLS[chain]} · leaves by itself"
    assert block.endswith("UTC, 10 min after it was asked.")
    own.owner.presses(own.owner.finds(spelled(payee), button="Cancel"), "Cancel")


@pytest.mark.xdist_group("talking")
def test_status_counts_what_waits_and_pending_says_when_nothing_does(own: Sandbox) -> None:
    assert answers(own.owner, "/pending")["text"] == "✨ Nothing is waiting."
    row = own.agent("ethereum").asks("2")
    text = answers(own.owner, "/status", "Running")["text"]
    assert "Waiting for you or the clock: 1" in text
    assert "On their way to the chain: 0" in text
    assert "Live sessions: 2" in text

    own.owner.presses(own.owner.finds(row["id"], button="Cancel"), "Cancel")


@pytest.mark.xdist_group("talking")
def test_a_card_tells_the_same_story_as_the_api(own: Sandbox) -> None:
    agent, payee = own.agent("solana"), own.chain("solana").stranger()
    row = agent.asks("5", to=payee, memo="line\none", wait=20)

    lines = own.owner.finds("Paid", payee)["text"].splitlines()

    seen = agent.sees(row["id"])
    assert lines[:3] == ["✅ Paid", "5 SOL from SOL wallet · solana-localnet", f"to {payee}"]
    assert lines[4] == "Within your limits: no approval was needed."
    fee = f"{int(seen['fee']) / 10**9:.9f}".rstrip("0")
    assert lines[5].startswith(f"Fee {fee} SOL · on chain 2")
    assert lines[6] == f"Hash {seen['txHash']}"
    assert re.fullmatch(
        r"Fingerprint [0-9a-f]{4} [0-9a-f]{4} · NOTIFY · audit [0-9]+:[0-9a-f]{8}", lines[7]
    )
    assert lines[8] == f"Id {row['id']}"
    assert lines[9] == "Memo from the agent: “line\\u{a}one”"


@pytest.mark.xdist_group("talking")
def test_unknown_words_get_an_answer_that_helps(own: Sandbox) -> None:
    assert "/help" in answers(own.owner, "buy me a coffee")["text"]


@pytest.mark.xdist_group("talking")
def test_the_killswitch_says_what_it_ended_and_status_says_stopped(own: Sandbox) -> None:
    """Last in this group: nothing works in this sandbox afterwards."""
    row = own.agent("ethereum").asks("7")
    own.owner.finds(row["id"], button="Approve")
    offer = answers(own.owner, "/killswitch", "Stop everything?")

    said = own.owner.presses(offer, "Confirm")["answer"]

    assert "Everything is stopped." in said
    assert "Sessions ended: 2." in said
    assert "Waiting payments cancelled: 1." in said
    own.owner.finds("🛑 Kill switch active: everything is stopped", "waiaas recover")
    assert answers(own.owner, "/status", "Stopped")["text"].startswith("🛑 Stopped")
    assert answers(own.owner, "/sessions")["text"].startswith("No live sessions.")
    assert answers(own.owner, "/pending")["text"] == "✨ Nothing is waiting."
