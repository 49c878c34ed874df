"""`waiaas backup`, `waiaas restore` and its drill as a person types them; nothing runs but the command."""

import json
import stat
import subprocess
from pathlib import Path

import pytest

from tests.integration.backup.directory import PASSWORD, Directory
from tests.support.waiaas_sandbox import waiaas


@pytest.fixture
def password(directory: Directory) -> tuple[str, str]:
    file = directory.home.parent / "password"
    file.write_text(f"{PASSWORD}\n")
    return ("--password-file", str(file))


def said(done: subprocess.CompletedProcess[str], code: int = 0) -> str:
    assert done.returncode == code, (done.stdout, done.stderr)
    assert PASSWORD not in done.stdout + done.stderr
    return done.stdout


def test_a_backup_is_made_drilled_and_restored_elsewhere(
    directory: Directory, password: tuple[str, str], tmp_path: Path
) -> None:
    where = ("--data-dir", str(directory.home))
    stick, room = tmp_path / "stick", tmp_path / "tmp"
    stick.mkdir()
    room.mkdir()
    with (directory.home / "config.toml").open("a") as config:
        config.write('\n[prices]\npyth_key_file = "pyth.key"\n')

    shown = said(waiaas("backup", "--to", str(stick), *where, *password))
    (file,) = stick.iterdir()
    again = waiaas("backup", "--to", str(file), *where)  # refused before a password is asked for
    drilled = said(waiaas("restore", str(file), "--drill", *password, TMPDIR=str(room)))
    done = waiaas("restore", str(file), "--data-dir", str(tmp_path / "new"), *password)

    assert f"{file}: " in shown
    assert "every key opens" in shown
    assert "first" in shown
    assert "Not in it: pyth.key" in shown
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "ALREADY_INITIALISED" in again.stderr
    assert "It would restore" in drilled
    assert list(room.iterdir()) == []
    assert "the next start is stopped" in said(done)
    assert "What was there" not in done.stdout
    assert (tmp_path / "new" / "behind").exists()


def test_refusals_have_codes_and_exit_codes(
    directory: Directory, password: tuple[str, str], tmp_path: Path
) -> None:
    where = ("--data-dir", str(directory.home))
    file = directory.backs_up().file
    wrong = tmp_path / "wrong"
    wrong.write_text("not the password")
    bad = ("--password-file", str(wrong))

    told = said(waiaas("restore", str(file), "--drill", "--json", *bad), 4)
    assert json.loads(told)["code"] == "WRONG_PASSWORD"
    said(waiaas("backup", "--to", str(tmp_path / "y"), *where, *bad), 4)
    assert not (tmp_path / "y").exists()
    told = said(waiaas("restore", str(file), "--drill", "--replace", "--json"), 1)
    assert json.loads(told)["code"] == "VALIDATION_ERROR"
    none = waiaas("backup", "--to", str(tmp_path), "--data-dir", str(tmp_path / "none"))
    said(none, 3)
    file.write_bytes(file.read_bytes()[:-1])
    told = said(waiaas("restore", str(file), *where, "--replace", "--json", *password), 1)
    assert json.loads(told)["code"] == "BACKUP_DAMAGED"


def test_a_drill_of_a_changed_log_fails(directory: Directory, password: tuple[str, str]) -> None:
    directory.writes("DROP TRIGGER audit_refuses_update")
    directory.writes("UPDATE audit SET actor = 'nobody' WHERE number = 2")
    file = directory.backs_up().file

    told = said(waiaas("restore", str(file), "--drill", *password), 1)

    assert "row 2 does not fit its hash" in told
    assert "--accept-changed-log" in told
