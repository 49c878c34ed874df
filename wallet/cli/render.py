"""What a command says: tables and sentences for a person, one JSON document with --json."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from wallet.errors import Code, WalletError

OK: Final = 0
GENERAL: Final = 1
ALREADY_RUNNING: Final = 2
NOT_THERE: Final = 3
WRONG_PASSWORD: Final = 4
STOP_TIMED_OUT: Final = 5

_EXIT_CODES: Mapping[Code, int] = {
    Code.DAEMON_ALREADY_RUNNING: ALREADY_RUNNING,
    Code.NOT_INITIALISED: NOT_THERE,
    Code.KEYSTORE_MISSING: NOT_THERE,
    Code.DAEMON_NOT_RUNNING: NOT_THERE,
    Code.WRONG_PASSWORD: WRONG_PASSWORD,
    Code.INVALID_MASTER_PASSWORD: WRONG_PASSWORD,
    Code.KEYSTORE_DECRYPT_FAILED: WRONG_PASSWORD,  # of a key file, or it is damaged: nobody can tell
}


class Leave(SystemExit):
    """Ends a command with one of the documented codes."""


def show(answer: Any, *, as_json: bool, say: Callable[[Any], None]) -> None:
    """Print ``answer`` as JSON, or let ``say`` tell it."""
    if as_json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        say(answer)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """A table, cut nowhere: addresses and ids must be whole to be of use."""
    from rich.console import Console  # noqa: PLC0415 - half of a quick command's start
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    lines = list(rows)
    if not lines:
        print(empty)
        return
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(column, no_wrap=True, overflow="ignore")
    for line in lines:
        shown.add_row(*(Text(plain(cell)) for cell in line))
    width = None if sys.stdout.isatty() else 400
    Console(width=width, soft_wrap=True).print(shown, crop=False)


def plain(text: object) -> str:
    """Text of strangers on one line, without anything that could steer a terminal."""
    return "".join(one if one.isprintable() else "·" for one in str(text))


def fields(pairs: Iterable[tuple[str, object]]) -> None:
    """``name  value`` lines; None is left out."""
    given = [(name, value) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in given), default=0)
    for name, value in given:
        print(f"{name.ljust(width)}  {plain(value)}")


def moment(seconds: int | None) -> str | None:
    """Epoch seconds as local time."""
    if seconds is None:
        return None
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def wait_text(seconds: int) -> str:
    minutes, rest = divmod(max(0, seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def age(seconds: int) -> str:
    """A time that has passed: in days once there are any."""
    days = max(0, seconds) // 86_400
    return f"{days} day{'' if days == 1 else 's'}" if days else wait_text(seconds)


def fail(error: WalletError, *, as_json: bool) -> int:
    """Say what went wrong and what to do next; the exit code."""
    if as_json:
        told = {"code": error.code.value, "message": error.message, "hint": error.hint}
        print(json.dumps({**told, "details": error.details}, ensure_ascii=False))
    else:
        print(f"{error.code.value}: {error.message}", file=sys.stderr)
        for line in _details(error):
            print(f"  {line}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
    return _EXIT_CODES.get(error.code, GENERAL)


def _details(error: WalletError) -> list[str]:
    """Denials explain themselves; the rest is said by the message."""
    names = ("rule", "limit", "used", "remaining", "resetsAt", "smallestPassing", "retryAfter")
    return [
        f"{name}: {plain(error.details[name])}"
        for name in names
        if error.details.get(name) is not None
    ]
