"""The small decisions of the commands: first configuration, links, bands, findings."""

import socket
from pathlib import Path

import pytest

from wallet.cli import checks, daemon_checks
from wallet.cli.bot_api import ask, http_date
from wallet.cli.qr import terminal_qr
from wallet.cli.sessions import claim_command
from wallet.cli.setup import config_text
from wallet.cli.wallets import explorer_link
from wallet.errors import ConflictError
from wallet.sandbox.place import config_text as sandbox_config
from wallet.sandbox.place import free_port, place
from wallet.settings import CONFIG_FILE, SECTIONS, load

EXAMPLE = Path(__file__).parents[3] / "deploy" / "config.toml"


def test_the_first_config_loads_and_quotes_what_it_is_given(tmp_path: Path) -> None:
    urls = ['https://a.example/"key"', "https://b.example"]
    (tmp_path / CONFIG_FILE).write_text(config_text({"solana-devnet": urls}, "STRONG"))

    settings = load(tmp_path, {})

    assert settings.networks["solana-devnet"].rpc == tuple(urls)
    assert settings.keystore.profile == "STRONG"


def test_the_example_shows_every_default(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text(EXAMPLE.read_text())

    shown, default = load(tmp_path, {}), load(tmp_path / "none", {})

    for section in SECTIONS:
        if section != "database":  # its path is below the data directory
            assert getattr(shown, section) == getattr(default, section), section
    assert set(shown.networks) == {"ethereum-sepolia", "solana-devnet", "gnosis"}


def test_the_sandbox_configures_itself_from_its_stand_ins(tmp_path: Path) -> None:
    evm = {"chain_id": 31337, "rpc": "http://127.0.0.1:1"}
    solana = {"genesis": "local", "rpc": "http://127.0.0.1:2"}
    (tmp_path / CONFIG_FILE).write_text(sandbox_config(4000, evm, solana))

    settings = load(tmp_path, {})

    assert settings.daemon.port == 4000
    assert settings.safety.recovery_wait_seconds == 5
    assert settings.policy.loosening_wait_seconds == 2
    assert set(settings.networks) == {"evm-local", "solana-localnet"}
    assert settings.prices.providers == ["static"]
    assert {asset: feeds.static for asset, feeds in settings.price_feeds.items()} == {
        "evm-local/native": "3000",
        "solana-localnet/native": "150",
    }


def test_explorer_links_name_the_cluster(tmp_path: Path) -> None:
    environ = {
        "WAIAAS_NETWORKS_SOLANA_DEVNET_RPC": "https://a.example",
        "WAIAAS_NETWORKS_BASE_MAINNET_RPC": "https://a.example",
        "WAIAAS_NETWORKS_EVM_LOCAL_RPC": "http://127.0.0.1:1",
    }
    found = load(tmp_path, environ).networks

    links = {name: explorer_link(one.network, "A") for name, one in found.items()}

    assert links["solana-devnet"] == "https://solscan.io/account/A?cluster=devnet"
    assert links["base-mainnet"] == "https://basescan.org/address/A"
    assert links["evm-local"] is None


def test_the_claim_line_can_be_pasted() -> None:
    line = claim_command("http://127.0.0.1:3100", "ABC")

    assert line.startswith("curl -s -X POST http://127.0.0.1:3100/v1/sessions/claim")
    assert line.endswith('-d \'{"code":"ABC"}\'')


def test_a_qr_code_is_drawn_in_blocks() -> None:
    assert "▄" in terminal_qr("https://t.me/bot?start=ABCDEFGHJK")


def test_a_taken_port_moves_on_to_the_next(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert free_port(port) > port
    assert free_port(0) > 0


def test_a_sandbox_directory_is_refused_where_something_else_lives(tmp_path: Path) -> None:
    (tmp_path / "diary").write_text("mine")

    with pytest.raises(ConflictError, match="nothing was touched"), place(tmp_path):
        pass

    assert (tmp_path / "diary").read_text() == "mine"
    with place(None) as found:
        home = found.home
        assert len(found.password.reveal()) >= 20
        assert found.password.reveal() not in repr(found)
    assert not home.exists()


def test_a_clock_that_is_off_is_found() -> None:
    hour_ago = http_date("Mon, 01 Jan 2024 00:00:00 GMT")

    assert [one.status for one in checks.clock_check("there", hour_ago)] == ["FAIL"]
    assert list(checks.clock_check("there", None)) == []


def test_an_agent_under_the_same_user_is_warned_about() -> None:
    found = list(daemon_checks.neighbours(lambda path: path.name == "1"))

    assert [one.status for one in found] == ["WARN"]
    assert "pid 1" in found[0].message
    assert list(daemon_checks.neighbours(lambda _: False)) == []


def test_a_bot_api_that_is_away_is_no_verdict_on_the_token() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    answer = ask("1:x", "getMe", f"http://127.0.0.1:{port}")

    assert answer.status is None
    assert not answer.is_wrong_token


@pytest.mark.parametrize(
    ("facts", "statuses"),
    [
        ({"state": "POLLING", "frozen": False}, []),
        ({"state": "REFUSED", "lastError": "Unauthorized"}, ["FAIL"]),
        ({"state": "RETRYING", "lastError": "TelegramConflictError"}, ["FAIL"]),
        ({"state": "RETRYING", "lastError": "TimeoutError"}, ["WARN"]),
        ({"state": "POLLING", "frozen": True}, ["FAIL"]),
    ],
)
def test_doctor_knows_what_keeps_the_bot_from_polling(
    facts: dict[str, object], statuses: list[str]
) -> None:
    assert [one.status for one in daemon_checks.poller_checks(facts)] == statuses
