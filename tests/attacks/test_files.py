"""What somebody gets who has files of the wallet: an old keystore, the audit log, a look at its processes."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.catalogue import scenario
from tests.support.production import Installation, installation
from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.xdist_group("files")


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path) as made:
        yield made


@scenario("R-22")
def test_an_old_header_and_the_old_password_open_nothing_that_is_used_now(
    installed: Installation,
) -> None:
    installed.starts()
    installed.says("wallet", "create", "--name", "main", "--network", "evm-local")
    installed.stops()
    keystore = installed.data_dir / "keystore"
    stolen = installed.data_dir.parent / "header.json"
    shutil.copy(keystore / "header.json", stolen)
    new = installed.data_dir.parent / "new password"
    new.write_text("an entirely different password")
    new.chmod(0o600)
    assert (
        installed.says("keystore", "password", "--new-password-file", str(new))["dataKey"] == "new"
    )

    old = installed.runs("start", "--port", "0", code=4)
    assert "WRONG_PASSWORD" in old.stdout + old.stderr
    whole = (keystore / "header.json").read_bytes()
    shutil.copy(stolen, keystore / "header.json")
    (keystore / "header.json").chmod(0o600)
    forged = installed.runs("start", "--port", "0", code=1)
    assert "KEYSTORE_CORRUPTED" in forged.stdout + forged.stderr
    (keystore / "header.json").write_bytes(whole)

    installed.password_file = new
    installed.starts()
    installed.stops()


@scenario("R-23")
@pytest.mark.parametrize("how", ["changed", "cut"])
def test_a_rewritten_audit_log_is_named_and_stops_the_wallet(
    installed: Installation, how: str
) -> None:
    installed.starts()
    for name in ("one", "two"):
        installed.says("wallet", "create", "--name", name, "--network", "evm-local")
    installed.stops()
    with sqlite3.connect(installed.data_dir / "waiaas.db") as file:
        for (trigger,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            file.execute(f"DROP TRIGGER {trigger}")
        last = file.execute("SELECT max(number) FROM audit").fetchone()[0]
        file.execute(
            "UPDATE audit SET actor = 'nobody' WHERE number = ?"
            if how == "changed"
            else "DELETE FROM audit WHERE number > ?",
            (last - 3,),
        )
    file.close()

    if how == "changed":
        checked = installed.runs("audit", "verify", "--json", code=1)
        assert str(last - 3) in checked.stdout
    installed.starts()

    state = installed.host.status()["state"]
    assert state["state"] == "ACTIVATED"


@pytest.mark.xdist_group("shared-sandbox")
@scenario("R-40")
def test_no_process_that_holds_keys_can_be_dumped_or_read(shared: Sandbox) -> None:
    memory = shared.host.status()["memory"]

    assert memory["signer"]["keyMemory"] in {"GUARDED", "LOCKED"}
    for process in ("daemon", "signer"):
        assert memory[process]["noCoreDumps"] is True
        assert memory[process]["notTraceable"] is True
