"""What the owner reads of what is held, and of a clock in doubt."""

from dataclasses import replace

from bot import lean

lean.load()

from bot import texts, views  # noqa: E402
from tests.support.operations import NOW, SESSION, FakeQueries  # noqa: E402
from wallet.domain.autostop import StopRule  # noqa: E402
from wallet.operations.queries import HeldLine  # noqa: E402


async def shown(**changes: object) -> str:
    view = await FakeQueries().status()
    text, _ = views.status(replace(view, **changes), {"state": "POLLING"}, {}).render()  # type: ignore[arg-type]
    return text


async def test_status_tells_what_is_held_by_whom() -> None:
    held = (
        HeldLine("session", "s", "shop\nbot", "CONSECUTIVE_FAILURES", NOW),
        HeldLine("wallet", "w", "main", "OWNER", None),
    )
    text = await shown(held=held)
    assert "❄️ Frozen session shop\\u{a}bot · payments kept failing" in text
    assert "❄️ Suspended wallet main · by you" in text
    assert "❄️" not in await shown(held=())


async def test_status_says_that_everything_waits_for_the_time() -> None:
    text = await shown(clock_doubt="the host's clock leapt forward by 60 min", locked=False)
    assert text.startswith("🕰 Waiting: the host's clock leapt forward by 60 min")


def test_a_frozen_session_says_so_in_the_list() -> None:
    frozen = replace(SESSION, frozen_at=NOW, frozen_by="HOURLY_RATE")
    text, _ = views.sessions([frozen], NOW).render()
    assert "❄️ Frozen · asked too often" in text


def test_every_rule_has_its_words() -> None:
    assert set(texts.HELD_BY) == {*(rule.value for rule in StopRule), "OWNER", "KILL_SWITCH"}


def test_a_freeze_says_what_happened_and_what_to_do() -> None:
    payload = {
        "reason": "Auto-stop: 3 payments in a row failed", "cancelled": "2",
        "sessionId": "0199", "wallet": "main", "name": "shop",
    }  # fmt: skip
    text, _ = views.alert("SESSION_FROZEN", payload).render()
    for words in ("3 payments in a row failed", "cancelled: 2", "waiaas resume session 0199"):
        assert words in text
