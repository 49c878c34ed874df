"""Taps on cards and offers, and typed codes."""

from collections.abc import Sequence
from typing import Any, Final

from aiogram import Bot, F, Router
from aiogram.types import CallbackQuery, Message
from aiogram.utils.formatting import Bold

from bot import keyboards, texts, wording
from bot.callbacks import Pressed
from bot.doors import Desk
from bot.errors import sentence
from bot.handlers.replies import quietly, reply, toast
from wallet.errors import Code as ErrorCode
from wallet.errors import WalletError
from wallet.operations.taps import Answer, AnswerKind, Press

# Refusals after which the same button can never do anything again.
OVER: Final = frozenset(
    {
        ErrorCode.RECOVERY_NOT_STARTED,
        ErrorCode.RECOVERY_ALREADY_STARTED,
        ErrorCode.KILL_SWITCH_ACTIVE,
    }
)
CODE: Final = r"^\s*[0-9]{3}\s?[0-9]{3}\s*$"


async def pressed(query: CallbackQuery, callback_data: Pressed, desk: Desk, bot: Bot) -> None:
    await press(query, callback_data.handle, desk, bot)


async def press(query: CallbackQuery, handle: str, desk: Desk, bot: Bot) -> None:
    """Judge a tap on the button that carries ``handle`` and say what came of it."""
    message = query.message
    if message is None:
        await toast(query, texts.ANSWERS[AnswerKind.OUT_OF_DATE])
        return
    text = message.text if isinstance(message, Message) else None
    tap = Press(handle, query.from_user.id, message.chat.id, message.message_id, text)
    try:
        answer = await desk.console.press(tap)
    except WalletError as refusal:
        await toast(query, sentence(refusal), alert=True)
        if refusal.code in OVER:
            await _close_offer(message, Answer(AnswerKind.OUT_OF_DATE, bare=True))
        return
    await toast(query, spoken(answer), alert=answer.alert)
    await _close_offer(message, answer)
    others = [one for one in answer.bare_messages if one != message.message_id]
    await _bare(bot, message.chat.id, others)


def spoken(answer: Answer) -> str:
    return texts.ANSWERS[answer.kind].format_map(answer.params)


async def _close_offer(message: Any, answer: Answer) -> None:
    """An offer that was taken says what came of it; cards are redrawn by the outbox."""
    if not isinstance(message, Message):
        return
    if answer.kind is AnswerKind.DISMISSED:
        await quietly(message.delete())
    elif answer.kind in texts.RESULTS:
        head = Bold(texts.RESULTS[answer.kind])
        text, entities = wording.joined([head, "", spoken(answer)]).render()
        await quietly(message.edit_text(text, entities=entities, parse_mode=None))
    elif answer.buttons:
        markup = keyboards.keyboard([[button] for button in answer.buttons])
        await quietly(message.edit_reply_markup(reply_markup=markup))
    elif answer.bare and message.reply_markup is not None:
        await quietly(message.edit_reply_markup(reply_markup=None))


async def typed_code(message: Message, desk: Desk, bot: Bot) -> None:
    """A code must not stay in the chat, whatever comes of it."""
    await quietly(message.delete())
    digits = "".join((message.text or "").split())
    try:
        answer = await desk.console.typed_code(message.chat.id, digits)
    except WalletError as refusal:
        await quietly(reply(message, sentence(refusal)))
        return
    await quietly(reply(message, spoken(answer)))
    await _bare(bot, message.chat.id, answer.bare_messages)


async def _bare(bot: Bot, chat_id: int, messages: Sequence[int]) -> None:
    for one in messages:
        await quietly(bot.edit_message_reply_markup(chat_id=chat_id, message_id=one))


def router() -> Router:
    made = Router(name="approvals")
    made.callback_query.register(pressed, Pressed.filter())
    made.message.register(typed_code, F.text.regexp(CODE))
    return made
