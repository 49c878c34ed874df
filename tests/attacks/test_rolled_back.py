"""A real daemon over an old copy of its database, put back by hand or restored: it starts stopped and pays nothing again."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.attacks.catalogue import scenario
from tests.support.production import Installation, installation
from tests.support.sandbox import ETH, Agent, until

ASSET = "evm-local/native"
WEEK = 604_800


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path) as made:
        config = made.data_dir / "config.toml"
        quick = "[policy]\nmin_delay_seconds = 1\n\n[safety]\nrecovery_wait_tap_seconds = 1\n"
        config.write_text(f"{config.read_text()}\n{quick}")
        yield made


def funded(installed: Installation) -> Agent:
    """A paired owner, a wallet with a short delay and a week's limit, and an agent on it."""
    installed.starts()
    installed.pairs()
    wallet = installed.says("wallet", "create", "--name", "main", "--network", "evm-local")
    tiers = {"instant_max": str(ETH), "notify_max": str(ETH), "delay_max": str(5 * ETH)}
    wanted = {
        "SPENDING_LIMIT": {"assets": {ASSET: tiers}, "delay_seconds": 2},
        "CUMULATIVE_LIMIT": {
            "assets": {ASSET: {"limit": str(100 * ETH)}},
            "window_seconds": WEEK,
            "over": "each_wallet",
            "otherwise": "deny",
        },
    }
    for rule in installed.host.rules(wallet["id"]):
        installed.host.sets_rule(rule["type"], wanted[rule["type"]], wallet["id"], rule["id"])
    return installed.new_agent(wallet)


def restarts(installed: Installation, agent: Agent) -> None:
    installed.starts()
    agent.url = installed.facts["agent_url"]


@scenario("R-01")
def test_an_old_copy_of_the_database_pays_nothing_again(installed: Installation) -> None:
    agent = funded(installed)
    agent.waits_for(agent.asks("0.5")["id"], "CONFIRMED")
    delayed = agent.asks("2")
    assert (delayed["tier"], delayed["status"]) == ("DELAY", "QUEUED")
    installed.stops()
    database = installed.data_dir / "waiaas.db"
    copy = installed.data_dir.parent / "old.db"
    shutil.copy(database, copy)
    restarts(installed, agent)
    agent.waits_for(delayed["id"], "CONFIRMED")
    agent.waits_for(agent.asks("0.25")["id"], "CONFIRMED")
    installed.stops()
    paid = agent.chain.payments_to(str(delayed["toAddress"]))

    shutil.copy(copy, database)
    restarts(installed, agent)

    status = installed.host.status()
    assert status["state"]["state"] == "ACTIVATED"
    assert "behind the world" in status["state"]["reason"]
    assert status["locked"] is True
    shown = installed.host.does("GET", f"/v1/transactions/{delayed['id']}", proved=False)
    assert (shown["status"], shown["error"]) == ("CANCELLED", "KILL_SWITCH_ACTIVE")
    assert agent.sends("0.25").status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert (installed.data_dir / "HALT").exists()

    installed.says("recover")
    until(
        lambda: installed.host.status()["state"]["state"] == "NORMAL", "the recovery is complete"
    )
    fresh = installed.new_agent(agent.wallet)
    installed.funded.clear()  # the books do not know what was paid after the copy
    denied = fresh.sends("0.25")
    assert (denied.status_code, denied.json()["code"]) == (403, "CUMULATIVE_LIMIT_EXCEEDED")
    assert denied.json()["details"]["resetsAt"] > status["startedAt"] + WEEK - 3600
    assert agent.chain.payments_to(str(delayed["toAddress"])) == paid

    installed.stops()
    restarts(installed, fresh)
    assert installed.host.status()["state"]["state"] == "NORMAL"


@scenario("R-01")
def test_the_anchor_stays_with_the_node_and_not_with_the_database(installed: Installation) -> None:
    funded(installed)
    anchor = installed.data_dir / "anchor"
    assert anchor.stat().st_mode & 0o777 == 0o600
    number = int(anchor.read_text().split()[1])
    installed.host.does("POST", "/v1/sessions", json=session_body(installed))
    until(lambda: int(anchor.read_text().split()[1]) > number, "the anchor moved along")
    installed.stops()
    anchor.unlink()
    installed.starts()
    assert installed.host.status()["state"]["state"] == "ACTIVATED"


@scenario("R-01")
def test_a_restored_backup_pays_nothing_again(installed: Installation) -> None:
    """Made while a payment waits and the daemon runs; the owner approves it; the backup comes back."""
    agent = funded(installed)
    agent.waits_for(agent.asks("0.5")["id"], "CONFIRMED")
    waiting = agent.asks("6")
    assert (waiting["tier"], waiting["status"]) == ("APPROVAL", "QUEUED")
    made = installed.says("backup", "--to", str(installed.data_dir.parent))
    file, anchor = made["file"], installed.data_dir / "anchor"
    assert made["besideDaemon"]
    assert [one["name"] for one in made["wallets"]] == ["main"]
    assert made["transactions"] == 2
    installed.says("approve", waiting["id"], "--yes")
    agent.waits_for(waiting["id"], "CONFIRMED")
    paid = agent.chain.payments_to(str(waiting["toAddress"]))
    assert "waiaas stop" in installed.runs("restore", file, "--replace", code=2).stderr
    installed.stops()
    assert int(anchor.read_text().split()[1]) > made["auditNumber"]

    restored = installed.says("restore", file, "--replace")
    restarts(installed, agent)

    assert (Path(restored["kept"]) / "anchor").exists()
    status = installed.host.status()
    assert status["state"]["state"] == "ACTIVATED"
    assert "restored from the backup" in status["state"]["reason"]
    shown = installed.host.does("GET", f"/v1/transactions/{waiting['id']}", proved=False)
    assert (shown["status"], shown["error"]) == ("CANCELLED", "KILL_SWITCH_ACTIVE")
    assert agent.sends("0.25").status_code == httpx.codes.SERVICE_UNAVAILABLE
    installed.says("recover")
    until(
        lambda: installed.host.status()["state"]["state"] == "NORMAL", "the recovery is complete"
    )
    fresh = installed.new_agent(agent.wallet)
    installed.funded.clear()  # the books do not know what was paid after the backup
    denied = fresh.sends("0.25")
    assert (denied.status_code, denied.json()["code"]) == (403, "CUMULATIVE_LIMIT_EXCEEDED")
    assert agent.chain.payments_to(str(waiting["toAddress"])) == paid
    assert not (installed.data_dir / "behind").exists()


def session_body(installed: Installation) -> dict[str, object]:
    (wallet,) = installed.host.does("GET", "/v1/wallets", proved=False)["items"]
    return {"walletId": wallet["id"], "name": "more", "limits": {ASSET: "1"}}
