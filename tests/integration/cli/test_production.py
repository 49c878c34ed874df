"""A production directory from `init` to `stop`, on stand-ins for the network and for Telegram."""

import json
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.evm_node import evm_node
from tests.support.telegram_sandbox import TelegramSandbox, telegram_sandbox
from tests.support.waiaas_sandbox import bare_environment, waiaas

pytestmark = pytest.mark.xdist_group("cli_sandbox")

PASSWORD = "a long enough password"


@contextmanager
def _daemon(home: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "wallet", "start", "--data-dir", str(home), "--port", "0"]
    with subprocess.Popen(
        [*command, *options],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=bare_environment(),
    ) as process:
        until = time.monotonic() + 30
        while not (home / "daemon.json").exists():
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < until
            time.sleep(0.05)
        try:
            yield process
        finally:
            process.kill()
            process.communicate(timeout=10)


@pytest.fixture
def telegram() -> Iterator[TelegramSandbox]:
    with telegram_sandbox() as running:
        yield running


def _files(folder: Path, token: str) -> tuple[str, ...]:
    (folder / "password").write_text(f"{PASSWORD}\n")
    (folder / "token").write_text(f"{token}\n")
    return ("--password-file", str(folder / "password"))


def _init(
    home: Path, telegram: TelegramSandbox, *options: str
) -> "subprocess.CompletedProcess[str]":
    password = _files(home.parent, telegram.token)
    token = ("--bot-token-file", str(home.parent / "token"))
    where = ("--data-dir", str(home), "--bot-api-url", telegram.api)
    quick = ("--keystore-profile", "MODERATE")  # another test looks at the measured one
    return waiaas(
        "init", "--non-interactive", "--json", *where, *quick, *password, *token, *options
    )


def test_init_start_unlock_wallet_status_stop(tmp_path: Path, telegram: TelegramSandbox) -> None:
    home = tmp_path / "wallet"
    where = ("--data-dir", str(home))
    password = ("--password-file", str(tmp_path / "password"))
    with evm_node() as evm:
        made = _init(home, telegram, "--network", f"evm-local={evm.rpc}", "--preset", "careful")
        assert made.returncode == 0, made.stderr
        told = json.loads(made.stdout)
        assert told["alreadyInitialized"] is False
        assert told["bot"] == {"checked": True, "username": telegram.bot_username}
        for path in (home, *home.rglob("*")):
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
        again = _init(home, telegram)
        assert json.loads(again.stdout)["alreadyInitialized"] is True
        assert waiaas("status", *where).returncode == 3

        with _daemon(home, "--locked") as process:
            second = waiaas("start", *where, *password)
            assert (second.returncode, "DAEMON_ALREADY_RUNNING" in second.stderr) == (2, True)
            found = json.loads(waiaas("status", "--json", *where).stdout)
            assert found["locked"] is True
            wrong = waiaas("unlock", *where, WAIAAS_MASTER_PASSWORD="x")
            assert wrong.returncode == 4
            assert waiaas("unlock", *where, *password).returncode == 0
            wallet = waiaas("wallet", "create", "--network", "evm-local", *where, *password)
            assert "starts with the careful rules" in wallet.stdout, wallet.stderr
            code = waiaas("pair", "--no-wait", *where, *password)
            assert "/start " in code.stdout, code.stderr
            stopped = waiaas("stop", *where)
            assert stopped.returncode == 0, stopped.stderr
            assert process.wait(10) == 0

    assert waiaas("stop", *where).returncode == 3
    sandbox = waiaas("sandbox", "--data-dir", str(home))
    assert "DATA_DIRECTORY_KIND" in sandbox.stderr


def test_start_with_a_wrong_password_is_exit_code_4(
    tmp_path: Path, telegram: TelegramSandbox
) -> None:
    home = tmp_path / "wallet"
    assert _init(home, telegram).returncode == 0

    done = waiaas("start", "--data-dir", str(home), "--port", "0", WAIAAS_MASTER_PASSWORD="wrong")

    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stderr


def test_init_refuses_a_short_password_a_refused_token_and_an_unknown_network(
    tmp_path: Path, telegram: TelegramSandbox
) -> None:
    home = tmp_path / "wallet"
    flags = ("init", "--non-interactive", "--data-dir", str(home))

    short = waiaas(*flags, WAIAAS_MASTER_PASSWORD="too short")
    unknown = waiaas(*flags, "--network", "etherium=https://x", WAIAAS_MASTER_PASSWORD=PASSWORD)
    (tmp_path / "token").write_text("1234567890:not-the-token")
    bot = ("--bot-token-file", str(tmp_path / "token"), "--bot-api-url", telegram.api)
    refused = waiaas(*flags, *bot, WAIAAS_MASTER_PASSWORD=PASSWORD)

    assert "at least 12" in short.stderr
    assert "names are" in unknown.stderr
    assert "refused by Telegram" in refused.stderr
    assert "not-the-token" not in refused.stderr
    assert not home.exists()


def test_doctor_names_what_is_broken_and_how_to_mend_it(
    tmp_path: Path, telegram: TelegramSandbox
) -> None:
    home = tmp_path / "wallet"
    assert _init(home, telegram).returncode == 0
    (home / "bot_token").chmod(0o644)
    (home / "config.toml").write_text("[daemon]\nprot = 1\n")

    done = waiaas("doctor", "--json", "--data-dir", str(home))

    found = {one["check"]: one for one in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1
    assert found["permissions"]["fix"] == f"chmod 600 {home / 'bot_token'}"
    assert "did you mean port" in found["settings"]["message"]
    assert found["daemon"]["status"] in ("WARN", "FAIL")


def test_without_a_directory_every_command_says_what_to_do(tmp_path: Path) -> None:
    for command in (["start"], ["stop"], ["status"], ["kill"], ["wallet", "list"]):
        done = waiaas(*command, "--data-dir", str(tmp_path / "none"))
        assert done.returncode == 3, command
        assert "NOT_INITIALISED" in done.stderr
        assert "waiaas init" in done.stderr


def test_a_wrong_call_is_a_general_error_not_already_running() -> None:
    assert waiaas("start", "--no-such-flag").returncode == 1
    assert waiaas("nothing").returncode == 1
    assert waiaas("--help").returncode == 0
