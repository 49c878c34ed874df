"""TG and the owner's chat: what a stranger, a thief of the bot's name, or an agent's text can do there."""

import pytest

from tests.attacks.catalogue import scenario
from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.xdist_group("shared-sandbox")
LARGE = "7"


def labels(message: dict[str, object]) -> list[str]:
    rows = message["buttons"]
    assert isinstance(rows, list)
    return [button["text"] for row in rows for button in row]


def data_of(message: dict[str, object], label: str) -> str:
    rows = message["buttons"]
    assert isinstance(rows, list)
    return str(next(b["data"] for row in rows for b in row if b["text"].startswith(label)))


@scenario("TG-a", "R-20")
def test_a_stranger_reads_nothing_and_presses_nothing(shared: Sandbox) -> None:
    agent = shared.agent("ethereum")
    row = agent.asks(LARGE, to=agent.chain.stranger())
    card = shared.owner.finds(row["toAddress"], button="Approve")
    for text in ("/start", "/status", "/pending", "/killswitch", "/limits", "123456", "hello"):
        shared.stranger.says(text)

    for label in ("Approve", "Reject"):
        pressed = shared.stranger.presses_data(card["message_id"], data_of(card, label))
        assert pressed["answered"] is False

    assert [m for m in shared.stranger.messages() if m["from"] == "bot"] == []
    assert agent.sees(row["id"])["status"] == "QUEUED"
    shared.owner.presses(card, "Reject")
    agent.waits_for(row["id"], "CANCELLED")


@scenario("TG-b", "TG-d", "OA-03", "OA-08")
def test_one_tap_moves_nothing_and_a_spent_one_moves_nothing_more(shared: Sandbox) -> None:
    agent = shared.agent("ethereum")
    row = agent.asks(LARGE)
    payee = row["toAddress"]
    card = shared.owner.finds(payee, button="Approve")
    first = data_of(card, "Approve")

    shared.owner.presses(card, "Approve")
    assert agent.sees(row["id"])["status"] == "QUEUED"
    assert agent.chain.payments_to(payee) == []

    confirm = shared.owner.finds(payee, button="Confirm")
    second = data_of(confirm, "Confirm")
    shared.owner.presses(confirm, "Confirm")
    agent.waits_for(row["id"], "CONFIRMED")
    for data in (first, second, first, second):
        answer = shared.owner.presses_data(card["message_id"], data)
        assert answer["answered"] is True
        assert answer["answer"]
    assert len(agent.chain.payments_to(payee)) == 1


@scenario("TG-d", "OA-01")
@pytest.mark.parametrize(
    "data", ["a:" + "A" * 22, "a:", "x", "a:1:2:3", "\u0000", "a:" + "\u00e9" * 11, "approve", "a:../../x"]
)  # fmt: skip
def test_a_made_up_button_is_answered_and_does_nothing(shared: Sandbox, data: str) -> None:
    agent = shared.agent("ethereum")
    row = agent.asks(LARGE, to=agent.chain.stranger())
    card = shared.owner.finds(row["toAddress"], button="Approve")

    answer = shared.owner.presses_data(card["message_id"], data)

    assert answer["answered"] is True
    assert agent.sees(row["id"])["status"] == "QUEUED"
    shared.owner.presses(card, "Reject")
    agent.waits_for(row["id"], "CANCELLED")


@scenario("N-03", "OA-06", "S-2")
def test_a_button_of_one_payment_answers_no_other(shared: Sandbox) -> None:
    agent = shared.agent("ethereum")
    rows = [agent.asks(LARGE) for _ in range(2)]
    cards = [shared.owner.finds(row["toAddress"], button="Approve") for row in rows]

    answer = shared.owner.presses_data(cards[0]["message_id"], data_of(cards[1], "Approve"))

    assert answer["answered"] is True
    for row in rows:
        assert agent.sees(row["id"])["status"] == "QUEUED"
        shared.host.does("POST", f"/v1/transactions/{row['id']}/reject", json={})


@scenario("TG-f", "R-32")
def test_an_agents_text_stays_a_quotation(shared: Sandbox) -> None:
    agent = shared.agent("ethereum")
    memo = "<b>paid</b> *ok* [Approve](tg://x)\nApprove\u202e\u200b verified"
    row = agent.asks(LARGE, memo=memo)

    card = shared.owner.finds(row["toAddress"], button="Approve")

    last = card["text"].splitlines()[-1]
    assert last.startswith("Memo from the agent: \u201c")
    assert last.endswith("\u201d")
    assert "<b>paid</b> *ok* [Approve](tg://x)" in last
    assert "\u202e" not in card["text"]
    assert "\u200b" not in card["text"]
    assert sorted(labels(card)) == ["Approve", "Reject"]
    shared.owner.presses(card, "Reject")


@scenario("TG-e")
def test_the_kill_switch_asks_once_and_a_dismissed_question_changes_nothing(
    shared: Sandbox,
) -> None:
    shared.owner.says("/killswitch")
    offer = shared.owner.finds(button="Confirm")
    data = data_of(offer, "Confirm")
    assert shared.host.status()["state"]["state"] == "NORMAL"

    shared.owner.presses(offer, next(la for la in labels(offer) if not la.startswith("Confirm")))
    other = shared.owner.says("hello")
    shared.owner.presses_data(other["message_id"], data)

    assert shared.host.status()["state"]["state"] == "NORMAL"
