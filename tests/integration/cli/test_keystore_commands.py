"""`waiaas keystore` on a real installation: nobody's money or session is lost with the old password."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.production import PASSWORD, Installation, installation
from tests.support.waiaas_sandbox import waiaas
from wallet.keystore import version1
from wallet.keystore.profiles import CHEAPEST
from wallet.keystore.version1 import Described

pytestmark = [pytest.mark.xdist_group("cli_sandbox"), pytest.mark.timeout(240)]

NEW = "quite another password"
OF_THE_FILE = "a password of the file"
SECRET = bytes(range(1, 33))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("keystore")) as found:
        folder = found.password_file.parent
        for name, text in (("new", NEW), ("file", OF_THE_FILE), ("wrong", "not the password")):
            (folder / name).write_text(text)
        yield found


@pytest.fixture
def idle(made: Installation) -> Iterator[Installation]:
    """No daemon runs, and the password is the first one."""
    yield made
    made.stops()


def place(made: Installation, name: str) -> str:
    return str(made.password_file.parent / name)


def key_file(made: Installation, name: str, secret: bytes = SECRET, **about: Any) -> str:
    facts = {"chain": "ethereum", "network": "local", "created_at": 0, **about}
    text = version1.seal_key(Described(name=name, **facts), secret, OF_THE_FILE, CHEAPEST)
    path = made.password_file.parent / f"{name}.json"
    path.write_bytes(text.to_text())
    return str(path)


def imports(made: Installation, file: str, *more: str, code: int = 0) -> Any:
    words = ("keystore", "import", file, "--network", "evm-local", "--json", *more)
    with_file = ("--file-password-file", place(made, "file"))
    return json.loads(made.runs(*words, *with_file, code=code).stdout)


def exports(made: Installation, wallet: str, out: str, code: int = 0) -> Any:
    words = ("keystore", "export", wallet, "--out", out, "--json")
    done = made.runs(*words, "--file-password-file", place(made, "file"), code=code)
    return json.loads(done.stdout)


def facts_of(made: Installation) -> list[str]:
    rows = made.host.request("GET", "/v1/audit", params={"limit": 1000}).json()["items"]
    return [row["fact"] for row in rows]


def test_a_new_password_keeps_money_sessions_and_state(idle: Installation) -> None:
    made = idle
    made.starts()
    made.pairs()
    wallet = made.says("wallet", "create", "--network", "evm-local", "--name", "first")
    agent = made.new_agent(wallet)
    memory = made.host.status()["memory"]
    assert memory["daemon"] == {"noCoreDumps": True, "notTraceable": True}
    assert memory["signer"]["keyMemory"] in ("GUARDED", "LOCKED")
    for words in (
        ("password", "--new-password-file", place(made, "new")),
        ("export", "first", "--out", place(made, "x.json")),
        ("import", key_file(made, "busy")),
    ):
        assert "waiaas stop" in made.runs("keystore", *words, code=2).stderr
    made.stops()

    changed = made.says("keystore", "password", "--new-password-file", place(made, "new"))

    assert changed["dataKey"] == "new"
    assert changed["oldRemoved"]
    assert changed["audited"]
    assert made.runs("start", "--port", "0", code=4).returncode == 4
    made.password_file.write_text(NEW)
    made.starts()
    agent.url = made.facts["agent_url"]
    assert made.host.status()["state"]["state"] == "NORMAL"
    assert agent.request("GET", "/v1/wallet/address").json()["address"] == wallet["address"]
    assert agent.waits_for(agent.asks("0.01")["id"], "CONFIRMED")
    assert "KEYSTORE_PASSWORD_CHANGED" in facts_of(made)
    made.owner.finds("master password was changed")
    made.stops()
    Path(place(made, "old")).write_text(PASSWORD)
    back = made.runs("keystore", "password", "--rewrap", "--new-password-file", place(made, "old"))
    made.password_file.write_text(PASSWORD)
    assert "Old backups keep their old password" in back.stdout
    assert "Data key: kept" in back.stdout


def test_an_imported_wallet_pays_and_an_exported_key_is_the_same(idle: Installation) -> None:
    made = idle
    wallet = imports(made, key_file(made, "imported"), "--preset", "normal")
    assert imports(made, key_file(made, "again"), code=1)["code"] == "WALLET_ALREADY_EXISTS"
    out = place(made, "out.json")

    done = exports(made, "imported", out)

    assert exports(made, "imported", out, code=1)["code"] == "ALREADY_INITIALISED"
    assert stat.S_IMODE(Path(out).stat().st_mode) == 0o600
    file = version1.parse(Path(out).read_bytes())
    assert version1.open_key(file, OF_THE_FILE) == SECRET
    assert (file.network, file.name, file.address) == ("evm-local", "imported", done["address"])
    made.starts()
    agent = made.new_agent(wallet)
    assert agent.waits_for(agent.asks("0.01")["id"], "CONFIRMED")
    assert {"WALLET_IMPORTED", "WALLET_EXPORTED"} <= set(facts_of(made))


def test_refusals_have_codes_and_change_nothing(idle: Installation) -> None:
    made = idle
    shown = made.says("keystore", "show", proved=False)
    good = key_file(made, "refused", bytes(range(2, 34)))
    network = ("--network", "evm-local", "--json")
    wrong_file = ("--file-password-file", place(made, "wrong"))
    right_file = ("--file-password-file", place(made, "file"))
    solana = key_file(made, "solana", bytes(range(2, 34)), chain="solana")
    for words, code, said in (
        (("import", good, *network, *wrong_file), 4, "KEYSTORE_DECRYPT_FAILED"),
        (("import", place(made, "new"), *network, *right_file), 1, "KEYSTORE_IMPORT_FAILED"),
        (("import", good, "--json", *right_file), 1, "CHAIN_NOT_SUPPORTED"),
        (("import", solana, *network, *right_file), 1, "NETWORK_MISMATCH"),
        (("export", "nobody", "--json", "--out", place(made, "n"), *right_file), 1, "WALLET_NOT_FOUND"),
        (("password", "--json", "--new-password-file", str(made.password_file)), 1, "VALIDATION_ERROR"),
        (("password", "--json", "--keystore-profile", "CHEAPEST"), 1, "VALIDATION_ERROR"),
    ):  # fmt: skip
        assert json.loads(made.runs("keystore", *words, code=code).stdout)["code"] == said, words
    made.password_file.write_text("not the password")
    try:
        words = ("keystore", "password", "--new-password-file", place(made, "new"), "--json")
        assert json.loads(made.runs(*words, code=4).stdout)["code"] == "WRONG_PASSWORD"
    finally:
        made.password_file.write_text(PASSWORD)
    assert made.says("keystore", "show", proved=False) == shown
    nowhere = waiaas("keystore", "show", "--json", "--data-dir", place(made, "none"))
    assert nowhere.returncode == 3
    assert json.loads(nowhere.stdout)["code"] == "NOT_INITIALISED"


def test_while_stopped_no_key_leaves_but_the_password_can_change(idle: Installation) -> None:
    """The last on this installation: it leaves it under the new password."""
    made = idle
    wallet = imports(made, key_file(made, "halted", bytes(range(3, 35))))
    halt = made.data_dir / "HALT"
    halt.touch()
    try:
        refused = exports(made, wallet["id"], place(made, "halted-out"), code=1)
        assert refused["code"] == "SYSTEM_LOCKED"
        other = key_file(made, "later", bytes(range(4, 36)))
        assert imports(made, other, code=1)["code"] == "SYSTEM_LOCKED"
        halt.unlink()
        halt.symlink_to("nowhere")  # its name is what counts
        refused = exports(made, wallet["id"], place(made, "halted-out"), code=1)
        assert refused["code"] == "SYSTEM_LOCKED"
        made.says("keystore", "password", "--new-password-file", place(made, "new"))
        made.password_file.write_text(NEW)
    finally:
        halt.unlink()
    assert exports(made, wallet["id"], place(made, "halted-out"))["address"] == wallet["address"]


def test_init_says_what_the_password_costs(tmp_path: Path) -> None:
    home = tmp_path / "other"
    words = ("--non-interactive", "--json", "--data-dir", str(home))

    told = json.loads(waiaas("init", *words, WAIAAS_MASTER_PASSWORD=NEW).stdout)["keyDerivation"]

    header = json.loads((home / "keystore" / "header.json").read_text())["kdf"]
    assert (told["memoryKib"], told["timeCost"]) == (header["memory_kib"], header["time_cost"])
    assert told["memoryKib"] >= 65536
    assert told["timeCost"] >= 3
    assert told["unlockSeconds"] > 0
