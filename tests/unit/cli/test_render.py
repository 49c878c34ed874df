"""What commands print, and the codes they leave with."""

import json
from typing import Any

import pytest

from wallet.cli import render
from wallet.cli.http import error_of
from wallet.cli.status import memory_text
from wallet.errors import AuthError, Code, RefusedError, UnavailableError


@pytest.mark.parametrize(
    ("code", "left"),
    [
        (Code.POLICY_DENIED, 1),
        (Code.DAEMON_ALREADY_RUNNING, 2),
        (Code.NOT_INITIALISED, 3),
        (Code.KEYSTORE_MISSING, 3),
        (Code.DAEMON_NOT_RUNNING, 3),
        (Code.WRONG_PASSWORD, 4),
        (Code.INVALID_MASTER_PASSWORD, 4),
        (Code.KEYSTORE_DECRYPT_FAILED, 4),
    ],
)
def test_an_error_has_its_exit_code(code: Code, left: int) -> None:
    assert render.fail(RefusedError(code, "No."), as_json=False) == left


def test_an_error_says_code_message_and_what_to_do_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    details = {"limit": "5", "remaining": "0", "secret": "x"}
    error = RefusedError(Code.POLICY_DENIED, "Too much.", details=details, hint="Ask for less.")

    render.fail(error, as_json=False)
    render.fail(error, as_json=True)

    out, err = capsys.readouterr()
    assert err == "POLICY_DENIED: Too much.\n  limit: 5\n  remaining: 0\n  Ask for less.\n"
    assert json.loads(out)["hint"] == "Ask for less."


def test_text_of_strangers_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    render.fields([("memo", "pay\x1b[2J\nmore\u202e")])

    assert capsys.readouterr().out == "memo  pay·[2J·more·\n"


def test_a_table_cuts_no_address_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    address = "0x" + "ab" * 120

    render.table(("A", "B"), [("one", address)], empty="none")
    render.table(("A",), [], empty="none yet")

    out = capsys.readouterr().out
    assert address in out
    assert out.endswith("none yet\n")


def test_the_daemons_error_comes_back_as_the_error_it_was() -> None:
    found = error_of(401, {"code": "SESSION_REVOKED", "message": "Ended.", "hint": "Ask."})
    strange = error_of(502, {"code": "WHAT", "message": None})

    assert isinstance(found, AuthError)
    assert (found.code, found.message, found.hint) == (Code.SESSION_REVOKED, "Ended.", "Ask.")
    assert isinstance(strange, UnavailableError)
    assert strange.code is Code.INTERNAL_ERROR


GOOD = {"noCoreDumps": True, "notTraceable": True}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"daemon": GOOD, "signer": {**GOOD, "keyMemory": "GUARDED"}}, "keys in guarded memory"),
        ({"daemon": GOOD, "signer": {**GOOD, "keyMemory": "LOCKED"}}, "keys in locked memory"),
        ({"daemon": GOOD, "signer": {**GOOD, "keyMemory": "PLAIN"}}, "may be swapped out"),
        ({"daemon": GOOD, "signer": None}, "no signer runs"),
        (
            {
                "daemon": {**GOOD, "notTraceable": False},
                "signer": {"noCoreDumps": False, "notTraceable": True, "keyMemory": "GUARDED"},
            },
            "daemon can be traced by this user; signer may leave a core dump",
        ),
    ],
)
def test_status_says_which_guard_is_missing(found: dict[str, Any], said: str) -> None:
    assert said in memory_text(found)
