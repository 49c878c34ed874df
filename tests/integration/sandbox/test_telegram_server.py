"""The Telegram stand-in answers an unmodified aiogram bot as Telegram would."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from aiogram import Bot, Dispatcher, F
from aiogram.client.default import DefaultBotProperties
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.enums import ParseMode
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramConflictError,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.filters import CommandStart
from aiogram.types import (
    BotCommand,
    BufferedInputFile,
    CallbackQuery,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Message,
    PhotoSize,
    ReplyParameters,
)

from tests.support.telegram_sandbox import TelegramSandbox, Visitor, telegram_sandbox

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000020000000308020000003668c8ab"
    "0000001649444154789c63f8cfc0c0f09f818181e13f030303001fee03fd5e0d2c9c"
    "0000000049454e44ae426082"
)


@pytest.fixture
def sandbox() -> Iterator[TelegramSandbox]:
    with telegram_sandbox() as running:
        yield running


@pytest.fixture
async def owner(sandbox: TelegramSandbox) -> AsyncIterator[Visitor]:
    visitor = Visitor(sandbox)
    yield visitor
    await visitor.close()


@pytest.fixture
async def stranger(sandbox: TelegramSandbox) -> AsyncIterator[Visitor]:
    visitor = Visitor(sandbox, "stranger")
    yield visitor
    await visitor.close()


def make_bot(sandbox: TelegramSandbox, token: str | None = None) -> Bot:
    session = AiohttpSession(api=TelegramAPIServer.from_base(sandbox.api))
    default = DefaultBotProperties(parse_mode=ParseMode.HTML)
    return Bot(token or sandbox.token, session=session, default=default)


@pytest.fixture
async def bot(sandbox: TelegramSandbox) -> AsyncIterator[Bot]:
    made = make_bot(sandbox)
    yield made
    await made.session.close()


@asynccontextmanager
async def polling(dispatcher: Dispatcher, bot: Bot) -> AsyncIterator[None]:
    task = asyncio.create_task(
        dispatcher.start_polling(
            bot, handle_signals=False, polling_timeout=20, close_bot_session=False
        )
    )
    try:
        yield
    finally:
        await dispatcher.stop_polling()
        await task


async def answering(owner: Visitor) -> None:
    """Wait until a getUpdates call is open."""
    async with asyncio.timeout(20):
        while True:
            if await owner.calls("getUpdates"):
                return
            await asyncio.sleep(0.02)


def keyboard(*labels: str) -> InlineKeyboardMarkup:
    row = [InlineKeyboardButton(text=label, callback_data=f"a:{label}") for label in labels]
    return InlineKeyboardMarkup(inline_keyboard=[row])


def approving() -> Dispatcher:
    """A bot that asks for approval at /start and edits its card when a button is pressed."""
    dispatcher = Dispatcher()

    @dispatcher.message(CommandStart(deep_link=True))
    async def start(message: Message) -> None:
        await message.answer(f"Code {message.text}", reply_markup=keyboard("Approve", "Reject"))

    @dispatcher.message(F.text)
    async def echo(message: Message) -> None:
        await message.answer(f"<b>You</b> said {message.html_text}")

    @dispatcher.callback_query(F.data == "a:Approve")
    async def approve(query: CallbackQuery) -> None:
        assert isinstance(query.message, Message)
        await query.message.edit_text(f"Approved; was: {query.message.text}")
        await query.answer("Done", show_alert=True)

    @dispatcher.callback_query(F.data == "a:Reject")
    async def reject(query: CallbackQuery) -> None:
        await query.answer()

    return dispatcher


async def test_a_message_and_its_reply_make_the_round_trip(bot: Bot, owner: Visitor) -> None:
    async with polling(approving(), bot):
        sent = await owner.says("hello & <goodbye>")
        answer = await owner.sees(lambda m: m["from"] == "bot")
    assert sent["from"] == "owner"
    assert answer["text"] == "You said hello & <goodbye>"
    assert answer["html"] == "<b>You</b> said hello &amp; &lt;goodbye&gt;"
    assert abs(answer["date"] - time.time()) < 10


async def test_a_pressed_button_is_answered_and_the_card_edited_in_place(
    bot: Bot, owner: Visitor
) -> None:
    async with polling(approving(), bot):
        await owner.says("/start CODE1")
        card = await owner.sees(lambda m: m["buttons"])
        assert card["buttons"] == [
            [{"text": "Approve", "data": "a:Approve"}, {"text": "Reject", "data": "a:Reject"}]
        ]
        assert await owner.presses(card["message_id"], "a:Reject") == {
            "answer": None,
            "alert": False,
            "answered": True,
        }
        assert await owner.presses(card["message_id"], "a:Approve") == {
            "answer": "Done",
            "alert": True,
            "answered": True,
        }
        edited = await owner.sees(lambda m: m["edited"])
    assert edited["message_id"] == card["message_id"]
    assert edited["text"] == "Approved; was: Code /start CODE1"
    assert edited["buttons"] == []


async def test_a_button_that_is_gone_can_still_be_pressed_and_the_text_forged(
    bot: Bot, owner: Visitor
) -> None:
    async with polling(approving(), bot):
        await owner.says("/start CODE1")
        card = await owner.sees(lambda m: m["buttons"])
        await owner.presses(card["message_id"], "a:Approve")
        again = await owner.presses(card["message_id"], "a:Approve", stale_text="Pay 1")
    assert again == {"answer": "Done", "alert": True, "answered": True}
    assert (await owner.messages())[-1]["text"] == "Approved; was: Pay 1"


async def test_nobody_answers_a_press_while_no_bot_listens(bot: Bot, owner: Visitor) -> None:
    message = await bot.send_message(1001, "Card", reply_markup=keyboard("Approve"))
    assert await owner.presses(message.message_id, "a:Approve") == {
        "answer": None,
        "alert": False,
        "answered": False,
    }


async def test_a_callback_can_be_answered_only_once(bot: Bot, owner: Visitor) -> None:
    message = await bot.send_message(1001, "Card", reply_markup=keyboard("Approve"))
    press = asyncio.create_task(owner.presses(message.message_id, "a:Approve"))
    [update] = await bot.get_updates(timeout=5)
    query = update.callback_query
    assert query is not None
    assert isinstance(query.message, Message)
    assert query.message.text == "Card"
    assert query.message.reply_markup is not None
    assert query.message.reply_markup.model_dump() == keyboard("Approve").model_dump()
    await bot.answer_callback_query(query.id, text="Noted")
    assert await press == {"answer": "Noted", "alert": False, "answered": True}
    with pytest.raises(TelegramBadRequest, match="query is too old"):
        await bot.answer_callback_query(query.id)
    with pytest.raises(TelegramBadRequest, match="query ID is invalid"):
        await bot.answer_callback_query("12345")


async def test_an_edit_that_changes_nothing_is_refused(bot: Bot) -> None:
    message = await bot.send_message(1001, "<b>Same</b>", reply_markup=keyboard("One"))
    with pytest.raises(TelegramBadRequest, match="message is not modified"):
        await message.edit_text("<b>Same</b>", reply_markup=keyboard("One"))
    with pytest.raises(TelegramBadRequest, match="message is not modified"):
        await message.edit_reply_markup(reply_markup=keyboard("One"))
    edited = await message.edit_text("Same", reply_markup=keyboard("One"))
    assert isinstance(edited, Message)
    assert edited.edit_date is not None


async def test_changing_only_the_buttons_does_not_show_as_edited(bot: Bot, owner: Visitor) -> None:
    message = await bot.send_message(1001, "Card", reply_markup=keyboard("One"))
    await message.edit_reply_markup(reply_markup=keyboard("Two"))
    [shown] = await owner.messages()
    assert (shown["edited"], shown["buttons"][0][0]["text"]) == (False, "Two")


async def test_a_message_the_owner_deleted_can_be_neither_edited_nor_deleted(
    bot: Bot, owner: Visitor
) -> None:
    message = await bot.send_message(1001, "Card")
    await owner.deletes(message.message_id)
    assert await owner.messages() == []
    with pytest.raises(TelegramBadRequest, match="message to edit not found"):
        await message.edit_text("Other")
    with pytest.raises(TelegramBadRequest, match="message to delete not found"):
        await message.delete()


async def test_the_bot_erases_what_the_owner_typed(bot: Bot, owner: Visitor) -> None:
    typed = await owner.says("123456")
    with pytest.raises(TelegramBadRequest, match="message can't be edited"):
        await bot.edit_message_text("x", chat_id=1001, message_id=typed["message_id"])
    assert await bot.delete_message(1001, typed["message_id"])
    assert await owner.messages() == []


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("", "message text is empty"),
        ("<b>  </b>", "message text is empty"),
        ("a" * 4097, "message is too long"),
        ("\N{GRINNING FACE}" * 2049, "message is too long"),
        ("<b>open", 'Can\'t find end tag corresponding to start tag "b"'),
        ("<b>x</i>", "Unmatched end tag at byte offset 4"),
        ("ü</i>", "Unexpected end tag at byte offset 2"),
        ("<script>x</script>", 'Unsupported start tag "script" at byte offset 0'),
        ("1 < 2", 'Unsupported start tag ""'),
        ("1 <b", "Unclosed start tag at byte offset 2"),
    ],
)
async def test_a_text_that_telegram_refuses_is_refused(
    shared_bot: Bot, text: str, refusal: str
) -> None:
    with pytest.raises(TelegramBadRequest, match=refusal):
        await shared_bot.send_message(1001, text)


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[TelegramSandbox]:
    with telegram_sandbox() as running:
        yield running


@pytest.fixture
async def shared_bot(shared_sandbox: TelegramSandbox) -> AsyncIterator[Bot]:
    made = make_bot(shared_sandbox)
    yield made
    await made.session.close()


async def test_html_comes_back_as_text_with_entities(shared_bot: Bot) -> None:
    source = (
        "Pay <b>0.1 <i>ETH</i></b> \N{GRINNING FACE} to <code>0xA&lt;B</code> "
        '<a href="https://example.org/a/b?c=1">explorer</a> <tg-spoiler>x</tg-spoiler>'
    )
    message = await shared_bot.send_message(1001, f"\n{source}  \n")
    assert message.text == "Pay 0.1 ETH \N{GRINNING FACE} to 0xA<B explorer x"
    assert message.html_text == source
    assert message.entities is not None
    assert [entity.type for entity in message.entities] == [
        "bold",
        "italic",
        "code",
        "text_link",
        "spoiler",
    ]


async def test_a_link_that_is_no_web_address_is_dropped(shared_bot: Bot) -> None:
    message = await shared_bot.send_message(1001, '<a href="javascript:alert(1)">x</a>')
    assert (message.text, message.entities) == ("x", None)


async def test_commands_and_addresses_in_a_text_are_found(shared_bot: Bot) -> None:
    message = await shared_bot.send_message(1001, "Try /status or https://example.org/a/b.")
    assert [entity.extract_from(message.text or "") for entity in message.entities or []] == [
        "/status",
        "https://example.org/a/b",
    ]


async def test_button_data_over_64_bytes_is_refused(shared_bot: Bot) -> None:
    def with_data(data: str) -> InlineKeyboardMarkup:
        button = InlineKeyboardButton.model_construct(text="x", callback_data=data)
        return InlineKeyboardMarkup.model_construct(inline_keyboard=[[button]])

    await shared_bot.send_message(1001, "x", reply_markup=with_data("a" * 64))
    with pytest.raises(TelegramBadRequest, match="BUTTON_DATA_INVALID"):
        await shared_bot.send_message(1001, "x", reply_markup=with_data("ü" * 33))


async def test_a_bot_cannot_write_to_a_chat_nobody_started(
    sandbox: TelegramSandbox, bot: Bot, stranger: Visitor
) -> None:
    with pytest.raises(TelegramBadRequest, match="chat not found"):
        await bot.send_message(2002, "hello")
    with pytest.raises(TelegramBadRequest, match="chat not found"):
        await bot.send_message("@somebody", "hello")
    await stranger.says("/start")
    await bot.send_message(2002, "hello")
    assert [m["text"] for m in await stranger.messages()] == ["/start", "hello"]


async def test_the_stranger_and_the_owner_do_not_see_each_others_chat(
    bot: Bot, owner: Visitor, stranger: Visitor
) -> None:
    async with polling(approving(), bot):
        await stranger.says("I am the owner")
        reply = await stranger.sees(lambda m: m["from"] == "bot")
    assert reply["text"] == "You said I am the owner"
    assert await owner.messages() == []


async def test_the_bot_learns_who_wrote_and_who_pressed(
    bot: Bot, owner: Visitor, stranger: Visitor
) -> None:
    card = await bot.send_message(1001, "Card", reply_markup=keyboard("Approve"))
    await owner.says("mine")
    press = asyncio.create_task(stranger.presses(card.message_id, "a:Approve"))
    seen: list[Any] = []
    async with asyncio.timeout(20):
        while len(seen) < 2:
            offset = seen[-1].update_id + 1 if seen else None
            seen += await bot.get_updates(offset=offset, timeout=5)
    assert seen[0].message.from_user.id == seen[0].message.chat.id == 1001
    assert seen[0].message.chat.type == "private"
    assert seen[1].callback_query.from_user.id == 2002
    await bot.answer_callback_query(seen[1].callback_query.id)
    await press


async def test_updates_come_again_until_the_offset_confirms_them(bot: Bot, owner: Visitor) -> None:
    for text in ("one", "two", "three"):
        await owner.says(text)
    first = await bot.get_updates(limit=2)
    assert [update.message and update.message.text for update in first] == ["one", "two"]
    assert await bot.get_updates(limit=2) == first
    rest = await bot.get_updates(offset=first[-1].update_id + 1)
    assert [update.message and update.message.text for update in rest] == ["three"]
    assert await bot.get_updates(offset=rest[-1].update_id + 1) == []
    await owner.says("four")
    await owner.says("five")
    last = await bot.get_updates(offset=-1)
    assert [update.message and update.message.text for update in last] == ["five"]


async def test_a_long_poll_waits_for_the_message(bot: Bot, owner: Visitor) -> None:
    poll = asyncio.create_task(bot.get_updates(timeout=20))
    await answering(owner)
    await owner.says("at last")
    [update] = await asyncio.wait_for(poll, 5)
    assert update.message is not None
    assert update.message.text == "at last"


async def test_updates_nobody_asked_for_are_not_kept(bot: Bot, owner: Visitor) -> None:
    await bot.get_updates(allowed_updates=["callback_query"])
    await owner.says("not wanted")
    assert await bot.get_updates() == []
    await bot.get_updates(allowed_updates=["message", "callback_query"])
    await owner.says("wanted")
    assert len(await bot.get_updates()) == 1


async def test_a_second_poller_ends_the_first_with_a_conflict(bot: Bot, owner: Visitor) -> None:
    older = asyncio.create_task(bot.get_updates(timeout=20))
    await answering(owner)
    newer = asyncio.create_task(bot.get_updates(timeout=20))
    with pytest.raises(TelegramConflictError, match="terminated by other getUpdates"):
        await asyncio.wait_for(older, 5)
    await owner.says("for the newer")
    assert len(await asyncio.wait_for(newer, 5)) == 1


async def test_a_webhook_stops_polling_until_it_is_deleted(bot: Bot, owner: Visitor) -> None:
    await owner.says("old")
    await bot.set_webhook("https://example.org/hook")
    assert (await bot.get_webhook_info()).pending_update_count == 1
    with pytest.raises(TelegramConflictError, match="webhook is active"):
        await bot.get_updates()
    await bot.delete_webhook(drop_pending_updates=True)
    assert (await bot.get_webhook_info()).url == ""
    assert await bot.get_updates() == []


async def test_too_many_requests_tells_how_long_to_wait(bot: Bot, owner: Visitor) -> None:
    await owner.plants("429", method="sendMessage", count=2, retry_after=7)
    await bot.get_me()
    for _ in range(2):
        with pytest.raises(TelegramRetryAfter) as caught:
            await bot.send_message(1001, "x")
        assert caught.value.retry_after == 7
    await bot.send_message(1001, "x")
    assert [call["status"] for call in await owner.calls("sendMessage")] == [429, 429, 200]


async def test_planted_faults_happen_and_can_be_cleared(bot: Bot, owner: Visitor) -> None:
    await owner.plants("502", count=1)
    with pytest.raises(TelegramServerError):
        await bot.get_me()
    await owner.plants("409", method="getUpdates")
    with pytest.raises(TelegramConflictError):
        await bot.get_updates()
    await owner.plants("delay", method="getMe", seconds=0.3)
    began = time.monotonic()
    await bot.get_me()
    assert time.monotonic() - began >= 0.3
    await owner.plants("502", count=100)
    await owner.plants("clear")
    await bot.get_me()


async def test_a_dropped_answer_leaves_the_message_sent(bot: Bot, owner: Visitor) -> None:
    await owner.plants("drop_answer", method="sendMessage")
    with pytest.raises(TelegramNetworkError):
        await bot.send_message(1001, "Did it arrive?")
    assert [m["text"] for m in await owner.messages()] == ["Did it arrive?"]


async def test_a_wrong_token_and_an_unknown_method_are_refused(sandbox: TelegramSandbox) -> None:
    other = make_bot(sandbox, "123456:not-the-token")
    with pytest.raises(TelegramUnauthorizedError):
        await other.get_me()
    await other.session.close()
    async with httpx.AsyncClient(base_url=f"{sandbox.api}/bot{sandbox.token}") as http:
        answer = await http.get("/getNothing")
        assert (answer.status_code, answer.json()["description"]) == (404, "Not Found")
        assert (await http.get("/getme")).json()["result"]["username"] == sandbox.bot_username


async def test_a_photo_is_kept_and_its_caption_edited(
    sandbox: TelegramSandbox, bot: Bot, owner: Visitor
) -> None:
    picture = BufferedInputFile(PNG, "qr.png")
    message = await bot.send_photo(1001, picture, caption="<b>Scan</b>")
    assert message.caption == "Scan"
    photo = (message.photo or [])[0]
    assert isinstance(photo, PhotoSize)
    assert (photo.width, photo.height, photo.file_size) == (2, 3, len(PNG))
    [shown] = await owner.messages()
    async with httpx.AsyncClient(base_url=sandbox.api) as http:
        stored = await http.get(shown["photo"])
    assert stored.content == PNG
    assert stored.headers["content-type"] == "image/png"
    await message.edit_caption(caption="Scanned")
    assert (await owner.messages())[0]["text"] == "Scanned"
    with pytest.raises(TelegramBadRequest, match="there is no text in the message to edit"):
        await message.edit_text("x")
    with pytest.raises(TelegramBadRequest, match="IMAGE_PROCESS_FAILED"):
        await bot.send_photo(1001, BufferedInputFile(b"not a picture", "x.png"))


async def test_commands_chat_actions_and_replies_are_understood(
    sandbox: TelegramSandbox, bot: Bot, owner: Visitor
) -> None:
    commands = [BotCommand(command="status", description="What is going on")]
    await bot.set_my_commands(commands)
    [command] = await bot.get_my_commands()
    assert (command.command, command.description) == ("status", "What is going on")
    with pytest.raises(TelegramBadRequest, match="BOT_COMMAND_INVALID"):
        await bot.set_my_commands([BotCommand(command="No Spaces", description="x")])
    assert await bot.send_chat_action(1001, "typing")
    assert (await bot.get_chat(1001)).first_name == "Sandbox Owner"
    asked = await owner.says("question")
    reply = await bot.send_message(
        1001, "answer", reply_parameters=ReplyParameters(message_id=asked["message_id"])
    )
    assert reply.reply_to_message is not None
    assert reply.reply_to_message.text == "question"
    async with httpx.AsyncClient(base_url=sandbox.api) as http:
        info = (await http.get("/chat/info")).json()
    assert info["commands"] == [{"command": "status", "description": "What is going on"}]


async def test_a_press_on_a_deleted_message_finds_nothing(bot: Bot, owner: Visitor) -> None:
    message = await bot.send_message(1001, "Card", reply_markup=keyboard("Approve"))
    await message.delete()
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        await owner.presses(message.message_id, "a:Approve")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"host": "evil.example"},
        {"host": "localhost"},
    ],
)
async def test_pages_of_other_origins_and_other_host_names_are_refused(
    shared_sandbox: TelegramSandbox, headers: dict[str, str]
) -> None:
    async with httpx.AsyncClient(base_url=shared_sandbox.api, headers=headers) as http:
        for path in ("/chat", "/chat/messages", f"/bot{shared_sandbox.token}/getMe"):
            assert (await http.get(path)).status_code == 403
        assert (await http.post("/chat/messages", json={"text": "x"})).status_code == 403


async def test_a_form_cannot_write_to_the_chat(shared_sandbox: TelegramSandbox) -> None:
    async with httpx.AsyncClient(base_url=shared_sandbox.api) as http:
        answer = await http.post("/chat/messages", content=b'{"text":"x"}')
    assert answer.status_code == 415


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "stdin"])
async def test_the_process_ends_at_once_while_calls_are_open(how: str) -> None:
    with telegram_sandbox("--exit-with-stdin", "--owner-id", "77") as sandbox:
        assert sandbox.owner_id == 77
        bot, owner = make_bot(sandbox), Visitor(sandbox)
        poll = asyncio.create_task(bot.get_updates(timeout=30))
        await answering(owner)
        async with (
            httpx.AsyncClient(base_url=sandbox.api) as http,
            http.stream("GET", "/chat/events") as events,
        ):
            assert (await anext(events.aiter_text())).startswith("event: info")
            if how == "stdin":
                assert sandbox.process.stdin is not None
                sandbox.process.stdin.close()
            else:
                sandbox.process.send_signal(signal.Signals[how])
            assert await asyncio.to_thread(sandbox.process.wait, 20) == 0  # the poll would take 30
        assert await poll == []
        await owner.close()
        await bot.session.close()
