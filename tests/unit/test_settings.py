"""Settings: where values come from, and that every mistake is told at once."""

from pathlib import Path

import pytest

from wallet.domain.chains import ChainName, Finality
from wallet.errors import Code, InputError
from wallet.settings import (
    KNOWN_NETWORKS,
    Secret,
    child_environment,
    data_dir_of,
    load,
    secret_of,
)


def _write(folder: Path, text: str) -> Path:
    (folder / "config.toml").write_text(text)
    return folder


def _issues(folder: Path, environ: dict[str, str] | None = None) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        load(folder, environ or {})
    assert caught.value.code is Code.CONFIG_ERROR
    return {issue["path"]: issue["message"] for issue in caught.value.details["issues"]}


def test_an_empty_directory_has_the_documented_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path, {})

    assert (settings.daemon.host, settings.daemon.port) == ("127.0.0.1", 3100)
    assert settings.database.path == tmp_path / "waiaas.db"
    assert settings.keystore.profile == "MODERATE"
    assert settings.session.ttl_seconds == 86_400
    assert settings.policy.min_delay_seconds == 60
    assert settings.policy.loosening_wait_seconds == 3600
    assert settings.safety.recovery_wait_tap_seconds == 86_400
    assert settings.limits.body_bytes == 262_144
    assert dict(settings.networks) == {}


def test_a_flag_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    _write(tmp_path, "[daemon]\nport = 1111\nshutdown_seconds = 7\nlog_level = 'debug'\n")
    environ = {"WAIAAS_DAEMON_PORT": "2222", "WAIAAS_DAEMON_LOG_LEVEL": "error"}

    settings = load(tmp_path, environ, {"daemon.port": 3333, "daemon.log_level": None})

    assert settings.daemon.port == 3333
    assert settings.daemon.log_level == "error"
    assert settings.daemon.shutdown_seconds == 7


def test_every_mistake_is_reported_in_one_error_with_the_nearest_name(tmp_path: Path) -> None:
    text = (
        '[daemon]\nprot = 1\nport = "x"\n[sesion]\na = 1\n[networks.my-chain]\nrpc = ["ftp://x"]\n'
    )
    environ = {"WAIAAS_DAEMON_POTR": "1", "WAIAAS_LIMITS_SEND_RPM": "many", "OTHER": "is fine"}

    issues = _issues(_write(tmp_path, text), environ)

    assert issues["daemon.prot"] == "unknown; did you mean port?"
    assert issues["daemon.port"] == "must be a whole number from 0 to 65535"
    assert issues["sesion"] == "unknown; did you mean session?"
    assert issues["WAIAAS_DAEMON_POTR"] == "unknown; did you mean WAIAAS_DAEMON_PORT?"
    assert issues["WAIAAS_LIMITS_SEND_RPM"] == "must be a whole number"
    assert "https://" in issues["networks.my-chain.rpc"]


def test_values_outside_their_range_and_booleans_are_refused(tmp_path: Path) -> None:
    text = "[policy]\nmin_delay_seconds = 0\n[safety]\npassword_attempts = true\n[keystore]\nprofile = 'WEAK'\n"

    issues = _issues(_write(tmp_path, text))

    assert set(issues) == {
        "policy.min_delay_seconds",
        "safety.password_attempts",
        "keystore.profile",
    }


def test_a_file_that_is_no_toml_is_a_config_error(tmp_path: Path) -> None:
    assert "cannot be read" in next(iter(_issues(_write(tmp_path, "[daemon")).values()))


def test_a_known_network_needs_only_an_endpoint(tmp_path: Path) -> None:
    text = '[networks.ethereum-sepolia]\nrpc = ["https://a.example", "https://b.example"]\n'

    settings = load(_write(tmp_path, text), {})

    one = settings.networks["ethereum-sepolia"]
    assert one.network.identity == "11155111"
    assert one.network.chain is ChainName.ETHEREUM
    assert one.network.fee_ceiling == 10**16
    assert one.network.finality is Finality.FINALIZED
    assert one.rpc == ("https://a.example", "https://b.example")
    assert list(settings.networks) == ["ethereum-sepolia"]


def test_an_endpoint_may_come_from_a_variable_and_stays_out_of_the_repr(tmp_path: Path) -> None:
    environ = {
        "WAIAAS_NETWORKS_SOLANA_DEVNET_RPC": "https://rpc.example/key-123, https://b.example"
    }

    settings = load(tmp_path, environ)

    assert settings.networks["solana-devnet"].rpc[0] == "https://rpc.example/key-123"
    assert "key-123" not in repr(settings)


def test_one_more_evm_network_is_configuration_only(tmp_path: Path) -> None:
    text = (
        '[networks.gnosis]\nchain = "ethereum"\nchain_id = 100\nrpc = ["https://g.example"]\n'
        'symbol = "xDAI"\ndecimals = 18\nfee_ceiling = "0.5"\nfinality = "latest"\nconfirmations = 3\n'
    )

    network = load(_write(tmp_path, text), {}).networks["gnosis"].network

    assert (network.symbol, network.identity, network.confirmations) == ("xDAI", "100", 3)
    assert network.fee_ceiling == 5 * 10**17


def test_a_known_name_cannot_be_given_to_another_chain(tmp_path: Path) -> None:
    text = '[networks.ethereum-mainnet]\nchain_id = 5\nrpc = ["https://a.example"]\n'

    assert (
        "ethereum-mainnet is 1"
        in _issues(_write(tmp_path, text))["networks.ethereum-mainnet.chain_id"]
    )


def test_two_names_for_one_chain_and_a_missing_key_are_refused(tmp_path: Path) -> None:
    text = (
        '[networks.base-mainnet]\nrpc = ["https://a.example"]\n'
        '[networks.again]\nchain = "ethereum"\nchain_id = 8453\nrpc = ["https://a.example"]\n'
        'symbol = "ETH"\ndecimals = 18\nfee_ceiling = "0.01"\n'
        '[networks.half]\nchain = "solana"\nrpc = ["https://a.example"]\n'
    )

    issues = _issues(_write(tmp_path, text))

    assert issues["networks.again"] == "is the same chain as networks.base-mainnet"
    assert issues["networks.half.genesis"] == "is missing"


def test_a_replacement_may_cost_twice_the_fee_ceiling_unless_it_is_said(tmp_path: Path) -> None:
    file = '[networks.evm-local]\nrpc = ["http://127.0.0.1:1"]\n'
    plain = load(_write(tmp_path, file), {}).networks["evm-local"].network
    said = f'{file}replacement_fee_ceiling = "0.05"\n'
    other = load(_write(tmp_path, said), {}).networks["evm-local"].network
    assert plain.most_for_replacement == 2 * plain.fee_ceiling
    assert other.most_for_replacement == 5 * 10**16


def test_a_replacement_may_never_cost_less_than_the_payment(tmp_path: Path) -> None:
    file = (
        '[networks.evm-local]\nrpc = ["http://127.0.0.1:1"]\nreplacement_fee_ceiling = "0.001"\n'
    )
    issues = _issues(_write(tmp_path, file))
    assert issues == {
        "networks.evm-local.replacement_fee_ceiling": "must not be below fee_ceiling"
    }


@pytest.mark.parametrize("text", ["0", "1e3", "0.0000000000000000001", "-1", ""])
def test_a_fee_ceiling_must_be_an_exact_amount_of_the_native_coin(
    tmp_path: Path, text: str
) -> None:
    file = f'[networks.evm-local]\nrpc = ["http://127.0.0.1:1"]\nfee_ceiling = "{text}"\n'

    assert "networks.evm-local.fee_ceiling" in _issues(_write(tmp_path, file))


def test_every_built_in_network_loads(tmp_path: Path) -> None:
    blocks = [
        f'[networks.{name}]\nrpc = ["https://{name}.example"]\n'
        + ('genesis = "local"\n' if name == "solana-localnet" else "")
        for name in KNOWN_NETWORKS
    ]

    assert set(load(_write(tmp_path, "".join(blocks)), {}).networks) == set(KNOWN_NETWORKS)


def test_a_secret_does_not_print_itself() -> None:
    secret = Secret("correct horse")

    assert "horse" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "correct horse"


def test_a_password_comes_from_its_variable_or_file_never_both(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from the file\n")
    by_file = {"WAIAAS_MASTER_PASSWORD_FILE": str(file)}

    found = secret_of(by_file, "WAIAAS_MASTER_PASSWORD")

    assert found is not None
    assert found.reveal() == "from the file"
    assert secret_of({}, "WAIAAS_MASTER_PASSWORD") is None
    with pytest.raises(InputError, match="both set"):
        secret_of({**by_file, "WAIAAS_MASTER_PASSWORD": "x"}, "WAIAAS_MASTER_PASSWORD")
    with pytest.raises(InputError, match="cannot be read"):
        secret_of({"X_FILE": str(tmp_path / "none")}, "X")


def test_the_data_directory_is_flag_then_variable_then_xdg_then_home() -> None:
    environ = {"WAIAAS_DATA_DIR": "/a", "XDG_DATA_HOME": "/x"}

    assert data_dir_of(environ, "/b") == Path("/b")
    assert data_dir_of(environ) == Path("/a")
    assert data_dir_of({"XDG_DATA_HOME": "/x"}) == Path("/x/waiaas")
    assert data_dir_of({}) == Path.home() / ".waiaas"


def test_a_child_with_its_own_settings_gets_no_variable_of_ours() -> None:
    environ = {"WAIAAS_DAEMON_PORT": "1", "WAIAAS_MASTER_PASSWORD": "x", "PATH": "/bin"}

    assert child_environment(environ) == {"PATH": "/bin"}


def test_without_a_section_nothing_has_a_price(tmp_path: Path) -> None:
    settings = load(tmp_path, {})

    assert settings.prices.providers == []
    assert dict(settings.price_feeds) == {}


def test_the_coins_of_active_networks_are_known_to_the_providers(tmp_path: Path) -> None:
    text = (
        '[networks.base-mainnet]\nrpc = ["https://a.example"]\n'
        '[networks.solana-mainnet]\nrpc = ["https://b.example"]\n'
        '[prices]\nproviders = ["pyth", "chainlink"]\nquorum = 2\n'
        '[prices.assets."base-mainnet/native"]\ncoingecko = "weth"\n'
        '[prices.assets."base-mainnet/0xAb"]\ncoingecko = "usd-coin"\n'
    )

    settings = load(_write(tmp_path, text), {"WAIAAS_PRICES_MAX_AGE_SECONDS": "60"})

    feeds = settings.price_feeds
    assert (settings.prices.quorum, settings.prices.max_age_seconds) == (2, 60)
    assert set(feeds) == {"base-mainnet/native", "solana-mainnet/native", "base-mainnet/0xAb"}
    assert feeds["base-mainnet/native"].coingecko == "weth"
    assert str(feeds["base-mainnet/native"].chainlink).startswith("base-mainnet/0x")
    assert str(feeds["solana-mainnet/native"].chainlink).startswith("ethereum-mainnet/0x")
    assert feeds["base-mainnet/0xAb"].pyth is None


def test_providers_may_come_from_a_variable(tmp_path: Path) -> None:
    settings = load(tmp_path, {"WAIAAS_PRICES_PROVIDERS": "coingecko, pyth"})
    assert settings.prices.providers == ["coingecko", "pyth"]


def test_every_mistake_about_prices_is_named(tmp_path: Path) -> None:
    text = (
        '[prices]\nproviders = ["pyht"]\nquorum = 2\npyth_url = "ftp://x"\nmax_age = 1\n'
        '[prices.assets."evm-local/native"]\nstatic = "0"\npyth = "ff"\nchainlink = "0xAb"\ncoingeko = "x"\n'
        '[prices.assets."no asset"]\nstatic = "1"\n'
    )

    issues = _issues(_write(tmp_path, text))

    where = 'prices.assets."evm-local/native"'
    assert set(issues) == {
        "prices.providers",
        "prices.quorum",
        "prices.pyth_url",
        "prices.max_age",
        f"{where}.static",
        f"{where}.pyth",
        f"{where}.chainlink",
        f"{where}.coingeko",
        'prices.assets."no asset"',
    }


def test_price_assets_that_are_no_tables_are_named(tmp_path: Path) -> None:
    assert "prices.assets" in _issues(_write(tmp_path, "[prices]\nassets = 5\n"))


def test_an_address_of_a_price_service_stays_out_of_the_repr(tmp_path: Path) -> None:
    settings = load(tmp_path, {"WAIAAS_PRICES_PYTH_URL": "https://pyth.example/key-123"})
    assert "key-123" not in repr(settings)
