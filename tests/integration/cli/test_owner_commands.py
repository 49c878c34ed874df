"""The owner's and the agent's commands against a real daemon in a sandbox."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.waiaas_sandbox import RunningSandbox, running_sandbox, waiaas

pytestmark = pytest.mark.xdist_group("cli_sandbox")

ETH_SHOP = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
SOL_SHOP = "92VcKcwPfw7vWtiDAW4bGgHKPFn4mybkJRoHKrmNQbYZ"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox("--delay-seconds", "60") as running:
        yield running


def _becomes(look: Callable[[], str], wanted: str, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while (found := look()) != wanted:
        assert time.monotonic() < until, found
        time.sleep(0.1)


def _ask(sandbox: RunningSandbox, amount: str) -> str:
    done = sandbox.agent(0, "send", "--to", ETH_SHOP, "--amount", amount, "--json")
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["id"])


def _status(sandbox: RunningSandbox, transaction: str) -> str:
    items = sandbox.json("transactions", "--limit", "100")["items"]
    return next(str(one["status"]) for one in items if one["id"] == transaction)


def test_status_tells_that_everything_is_ready(sandbox: RunningSandbox) -> None:
    found = sandbox.json("status")

    assert found["running"] is True
    assert found["ready"] is True
    assert found["state"]["state"] == "NORMAL"
    assert found["owner"]["name"] == "Sandbox Owner"
    assert set(found["owner"]["bands"]) == {"evm-local/native", "solana-localnet/native"}


@pytest.mark.parametrize(("number", "shop", "asset"), [(0, ETH_SHOP, "ETH"), (1, SOL_SHOP, "SOL")])
def test_an_agent_pays_from_the_command_line(
    sandbox: RunningSandbox, number: int, shop: str, asset: str
) -> None:
    arguments = ("--to", shop, "--amount", "0.05", "--asset", asset, "--wait", "30")

    done = sandbox.agent(number, "send", *arguments)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("CONFIRMED")
    assert f"0.05 {asset}" in done.stdout


def test_a_key_never_pays_twice(sandbox: RunningSandbox) -> None:
    arguments = ("--to", ETH_SHOP, "--amount", "0.01", "--key", "order-17", "--json")

    first = sandbox.agent(0, "send", *arguments)
    second = sandbox.agent(0, "send", *arguments)

    assert json.loads(first.stdout)["id"] == json.loads(second.stdout)["id"]


def test_an_asset_the_wallet_does_not_hold_is_refused_before_sending(
    sandbox: RunningSandbox,
) -> None:
    done = sandbox.agent(0, "send", "--to", ETH_SHOP, "--amount", "1", "--asset", "SOL")

    assert done.returncode == 1
    assert "has ETH, not SOL" in done.stderr


def test_a_refusal_names_its_rule_on_stderr_and_in_json(sandbox: RunningSandbox) -> None:
    arguments = ("send", "--to", ETH_SHOP, "--amount", "1001")

    said = sandbox.agent(0, *arguments)
    told = sandbox.agent(0, *arguments, "--json")

    assert said.returncode == told.returncode == 1
    assert said.stderr.startswith("SESSION_LIMIT_EXCEEDED")
    assert json.loads(told.stdout)["code"] == "SESSION_LIMIT_EXCEEDED"
    assert "Traceback" not in said.stderr + told.stderr


def test_the_owner_approves_on_the_host_with_the_master_password(sandbox: RunningSandbox) -> None:
    asked = _ask(sandbox, "8")

    without = waiaas("approve", asked[-12:], "--yes", *sandbox.where)
    done = waiaas("approve", asked[-12:], "--yes", *sandbox.where, *sandbox.password)

    assert without.returncode == 1
    assert "MASTER_PASSWORD_REQUIRED" in without.stderr
    assert done.returncode == 0, done.stderr
    _becomes(lambda: _status(sandbox, asked), "CONFIRMED")


def test_the_owner_rejects_and_cancels_with_the_socket_alone(sandbox: RunningSandbox) -> None:
    asked, delayed = _ask(sandbox, "7"), _ask(sandbox, "2")

    sandbox.json("reject", asked, "--reason", "no")
    sandbox.json("cancel", delayed)

    assert _status(sandbox, asked) == "CANCELLED"
    assert _status(sandbox, delayed) == "CANCELLED"


def test_a_wrong_password_is_exit_code_4(sandbox: RunningSandbox) -> None:
    done = waiaas(
        "session",
        "create",
        "ETH wallet",
        "--limit",
        "1",
        *sandbox.where,
        WAIAAS_MASTER_PASSWORD="not the password",
    )

    assert done.returncode == 4
    assert "INVALID_MASTER_PASSWORD" in done.stderr


def test_a_wallet_is_made_shown_and_says_that_it_cannot_pay(sandbox: RunningSandbox) -> None:
    made = sandbox.json(
        "wallet",
        "create",
        "--network",
        "evm-local",
        "--name",
        "till",
        "--preset",
        "careful",
        *sandbox.password,
    )

    shown = waiaas("wallet", "show", "till", *sandbox.where)

    assert made["address"] in shown.stdout
    assert "0 ETH" in shown.stdout
    assert "may not pay a fee" in shown.stdout
    names = [one["name"] for one in sandbox.json("wallet", "list")["items"]]
    assert names == ["ETH wallet", "SOL wallet", "till"]


def test_a_session_is_granted_claimed_once_and_ended(sandbox: RunningSandbox) -> None:
    made = sandbox.json(
        "session", "create", "ETH wallet", "--limit", "0.5", "--name", "shop", *sandbox.password
    )
    url = {"WAIAAS_BASE_URL": sandbox.ready["agent_url"]}

    claimed = waiaas("session", "claim", made["claimCode"], **url)

    assert claimed.stdout.startswith("wai_sess_")
    assert made["limits"] == {"evm-local/native": "500000000000000000"}
    ended = sandbox.json("session", "revoke", made["id"])
    assert ended["status"] == "REVOKED"
    used = waiaas(
        "send",
        "--to",
        ETH_SHOP,
        "--amount",
        "0.01",
        **url,
        WAIAAS_SESSION_TOKEN=claimed.stdout.strip(),
    )
    assert "SESSION_REVOKED" in used.stderr


def test_a_rule_is_set_listed_and_removed(sandbox: RunningSandbox) -> None:
    rules = json.dumps({"max_tx_per_hour": 500, "max_tx_per_day": 5000, "over": "each_wallet"})

    made = sandbox.json(
        "policy", "set", "RATE_LIMIT", rules, "--wallet", "SOL wallet", *sandbox.password
    )

    listed = waiaas("policy", "list", *sandbox.where).stdout
    assert (made["effect"], made["countsAt"]) == ("AT_ONCE", None)
    assert f"RATE_LIMIT on SOL wallet  ({made['id']}, version {made['version']})" in listed
    assert "instant_max 0.1 ETH" in listed
    _remove(sandbox, made["id"])


def _remove(sandbox: RunningSandbox, rule: str) -> None:
    """Taking away what objects loosens, so it takes its time."""
    assert sandbox.json("policy", "remove", rule, *sandbox.password)["effect"] == "QUEUED"

    def left() -> str:
        return str(rule in [one["id"] for one in sandbox.json("policy", "list")["items"]])

    _becomes(left, "False")


def test_a_loosening_says_that_it_waits_is_listed_and_can_be_cancelled(
    sandbox: RunningSandbox,
) -> None:
    rules = json.dumps({"max_tx_per_hour": 500, "max_tx_per_day": 5000, "over": "each_wallet"})
    place = ("--wallet", "SOL wallet", *sandbox.password)
    made = sandbox.json("policy", "set", "RATE_LIMIT", rules, *place)["id"]
    more = rules.replace("500,", "501,")

    said = waiaas("policy", "set", "RATE_LIMIT", more, "--id", made, *place, *sandbox.where).stdout

    assert f"Rule {made} is loosened by this, so it waits" in said
    cancel = said.partition("waiaas policy cancel ")[2].strip()
    listed = waiaas("policy", "list", *sandbox.where).stdout
    assert "Waiting: RATE_LIMIT on SOL wallet changes" in listed
    assert "max_tx_per_hour: 501" in listed
    assert sandbox.json("policy", "cancel", cancel) == {"ok": True}
    again = waiaas("policy", "cancel", cancel, *sandbox.where)
    assert (again.returncode, "POLICY_NOT_FOUND" in again.stderr) == (1, True)
    found = sandbox.json("policy", "list")
    assert found["queued"] == []
    kept = next(one for one in found["items"] if one["id"] == made)
    assert kept["rules"]["max_tx_per_hour"] == 500
    gone = waiaas("policy", "remove", made, *sandbox.where, *sandbox.password).stdout
    assert "Taking the rule away loosens, so it waits" in gone


def test_rules_in_dollars_and_of_fees_are_set_by_the_same_way_and_bind(
    sandbox: RunningSandbox,
) -> None:
    dollars = json.dumps(
        {
            "usd": {"limit": "1", "notify_above": "0.50"},
            "window_seconds": 1,
            "over": "each_wallet",
            "otherwise": "deny",
        }
    )
    fees = json.dumps(
        {"assets": {"solana-localnet/native": {"max_fee": "9000000", "max_share_bps": 5000}}}
    )
    place = ("--wallet", "SOL wallet", *sandbox.password)

    made = [
        sandbox.json("policy", "set", "CUMULATIVE_LIMIT", dollars, *place)["id"],
        sandbox.json("policy", "set", "fee_limit", fees, *place)["id"],
    ]

    listed = waiaas("policy", "list", *sandbox.where).stdout
    asked = sandbox.agent(1, "send", "--to", SOL_SHOP, "--amount", "0.05", "--asset", "SOL")
    assert "USD: limit 1, notify_above 0.50" in listed
    assert "solana-localnet/native: max_fee 0.009 SOL, max_share_bps 5000" in listed
    assert asked.returncode == 1  # at 150 dollars a coin
    assert "CUMULATIVE_LIMIT_EXCEEDED" in asked.stderr
    assert "in dollars" in asked.stderr
    for rule in made:
        _remove(sandbox, rule)


def test_rules_are_tried_on_the_past_without_a_password(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    _ask(sandbox, "0.02")
    tiers = {"instant_max": "1", "notify_max": "1", "delay_max": "1"}
    rule = {"assets": {"evm-local/native": tiers}, "delay_seconds": 60}
    wallets = {one["name"]: one["id"] for one in sandbox.json("wallet", "list")["items"]}
    proposed = {"type": "SPENDING_LIMIT", "rules": rule, "walletId": wallets["ETH wallet"]}
    (file := tmp_path / "tried.json").write_text(json.dumps([proposed]))
    place = ("--wallet", "ETH wallet", *sandbox.where)
    before = sandbox.json("policy", "list")

    one = waiaas("policy", "test", "SPENDING_LIMIT", json.dumps(rule), *place).stdout
    found = sandbox.json("policy", "test", "--file", str(file), "--days", "1", "--examples", "1")

    assert "INSTANT -> APPROVAL" in one
    assert "0.02 ETH to " in one
    assert found["loosens"] is False
    assert len(found["examples"]) == 1
    assert found["changed"] == sum(line["count"] for line in found["differences"]) > 0
    assert sandbox.json("policy", "list") == before


def test_every_coin_of_a_sandbox_has_a_price(sandbox: RunningSandbox) -> None:
    found = sandbox.json("doctor")["findings"]

    assert not [one for one in found if one["check"] == "prices"]


def test_a_rule_that_is_not_valid_says_where(sandbox: RunningSandbox) -> None:
    done = waiaas("policy", "set", "RATE_LIMIT", "{}", *sandbox.where, *sandbox.password)

    assert done.returncode == 1
    assert "POLICY_INVALID" in done.stderr
    assert "max_tx_per_hour" in done.stderr


def test_doctor_finds_nothing_broken(sandbox: RunningSandbox) -> None:
    found = sandbox.json("doctor")

    assert found["healthy"] is True
    checks = {one["check"] for one in found["findings"] if one["status"] == "OK"}
    assert {"keystore", "permissions", "settings", "bot", "daemon"} <= checks


def test_commands_for_production_refuse_a_sandbox_directory(sandbox: RunningSandbox) -> None:
    done = waiaas("start", *sandbox.where, *sandbox.password)

    assert done.returncode == 1
    assert "DATA_DIRECTORY_KIND" in done.stderr


def test_kill_stops_and_recover_starts_again_after_its_wait(sandbox: RunningSandbox) -> None:
    waiting = _ask(sandbox, "9")

    report = sandbox.json("kill", "--reason", "trying it")

    assert report["transactionsCancelled"] == 1
    assert _status(sandbox, waiting) == "CANCELLED"
    refused = sandbox.agent(0, "send", "--to", ETH_SHOP, "--amount", "0.01")
    assert "SYSTEM_LOCKED" in refused.stderr
    begun = sandbox.json("recover", *sandbox.password)
    assert begun["state"] == "RECOVERING"
    sandbox.json("recover", "--cancel")
    sandbox.json("recover", *sandbox.password)
    _becomes(lambda: str(sandbox.json("status")["state"]["state"]), "NORMAL")
    ended = sandbox.agent(0, "send", "--to", ETH_SHOP, "--amount", "0.01")
    assert "SESSION_REVOKED" in ended.stderr
