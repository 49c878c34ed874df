"""Cards say what matters, whole, and nobody else's words can pretend to be ours."""

from dataclasses import replace

import pytest

from bot import lean

lean.load()

from bot import cards, texts, views, wording  # noqa: E402
from bot.callbacks import HANDLE_LENGTH, Pressed  # noqa: E402
from bot.keyboards import keyboard  # noqa: E402
from wallet.domain.console import Action  # noqa: E402
from wallet.domain.owner import Factor  # noqa: E402
from wallet.domain.tiers import Tier  # noqa: E402
from wallet.domain.transactions import Status, Transaction  # noqa: E402
from wallet.domain.wallets import Wallet  # noqa: E402
from wallet.notifications.messages import TEMPLATES, say  # noqa: E402
from wallet.operations.taps import AnswerKind  # noqa: E402
from wallet.ports.owner_channel import Button, CardView  # noqa: E402

AT = 1_750_000_000_000
TO = "0x8617E340B3D01FA5F11F306F4090FD50E238070D"
ROW = Transaction(
    id="01900000-0000-7000-8000-000000000001", wallet_id="w", session_id="s", network="evm-local",
    chain="ethereum", type="TRANSFER", to=TO, amount=5 * 10**17, asset="evm-local/native", memo=None,
    request="{}", request_hash="00", digest="ab12cd34" + "0" * 56, fee_ceiling=10**16,
    tier=Tier.APPROVAL, status=Status.QUEUED, rule_id=None, policy_version=1, created_at=AT,
    approval_seconds=43_200,
)  # fmt: skip
WALLET = Wallet("w", "main", "ethereum", "evm-local", "0x0", "00", AT)


def view(row: Transaction = ROW, stage: str = "CARD") -> CardView:
    buttons = [[Button(Action.APPROVE, "h")]] if row.status is Status.QUEUED else []
    return CardView(row, WALLET, "ETH", 18, "ETH", 18, None, stage, Factor.TAP, buttons, "12:abcd")


def text_of(row: Transaction = ROW, stage: str = "CARD") -> str:
    text, _ = cards.card(view(row, stage)).render()
    return text


def test_a_card_shows_amount_whole_address_fee_time_and_proofs() -> None:
    text = text_of()

    for part in ("0.5 ETH", TO, "evm-local", "Fee at most 0.01 ETH", "ab12 cd34", "12:abcd"):
        assert part in text
    assert "Answer within 12 h" in text
    assert text.startswith("🟠 Approve this payment?")


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("tier", list(Tier))
@pytest.mark.parametrize("stage", ["CARD", "CONFIRM", "CODE"])
def test_every_card_can_be_drawn_and_comes_back_unchanged(
    status: Status, tier: Tier, stage: str
) -> None:
    row = replace(ROW, status=status, tier=tier, due_at=AT + 300_000, hash="0xab", memo=" hi \n")

    text = text_of(row, stage)

    assert text == text.strip()
    assert "\n\n\n" not in text
    assert len(text) < 1500


STUCK = replace(
    ROW, tier=Tier.NOTIFY, status=Status.SUBMITTED, stuck_at=AT, offered_ceiling=2 * 10**16
)


def stuck_text(row: Transaction = STUCK, stage: str = "CARD", factor: Factor = Factor.TAP) -> str:
    shown = replace(view(row, stage), factor=factor)
    offers = row.wanted is None and row.cancelling_at is None
    buttons = [[Button(Action.SPEED_UP, "h")]] if offers else []
    text, _ = cards.card(replace(shown, buttons=buttons)).render()
    return text


def test_a_stuck_payment_says_what_can_be_done_and_the_most_it_may_cost() -> None:
    assert "Fee then at most 0.02 ETH." in stuck_text()
    for stage, head in (("SPEED_UP", "🐢 Send it again"), ("CANCEL", "🚫 Cancel this payment?")):
        text = stuck_text(stage=stage)
        assert text.startswith(head)
        assert "Fee then at most 0.02 ETH." in text
    host = stuck_text(factor=Factor.HOST)
    assert f"waiaas speed-up {ROW.id}" in host
    assert f"waiaas cancel {ROW.id}" in host


def test_a_payment_being_cancelled_says_so_and_then_what_came_of_it() -> None:
    cancelling = replace(STUCK, cancelling_at=AT, wanted=None)
    assert stuck_text(cancelling).startswith("🚫 Cancelling; it may still be paid")
    landed = replace(cancelling, status=Status.CONFIRMED, hash="0x1", fee=1)
    assert "It was on the chain before your cancellation." in text_of(landed)
    ended = replace(cancelling, status=Status.CANCELLED, hash="0x2", fee=1)
    assert "Nothing was paid; the fee of the cancellation was spent." in text_of(ended)


def test_the_agents_words_stand_last_quoted_and_on_one_line() -> None:
    row = replace(ROW, memo="hello\n🟢 Paid\u202e0x00\u200b /killswitch\x07")

    last = text_of(row).splitlines()[-1]

    assert last == (
        "Memo from the agent: “hello\\u{a}🟢 Paid\\u{202e}0x00\\u{200b} /killswitch\\u{7}”"
    )


def test_long_words_are_cut() -> None:
    assert len(wording.quote("x" * 1000)) == wording.QUOTE_CHARACTERS + 2


def test_every_answer_button_and_status_has_its_words() -> None:
    assert set(texts.ANSWERS) == set(AnswerKind)
    assert set(texts.LABELS) == set(Action)
    assert set(texts.HEADS) == set(Status)
    allowed = (
        "Approve", "Confirm", "Reject", "Cancel", "Back", "Revoke", "Dismiss", "New", "Speed up"
    )  # fmt: skip
    assert all(label.startswith(allowed) for label in texts.LABELS.values())


def test_buttons_carry_handles_and_fit_what_telegram_allows() -> None:
    markup = keyboard([[Button(action, "h" * HANDLE_LENGTH) for action in Action]])

    assert markup is not None
    for shown in markup.inline_keyboard[0]:
        assert shown.callback_data == "a:" + "h" * HANDLE_LENGTH
    assert len(Pressed(handle="h" * HANDLE_LENGTH).pack()) == 24


@pytest.mark.parametrize("kind", [*TEMPLATES, "SOMETHING_NEW"])
def test_an_alert_leaves_out_what_it_does_not_know(kind: str) -> None:
    text, _ = views.alert(kind, {}).render()

    assert text == text.strip()
    assert "{" not in text


def test_an_alert_says_its_facts() -> None:
    message = say("KILL_SWITCH_ACTIVATED", {"sessionsRevoked": "2", "exposure": ""})
    text, _ = views.alert("KILL_SWITCH_RECOVERY_STARTED", {"recoveryAt": str(AT)}).render()

    assert "Sessions ended: 2." in message.sentences
    assert not any("Already signed" in sentence for sentence in message.sentences)
    assert "2025-06-15 15:06:40 UTC" in text


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0 s"),
        (59_999, "59 s"),
        (330_000, "5 min 30 s"),
        (43_200_000, "12 h"),
        (93_784_000, "1 d 2 h"),
    ],
)
def test_durations_are_said_in_two_units(milliseconds: int, words: str) -> None:
    assert wording.span(milliseconds) == words


def test_the_daily_head_is_shown_as_the_check_takes_it() -> None:
    payload = {
        "day": "2026-01-31",
        "number": "1042",
        "hash": "3f9a01bc" * 8,
        "head": "1042:3f9a01bc",
    }
    text, _ = views.alert("AUDIT_HEAD", payload).render()
    assert "waiaas audit verify --known 1042:3f9a01bc" in text
    assert payload["hash"] not in text
