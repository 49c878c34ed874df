"""/killswitch: offers the stop, one tap away; while stopped it says how things stand."""

from collections.abc import Sequence

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import Message
from aiogram.utils.formatting import Bold, Text

from bot import keyboards, texts, wording
from bot.doors import Desk
from bot.handlers.replies import reply
from wallet.domain.safety import StopState, SystemState
from wallet.ports.owner_channel import Button


async def killswitch(message: Message, desk: Desk) -> None:
    state, chat = await desk.console.stop_state(), message.chat.id
    buttons: Sequence[Button] = ()
    match state.state:
        case StopState.NORMAL:
            buttons = await desk.console.offer_kill(chat)
        case StopState.RECOVERING if not state.recovery_cancelled_by_chat:
            buttons = await desk.console.offer_cancel_recovery(chat)
        case _:
            pass
    markup = keyboards.keyboard([[button] for button in buttons])
    sent = await reply(message, _said(state), markup)
    if buttons:
        await desk.console.bind(buttons, sent.message_id, sent.text or "")


def _said(state: SystemState) -> Text:
    match state.state:
        case StopState.NORMAL:
            return wording.joined([Bold(texts.KILL_OFFER), "", texts.KILL_MEANS])
        case StopState.ACTIVATED:
            return wording.joined([Bold(texts.STOPPED_ALREADY), "", texts.HOW_TO_RECOVER])
        case StopState.RECOVERING:
            at = "" if state.recovery_at is None else wording.moment(state.recovery_at)
            how = texts.CANCEL_ON_HOST if state.recovery_cancelled_by_chat else texts.CANCEL_HERE
            return wording.joined(
                [Bold(texts.RECOVERING), "", texts.RECOVERS_AT.format(at=at), how]
            )


def router() -> Router:
    made = Router(name="safety")
    made.message.register(killswitch, Command("killswitch"))
    return made
