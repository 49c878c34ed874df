"""What a button carries: for any handle it fits and comes back, and any other text does nothing."""

import asyncio
import tempfile
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot import lean

lean.load()

from bot.callbacks import HANDLE_LENGTH, Pressed  # noqa: E402
from tests.support.console_world import ConsoleWorld, console_world  # noqa: E402
from tests.unit.notifications.test_outbox import PaperChannel  # noqa: E402
from wallet.domain.console import Action  # noqa: E402
from wallet.domain.tiers import Tier  # noqa: E402
from wallet.notifications.buttons import HANDLE_BYTES, new_handle  # noqa: E402
from wallet.operations.taps import AnswerKind, Press  # noqa: E402

TELEGRAM_BYTES = 64
ANY_TEXT = st.text(
    st.characters(), max_size=80
)  # half surrogate pairs as well: JSON can spell them


class GivenIds:
    """Hands out the bytes that a test drew."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def new(self) -> str:
        raise AssertionError

    def below(self, bound: int) -> int:
        raise AssertionError(bound)

    def secret(self, size: int) -> bytes:
        assert size == HANDLE_BYTES
        return self._secret


@given(
    secret=st.binary(min_size=HANDLE_BYTES, max_size=HANDLE_BYTES), action=st.sampled_from(Action)
)
def test_every_handle_fits_telegram_and_comes_back(secret: bytes, action: Action) -> None:
    handle = new_handle(GivenIds(secret), action, "subject", 1).handle
    packed = Pressed(handle=handle).pack()

    assert len(handle) == HANDLE_LENGTH
    assert len(packed.encode()) <= TELEGRAM_BYTES
    assert Pressed.unpack(packed).handle == handle


@given(ANY_TEXT | ANY_TEXT.map("a:".__add__))
@example("a:")
@example("a::")
@example("a:b:c")
def test_any_data_is_read_as_a_handle_or_refused_in_a_way_the_filter_knows(data: str) -> None:
    try:
        found = Pressed.unpack(data)
    except (TypeError, ValueError):  # what aiogram's filter takes for "not mine"
        return
    assert f"a:{found.handle}" == data


async def pressed(folder: Path, handles: list[str], forged: list[dict[str, Any]]) -> None:
    channel = PaperChannel()
    async with console_world(folder, channel=channel) as world:
        row = await world.payment(Tier.APPROVAL)
        await world.outbox.drain()
        shown = channel.cards[1]
        for handle, more in zip(handles, forged, strict=True):
            tap: dict[str, Any] = {
                "message_id": 1,
                "text": shown.text,
                "chat_id": world.owner.chat_id,
            }
            tap |= {"user_id": world.owner.user_id} | more
            answer = await world.console.press(Press(handle=handle, **tap))
            assert answer.kind is AnswerKind.OUT_OF_DATE
        await require_untouched(world, row.id)


async def require_untouched(world: ConsoleWorld, row_id: str) -> None:
    row, card = await world.row(row_id), await world.card(row_id)
    assert (row.status, row.consent_at, card.stage) == ("QUEUED", None, "CARD")
    assert world.executor.ids == []
    assert not await world.console.is_frozen()


OTHERS = st.fixed_dictionaries(
    {},
    optional={
        "message_id": st.integers(0, 2**52),
        "text": st.none() | ANY_TEXT,
        "user_id": st.integers(0, 2**52),
        "chat_id": st.integers(-(2**52), 2**52),
    },
)
NEAR = st.binary(min_size=16, max_size=16).map(lambda b: urlsafe_b64encode(b).decode()[:22])


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(ANY_TEXT | NEAR, OTHERS), min_size=1, max_size=20))
@example([("\ud800", {}), ("\0", {}), ("", {})])
def test_a_handle_that_nobody_gave_out_does_nothing_wherever_it_comes_from(
    taps: list[tuple[str, dict[str, Any]]],
) -> None:
    with tempfile.TemporaryDirectory() as home:
        asyncio.run(pressed(Path(home), [h for h, _ in taps], [more for _, more in taps]))
