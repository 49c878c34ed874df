"""Pairing and the replacement of a lost authenticator, walked whole: every act in every state, and what follows."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.vault import code_at
from tests.support.world import World, built
from wallet.domain.authority import RESET_COUNTER
from wallet.errors import WalletError

STRANGER = 9
RESET_WAIT, CODE_LIFE = 86_400, 600
WRONG = "AAAAAAAAAA"


class Pairing:
    """The host and somebody in the chat. The owner before has the id 7."""

    ACTS = ("start", "right code", "wrong code", "yes to the sender", "yes to another", "no")

    def __init__(self, world: World) -> None:
        self._world, self._desk, self._code = world, world.app.operations.owner, WRONG

    async def is_brought_to(self, state: str) -> None:
        if state == "PAIRED":
            return
        await self.act("start")
        if state in ("CANDIDATE", "VOID", "REPLACED"):
            await self.act("right code")
        if state == "REPLACED":
            await self.act("yes to the sender")
        elif state == "VOID":
            await self.act("no")
        elif state == "LATE":
            self._world.clock.advance(CODE_LIFE)

    async def act(self, name: str) -> str:
        acts: Mapping[str, Callable[[], Awaitable[Any]]] = {
            "start": self._start,
            "right code": lambda: self._sends(self._code),
            "wrong code": lambda: self._sends(WRONG),
            "yes to the sender": lambda: self._desk.confirm_pairing("host", STRANGER),
            "yes to another": lambda: self._desk.confirm_pairing("host", STRANGER + 1),
            "no": lambda: self._desk.void_pairing("host"),
        }
        return await outcome(acts[name])

    async def state(self) -> str:
        owner = await self._desk.owner()
        assert owner is not None
        return f"{(await self._desk.pairing_status())['state']} {owner.user_id}"

    async def _start(self) -> None:
        self._code = await self._desk.start_pairing("host")

    async def _sends(self, code: str) -> Any:
        desk: Any = self._desk
        return await desk.offer_pairing(code, STRANGER, STRANGER, "Eve", None)


class Reset:
    """A lost authenticator: the host may begin and end, the chat may end once, a new app ends it for good."""

    ACTS = ("start", "no from the chat", "no from the host", "a new app")

    def __init__(self, world: World) -> None:
        world.vault.enrolled = True
        self._world, self._operations = world, world.app.operations

    async def is_brought_to(self, state: str) -> None:
        if state == "IDLE":
            return
        await self.act("start")
        if state in ("REFUSED", "AGAIN"):
            await self.act("no from the chat")
        if state == "AGAIN":
            await self.act("start")
        if state == "OVER":
            self._world.clock.advance(RESET_WAIT)

    async def act(self, name: str) -> str:
        reset, desk = self._operations.reset, self._operations.owner
        code = code_at(self._world.clock.now())
        acts: Mapping[str, Callable[[], Awaitable[Any]]] = {
            "start": lambda: reset.start("host"),
            "no from the chat": lambda: reset.cancel("owner", from_chat=True),
            "no from the host": lambda: reset.cancel("host", from_chat=False),
            "a new app": lambda: desk.confirm_totp(code),
        }
        return await outcome(acts[name])

    async def state(self) -> str:
        """Whether a code of the old app is still asked for, and whether a reset runs."""
        asked = await outcome(lambda: self._operations.approvals.require_current_code(None))
        counter = await self._world.database.read(
            lambda unit: unit.authority.counter(RESET_COUNTER)
        )
        return f"{'RUNNING' if counter[0] else 'IDLE'} {asked or 'FREE'}"


async def outcome(act: Callable[[], Awaitable[Any]]) -> str:
    """The code of a refusal, or what was answered where it is a yes or a no."""
    try:
        found = await act()
    except WalletError as refusal:
        return str(refusal.code)
    return str(found) if isinstance(found, bool) else ""


NO = "PAIRING_INVALID"
# state -> for each act what is answered, and (state, who is the owner) afterwards. A late code is a void one.
PAIRINGS = {
    "PAIRED": [
        ("", "WAITING 7"), ("False", "PAIRED 7"), ("False", "PAIRED 7"), (NO, "PAIRED 7"), (NO, "PAIRED 7"),
        ("", "PAIRED 7"),
    ],
    "WAITING": [
        ("", "WAITING 7"), ("True", "CANDIDATE 7"), ("False", "WAITING 7"), (NO, "WAITING 7"), (NO, "WAITING 7"),
        ("", "VOID 7"),
    ],
    "CANDIDATE": [
        ("", "WAITING 7"), ("False", "CANDIDATE 7"), ("False", "CANDIDATE 7"), ("", "PAIRED 9"), (NO, "CANDIDATE 7"),
        ("", "VOID 7"),
    ],
    "VOID": [
        ("", "WAITING 7"), ("False", "VOID 7"), ("False", "VOID 7"), (NO, "VOID 7"), (NO, "VOID 7"), ("", "VOID 7"),
    ],
    "LATE": [
        ("", "WAITING 7"), ("False", "VOID 7"), ("False", "VOID 7"), (NO, "VOID 7"), (NO, "VOID 7"), ("", "VOID 7"),
    ],
    "REPLACED": [
        ("", "WAITING 9"), ("False", "PAIRED 9"), ("False", "PAIRED 9"), (NO, "PAIRED 9"), (NO, "PAIRED 9"),
        ("", "PAIRED 9"),
    ],
}  # fmt: skip
ASKED, FREE = "FACTOR_REQUIRED", "FREE"
# The same; afterwards whether a reset runs, and whether a code of the old app is asked for.
RESETS = {
    "IDLE": [
        ("", f"RUNNING {ASKED}"), ("NOT_FOUND", f"IDLE {ASKED}"), ("NOT_FOUND", f"IDLE {ASKED}"), ("", f"IDLE {ASKED}"),
    ],
    "RUNNING": [
        ("", f"RUNNING {ASKED}"), ("", f"IDLE {ASKED}"), ("", f"IDLE {ASKED}"), ("", f"IDLE {ASKED}"),
    ],
    "OVER": [
        ("", f"RUNNING {FREE}"), ("", f"IDLE {ASKED}"), ("", f"IDLE {ASKED}"), ("", f"IDLE {ASKED}"),
    ],
    "REFUSED": [
        ("", f"RUNNING {ASKED}"), ("NOT_FOUND", f"IDLE {ASKED}"), ("NOT_FOUND", f"IDLE {ASKED}"), ("", f"IDLE {ASKED}"),
    ],
    "AGAIN": [
        ("", f"RUNNING {ASKED}"), (ASKED, f"RUNNING {ASKED}"), ("", f"IDLE {ASKED}"), ("", f"IDLE {ASKED}"),
    ],
}  # fmt: skip
Kind = type[Pairing] | type[Reset]
WALKS: list[tuple[Kind, str, list[tuple[str, str]]]] = [
    *((Pairing, state, row) for state, row in PAIRINGS.items()),
    *((Reset, state, row) for state, row in RESETS.items()),
]


@pytest.mark.parametrize(
    ("kind", "state", "expected"), WALKS, ids=[f"{k.__name__} {state}" for k, state, _ in WALKS]
)
async def test_every_act_in_every_state(
    tmp_path: Path, kind: Kind, state: str, expected: list[tuple[str, str]]
) -> None:
    found = []
    for act in kind.ACTS:
        folder = tmp_path / act
        folder.mkdir(mode=0o700)
        async with built(folder) as world:
            walker = kind(world)
            await walker.is_brought_to(state)
            found.append((await walker.act(act), await walker.state()))

    assert dict(zip(kind.ACTS, found, strict=True)) == dict(zip(kind.ACTS, expected, strict=True))
