"""The kill switch: three states and the one table of moves between them."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import MappingProxyType

from wallet.errors import Code, ConflictError


class StopState(StrEnum):
    NORMAL = "NORMAL"
    ACTIVATED = "ACTIVATED"
    RECOVERING = "RECOVERING"


class StopEvent(StrEnum):
    ACTIVATE = "ACTIVATE"
    BEGIN_RECOVERY = "BEGIN_RECOVERY"
    CANCEL_RECOVERY = "CANCEL_RECOVERY"
    COMPLETE_RECOVERY = "COMPLETE_RECOVERY"


STOP_TRANSITIONS: Mapping[tuple[StopState, StopEvent], StopState] = MappingProxyType(
    {
        (StopState.NORMAL, StopEvent.ACTIVATE): StopState.ACTIVATED,
        (StopState.ACTIVATED, StopEvent.BEGIN_RECOVERY): StopState.RECOVERING,
        (StopState.RECOVERING, StopEvent.CANCEL_RECOVERY): StopState.ACTIVATED,
        (StopState.RECOVERING, StopEvent.COMPLETE_RECOVERY): StopState.NORMAL,
    }
)

_REFUSALS = {
    StopEvent.ACTIVATE: (Code.KILL_SWITCH_ACTIVE, "The kill switch is already active."),
    StopEvent.BEGIN_RECOVERY: (Code.KILL_SWITCH_NOT_ACTIVE, "The kill switch is not active."),
    StopEvent.CANCEL_RECOVERY: (Code.RECOVERY_NOT_STARTED, "No recovery is running."),
    StopEvent.COMPLETE_RECOVERY: (Code.RECOVERY_NOT_STARTED, "No recovery is running."),
}


@dataclass(frozen=True, slots=True)
class SystemState:
    """The stop state row. ``mac`` proves that a NORMAL was written by an unlocked daemon."""

    state: StopState
    version: int
    reason: str | None = None
    actor: str | None = None
    activated_at: int | None = None
    recovery_at: int | None = None  # when a running recovery completes, epoch ms
    recovery_factor: str | None = None
    recovery_cancelled_by_chat: bool = False  # the chat may cancel once per stop
    behind_at: int | None = None  # when this database was found to be behind the world, epoch ms
    mac: str | None = None


def next_stop_state(state: StopState, event: StopEvent) -> StopState:
    """The state that ``event`` leads to; ConflictError when the table has no such move."""
    found = STOP_TRANSITIONS.get((state, event))
    if found is None:
        code, message = _REFUSALS[event]
        hint = None
        if state is StopState.RECOVERING:
            hint = "To stop the recovery: waiaas recover --cancel."
            message = "The kill switch is active, and a recovery is running."
        if event is StopEvent.BEGIN_RECOVERY and state is StopState.RECOVERING:
            code, message = Code.RECOVERY_ALREADY_STARTED, "A recovery is already running."
        raise ConflictError(code, message, details={"state": state.value}, hint=hint)
    return found


def state_mac(key: bytes, row: SystemState) -> str:
    """HMAC-SHA256 over every column but the MAC itself, hex."""
    columns = {name: value for name, value in asdict(row).items() if name != "mac"}
    text = json.dumps(columns, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, b"waiaas/system-state/1\0" + text.encode(), hashlib.sha256).hexdigest()


def is_trusted_normal(key: bytes, row: SystemState) -> bool:
    """Whether the row says NORMAL and carries a valid MAC saying so."""
    return row.state is StopState.NORMAL and is_ours(key, row)


def is_ours(key: bytes, row: SystemState) -> bool:
    """Whether an unlocked daemon wrote exactly this row."""
    return row.mac is not None and hmac.compare_digest(row.mac, state_mac(key, row))
