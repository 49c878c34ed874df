"""A production-kind installation: init, a locked start, pairing, and approvals that need a code."""

import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import httpx
import pyotp
import pytest

from tests.support.production import Installation, installation
from tests.support.sandbox import Agent, until

pytestmark = pytest.mark.xdist_group("production")


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installation]:
    """For tests that pair an owner or change what is paid."""
    with installation(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def unpaired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A daemon that has no owner yet."""
    with installation(tmp_path_factory.mktemp("unpaired")) as made:
        made.starts()
        yield made


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A directory with no daemon on it, before each of its tests and after."""
    with installation(tmp_path_factory.mktemp("stopped")) as made:
        yield made


def enrol(installed: Installation) -> tuple[pyotp.TOTP, str]:
    """Scan the QR code on the host's terminal and confirm with the first code, which is spent by that."""
    uri = installed.says("factor", "totp")["uri"]
    totp = pyotp.TOTP(parse_qs(urlparse(uri).query)["secret"][0])
    code = totp.now()
    installed.says("factor", "totp", "--code", code)
    return totp, code


def large_payment(agent: Agent) -> dict[str, object]:
    row = agent.asks("7")
    assert (row["tier"], row["status"]) == ("APPROVAL", "QUEUED")
    return row


def ready(installed: Installation) -> Agent:
    installed.starts()
    installed.pairs()
    wallet = installed.says(
        "wallet", "create", "--name", "main", "--network", "evm-local", "--preset", "normal"
    )
    return installed.new_agent(wallet)


def fresh(totp: pyotp.TOTP, used: set[str]) -> str:
    """A code that was not used before; a step lasts 30 seconds and the next one counts already."""
    for offset in (0, 30):
        code = totp.at(int(time.time()) + offset)
        if code not in used:
            used.add(code)
            return code
    raise AssertionError("both codes were used")


def test_an_approval_by_code_works_and_a_wrong_or_used_code_does_not(
    installed: Installation,
) -> None:
    agent = ready(installed)
    totp, spent = enrol(installed)
    used = {spent}

    first = large_payment(agent)
    installed.owner.presses(installed.owner.finds("7 ETH", button="Approve"), "Approve")
    wrong = "000000" if totp.now() != "000000" else "111111"
    said = installed.owner.says(wrong)
    until(
        lambda: all(m["message_id"] != said["message_id"] for m in installed.owner.messages()),
        "the owner's code message is deleted",
    )
    assert agent.sees(str(first["id"]))["status"] == "QUEUED"

    used_code = next(iter(used))
    installed.owner.says(used_code)  # the step that the enrolment spent
    installed.owner.says(fresh(totp, used))
    agent.waits_for(str(first["id"]), "CONFIRMED")

    second = large_payment(agent)
    card = installed.owner.finds("7 ETH", button="Approve")
    installed.owner.presses(card, "Approve")
    for code in sorted(used):
        installed.owner.says(code)
    until(
        lambda: not any(m["text"] in used for m in installed.owner.messages()),
        "the codes are deleted",
    )
    assert agent.sees(str(second["id"]))["status"] == "QUEUED"
    assert agent.chain.payments_to(str(second["toAddress"])) == []


def test_pairing_by_anyone_who_does_not_know_the_code_fails(unpaired: Installation) -> None:
    code = unpaired.says("pair", "--no-wait")["code"]
    unpaired.stranger.says("/start AAAAAAAAAA")
    for guess in range(5):
        unpaired.stranger.says(f"/start {guess:010d}")

    until(
        lambda: unpaired.says("pair", "--status", proved=False)["state"] == "VOID",
        "five wrong codes void it",
    )
    unpaired.owner.says(f"/start {code}")
    refused = unpaired.host.request("POST", "/v1/pairing/confirm", json={"userId": 1})
    assert refused.status_code == httpx.codes.FORBIDDEN
    assert unpaired.host.status()["owner"] is None


def sender_of(installed: Installation) -> int:
    """Somebody sent the code; his id, as the host shows it."""

    def look() -> int | None:
        found = installed.says("pair", "--status", proved=False)["candidate"]
        return None if found is None else int(found["id"])

    return until(look, "the code arrived")


def test_a_no_on_the_host_voids_the_pairing(unpaired: Installation) -> None:
    terminal, inside = pty.openpty()
    proof = ["--password-file", str(unpaired.password_file)]
    asking = subprocess.Popen(
        [*unpaired.command("pair"), *proof], stdin=inside, stdout=inside, stderr=inside
    )
    os.close(inside)
    said = reads_until(terminal, "/start ", "\n")
    code = said.split("/start ")[-1].split()[0]
    unpaired.stranger.says(f"/start {code}")
    reads_until(terminal, "Is this you?")

    os.write(terminal, b"n\n")

    reads_until(terminal, "the code is void")
    assert asking.wait(20) == 0
    os.close(terminal)
    assert unpaired.says("pair", "--status", proved=False)["state"] == "VOID"
    refused = unpaired.host.request("POST", "/v1/pairing/confirm", json={"userId": 1})
    assert refused.json()["code"] == "PAIRING_INVALID"
    assert unpaired.host.status()["owner"] is None


def reads_until(terminal: int, words: str, after: str = "") -> str:
    """What the terminal shows up to these words, and to `after` behind them."""
    shown = ""
    while words not in shown or after not in shown.rpartition(words)[2]:
        ready, _, _ = select.select([terminal], [], [], 30)
        assert ready, shown
        shown += os.read(terminal, 4096).decode()
    return shown


def test_nobody_is_confirmed_unseen(unpaired: Installation) -> None:
    """Last with its fixture: somebody is the owner afterwards."""
    code = unpaired.says("pair", "--no-wait")["code"]
    unpaired.stranger.says(f"/start {code}")
    sender = sender_of(unpaired)

    unpaired.runs("pair", "--confirm", code=1)
    refused = unpaired.runs("pair", "--confirm", str(sender + 1), code=1)
    assert f"id {sender}" in refused.stdout
    assert "PAIRING_INVALID" in refused.stderr
    assert unpaired.host.status()["owner"] is None

    done = unpaired.runs("pair", "--confirm", str(sender))
    assert f"id {sender}" in done.stdout
    assert unpaired.host.status()["owner"]["userId"] == sender


def test_recover_names_the_chat_only_while_the_chat_may_cancel(installed: Installation) -> None:
    installed.starts()
    installed.pairs()
    installed.runs("kill", proved=False)

    first = installed.runs("recover").stdout
    notice = installed.owner.finds("Recovery started", button="Cancel recovery")
    installed.owner.presses(notice, "Cancel recovery")
    until(
        lambda: installed.host.status()["state"]["state"] == "ACTIVATED",
        "the chat cancelled the recovery",
    )
    second = installed.runs("recover").stdout

    assert "cancelled in Telegram, or with: waiaas recover --cancel" in first
    assert "cancelled with: waiaas recover --cancel" in second
    assert "Telegram" not in second


def test_a_start_without_a_password_runs_locked_until_unlock(installed: Installation) -> None:
    agent = ready(installed)
    installed.stops()

    installed.starts("--locked", proved=False)
    agent.url = installed.facts["agent_url"]
    assert installed.host.status()["locked"] is True
    row = agent.asks("0.01")
    assert agent.sees(row["id"])["status"] == "PENDING"
    wrong = installed.data_dir.parent / "wrong"
    wrong.write_text("not the password")
    wrong.chmod(0o600)
    installed.runs("unlock", "--password-file", str(wrong), proved=False, code=4)
    installed.says("unlock")

    agent.waits_for(row["id"], "CONFIRMED")


def test_a_wrong_master_password_ends_with_exit_code_4(stopped: Installation) -> None:
    wrong = stopped.data_dir.parent / "wrong"
    wrong.write_text("certainly not the password")
    wrong.chmod(0o600)

    done = stopped.runs(
        "start", "--port", "0", "--password-file", str(wrong), proved=False, code=4
    )

    assert "certainly not" not in done.stdout + done.stderr


def test_a_second_daemon_on_the_directory_ends_with_exit_code_2(stopped: Installation) -> None:
    stopped.starts()
    stopped.runs("start", "--port", "0", code=2)
    assert stopped.host.status()["locked"] is False
    stopped.stops()


def test_a_corrupt_keystore_is_named_and_left_alone(stopped: Installation) -> None:
    stopped.starts()
    stopped.says("wallet", "create", "--name", "main", "--network", "evm-local")
    stopped.stops()
    victim = next((stopped.data_dir / "keystore" / "wallets").iterdir())
    whole = victim.read_bytes()
    broken = whole.replace(b'"', b"'", 1)
    victim.write_bytes(broken)

    done = stopped.runs("start", "--port", "0", code=1)

    assert victim.name in done.stdout + done.stderr
    assert victim.read_bytes() == broken
    victim.write_bytes(whole)


def test_a_typo_in_the_configuration_is_named_with_the_nearest_key(
    stopped: Installation,
) -> None:
    config = stopped.data_dir / "config.toml"
    right = config.read_text()
    config.write_text(right + "\n[sesion]\nttl_seconds = 5\n")

    done = stopped.runs("start", "--port", "0", code=1)

    assert "sesion" in done.stdout + done.stderr
    assert "session" in done.stdout + done.stderr
    config.write_text(right)


def test_a_sandbox_directory_and_a_production_one_are_not_mixed_up(
    stopped: Installation,
) -> None:
    mixed = stopped.runs("sandbox", "--no-demo", "--port", "0", proved=False, code=1)
    assert "DATA_DIRECTORY_KIND" in mixed.stderr
