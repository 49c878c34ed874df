"""`waiaas audit` and `waiaas doctor --ledger` against real daemons, running and stopped."""

import json
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.production import PASSWORD, Installation, installation
from tests.support.waiaas_sandbox import RunningSandbox, running_sandbox, waiaas
from wallet.domain.audit_chain import GENESIS, row_hash

pytestmark = pytest.mark.xdist_group("cli_sandbox")

ETH_SHOP = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox("--delay-seconds", "60") as running:
        paid = running.agent(0, "send", "--to", ETH_SHOP, "--amount", "0.05", "--wait", "30")
        assert paid.returncode == 0, paid.stderr
        yield running


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose daemon ran unlocked once and was stopped."""
    with installation(tmp_path_factory.mktemp("stopped")) as made:
        made.starts()
        made.says("wallet", "create", "--network", "evm-local", "--name", "main")
        made.stops()
        yield made


def transaction_of(sandbox: RunningSandbox) -> str:
    return str(sandbox.json("transactions")["items"][0]["id"])


# ---- a running daemon


def test_the_log_of_a_running_daemon_is_proved(sandbox: RunningSandbox) -> None:
    found = sandbox.json("audit", "verify")
    assert (found["sound"], found["firstBad"], found["unproved"]) == (True, None, [])
    assert found["proved"] > 0
    assert found["proved"] + found["sealed"] == found["number"]


def test_a_noted_head_is_held_against_the_log(sandbox: RunningSandbox) -> None:
    head = sandbox.json("status")["auditHead"]
    number = int(head.partition(":")[0])
    assert sandbox.json("audit", "verify", "--known", head)["sound"] is True
    rewritten = waiaas("audit", "verify", "--known", f"{number}:00000000", *sandbox.where)
    cut = waiaas("audit", "verify", "--known", "999999:00000000", *sandbox.where)
    assert (rewritten.returncode, cut.returncode) == (1, 1)
    assert f"First bad row: {number}." in rewritten.stdout
    assert "the end was cut off" in cut.stdout
    typo = waiaas("audit", "verify", "--known", "12", *sandbox.where)
    assert typo.returncode == 1
    assert "NUMBER:HASH" in typo.stderr


def test_what_happened_to_one_payment_is_listed(sandbox: RunningSandbox) -> None:
    listed = sandbox.json("audit", "list", "--transaction", transaction_of(sandbox))
    facts = [row["fact"] for row in listed["items"]]
    assert facts[:4] == ["TX_REQUESTED", "TX_EXECUTING", "TX_SUBMITTED", "TX_CONFIRMED"]
    shown = waiaas("audit", "list", "--limit", "3", *sandbox.where)
    assert len(shown.stdout.splitlines()) == 4


def test_an_export_holds_every_row_and_can_be_checked_elsewhere(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    out = tmp_path / "audit.jsonl"
    told = sandbox.json("audit", "export", "--out", str(out))
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert told == {"rows": len(rows), "file": str(out)}
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    first = {**rows[0], "at": rows[0]["atMs"]}
    named = {"wallet_id": "walletId", "session_id": "sessionId", "transaction_id": "transactionId"}
    first |= {ours: rows[0][theirs] for ours, theirs in named.items()}
    assert (rows[0]["chaining"], row_hash(GENESIS, first, None)) == ("plain", rows[0]["hash"])
    again = waiaas("audit", "export", "--out", str(out), *sandbox.where)
    assert again.returncode == 1
    assert "exists" in again.stderr
    rest = waiaas("audit", "export", "--after", str(len(rows) - 1), *sandbox.where)
    assert json.loads(rest.stdout.splitlines()[0])["number"] == len(rows)


def test_the_books_are_right(sandbox: RunningSandbox) -> None:
    wallets = sandbox.json("wallet", "list")["items"]
    evm = next(one for one in wallets if one["chain"] == "ethereum")
    right, wrong = (f"{evm['id']}={coins * 10**18}" for coins in (10_000, 9_999))
    found = sandbox.json("doctor", "--ledger", "--funded", right)
    assert (found["sound"], found["violations"], found["notCompared"]) == (True, [], [])
    assert (found["transactions"], found["compared"]) == (1, 1)
    violated = waiaas("doctor", "--ledger", "--funded", wrong, *sandbox.where)
    assert violated.returncode == 1
    assert f"CHAIN_BALANCE  {evm['id']}" in violated.stdout
    alone = sandbox.json("doctor", "--ledger", "--offline")
    assert alone["compared"] == 0
    for words in (("--ledger", "--funded", "x"), ("--funded", right)):
        assert waiaas("doctor", *words, *sandbox.where).returncode == 1


# ---- a stopped daemon


def test_a_stopped_log_is_proved_with_the_password_and_says_what_is_not_without(
    stopped: Installation,
) -> None:
    proved = stopped.says("audit", "verify")
    assert (proved["sound"], proved["unproved"]) == (True, [])
    without = stopped.says("audit", "verify", proved=False)
    assert without["sound"] is True
    assert without["proved"] == 0
    first, last = without["unproved"][0]["first"], without["unproved"][-1]["last"]
    assert 1 < first <= last == proved["number"]
    said = stopped.runs("audit", "verify", proved=False).stdout
    assert f"Not proved, because the key was not at hand: rows {first}-{last}." in said
    assert proved["number"] == without["number"]


def test_a_stopped_log_is_listed_and_exported(stopped: Installation) -> None:
    newest = stopped.says("audit", "list", "--limit", "1", proved=False)["items"][0]
    assert newest["fact"] == "DAEMON_STOPPED"
    lines = stopped.runs("audit", "export", proved=False).stdout.splitlines()
    assert json.loads(lines[-1]) == newest


def test_a_wrong_password_is_exit_code_4(stopped: Installation, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text(PASSWORD + "!")
    wrong.chmod(0o600)
    stopped.runs("audit", "verify", "--password-file", str(wrong), proved=False, code=4)


def test_a_directory_without_a_wallet_is_exit_code_3(tmp_path: Path) -> None:
    assert waiaas("audit", "verify", "--data-dir", str(tmp_path)).returncode == 3


def test_a_changed_row_is_named_and_the_next_start_is_stopped(tmp_path: Path) -> None:
    with installation(tmp_path) as made:
        made.starts()
        made.says("wallet", "create", "--network", "evm-local", "--name", "main")
        made.stops()
        with sqlite3.connect(made.data_dir / "waiaas.db") as connection:
            connection.execute("DROP TRIGGER audit_refuses_update")
            asked = "SELECT number FROM audit WHERE fact = 'WALLET_CREATED'"
            (number,) = connection.execute(asked).fetchone()
            connection.execute("UPDATE audit SET actor = 'thief' WHERE number = ?", (number,))
        connection.close()
        assert f"First bad row: {number}." in made.runs("audit", "verify", code=1).stdout
        assert made.says("audit", "verify", proved=False)["sound"] is True
        made.starts()
        status = made.host.status()
        assert (status["state"]["state"], status["locked"]) == ("ACTIVATED", True)
        assert f"row {number} does not fit its hash" in status["state"]["reason"]
        assert made.says("audit", "verify", proved=False)["unproved"]
        assert f"First bad row: {number}." in made.runs("audit", "verify", code=1).stdout
        made.stops()
