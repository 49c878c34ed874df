"""What each releasing button of a card asks for before it is done."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from wallet.domain.console import Action, Stage
from wallet.domain.transactions import Purpose
from wallet.operations.replacements import COMMANDS
from wallet.operations.taps import AnswerKind


@dataclass(frozen=True, slots=True)
class Ask:
    """What a releasing button leads to: the stages that ask for its proof, and the host's command."""

    name: str  # of the challenge
    confirm: str
    code: str
    command: str
    done: AnswerKind
    purpose: Purpose | None = None


APPROVING: Final = Ask(
    "APPROVE", Stage.CONFIRM.value, Stage.CODE.value, "approve", AnswerKind.APPROVED
)
_SPEEDING_UP: Final = Ask(
    "SPEED_UP", Stage.SPEED_UP.value, Stage.SPEED_UP_CODE.value, COMMANDS[Purpose.SPEED_UP],
    AnswerKind.SPEED_UP_ORDERED, Purpose.SPEED_UP,
)  # fmt: skip
_CANCELLING: Final = Ask(
    "CANCEL", Stage.CANCEL.value, Stage.CANCEL_CODE.value, COMMANDS[Purpose.CANCEL],
    AnswerKind.CANCEL_ORDERED, Purpose.CANCEL,
)  # fmt: skip
ASKS: Final[Mapping[Action, Ask]] = MappingProxyType(
    {
        Action.SPEED_UP: _SPEEDING_UP,
        Action.CONFIRM_SPEED_UP: _SPEEDING_UP,
        Action.CANCEL_SENT: _CANCELLING,
        Action.CONFIRM_CANCEL_SENT: _CANCELLING,
    }
)
# Which order a typed code is for, by the name of its challenge.
ORDERS: Final[Mapping[str, Ask]] = MappingProxyType(
    {ask.name: ask for ask in (_SPEEDING_UP, _CANCELLING)}
)
# What a stage that waits for a code asks it for.
CHALLENGES: Final[Mapping[str, str]] = MappingProxyType(
    {ask.code: ask.name for ask in (APPROVING, _SPEEDING_UP, _CANCELLING)}
)
