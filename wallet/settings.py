"""Settings: config.toml, then WAIAAS_<SECTION>_<KEY>, then flags. Read once, whole.

Nothing else reads the environment. Every mistake is reported together. Settings hold addresses and
paths, never authority: owner, factors, bands and policies live in rows with a MAC.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from wallet.domain.chains import ChainName, Finality, Network
from wallet.errors import Code, InputError
from wallet.setting_keys import Key, Problems, amount_of, checked, replacement_ceiling_of
from wallet.setting_keys import text as _text
from wallet.setting_keys import whole as _whole
from wallet.setting_prices import AssetFeeds, Prices, feeds_of

PREFIX: Final = "WAIAAS_"
CONFIG_FILE: Final = "config.toml"
# Variables that are no SECTION_KEY. A password may also come from a file: WAIAAS_MASTER_PASSWORD_FILE.
FIXED: Final = frozenset(
    {
        "WAIAAS_DATA_DIR",
        "WAIAAS_MASTER_PASSWORD",
        "WAIAAS_MASTER_PASSWORD_FILE",
        "WAIAAS_SESSION_TOKEN",
        "WAIAAS_BASE_URL",
        "WAIAAS_SANDBOX_KILL_AT",
        "WAIAAS_TELEGRAM_PLAIN_IMPORT",
        "WAIAAS_TEST_REQUIRE",
        "WAIAAS_TEST_FUZZ",
        "WAIAAS_ANVIL",
    }
)
Environ = Mapping[str, str]


class Secret:
    """A text that does not print itself."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret('**********')"

    __str__ = __repr__


_DAY = 86_400
_WEEK = 604_800


@dataclass(frozen=True, slots=True)
class Daemon:
    """The agent door and the process. Port 0 takes any free one."""

    host: str = _text("127.0.0.1")
    port: int = _whole(3100, 0, 65_535)
    log_level: str = _text("info", "debug", "info", "warning", "error")
    shutdown_seconds: int = _whole(30, 1, 600)


@dataclass(frozen=True, slots=True)
class Database:
    """``path`` is relative to the data directory in the file, absolute once loaded."""

    path: Path = field(default=Path("waiaas.db"), metadata={"key": Key(Path)})
    busy_timeout_ms: int = _whole(5000, 100, 60_000)


@dataclass(frozen=True, slots=True)
class Keystore:
    profile: str = _text("MODERATE", "CHEAPEST", "MODERATE", "STRONG", "CALIBRATED")


@dataclass(frozen=True, slots=True)
class Sessions:
    """Defaults of a new session; limits per asset are asked for."""

    ttl_seconds: int = _whole(_DAY, 300, _WEEK)
    max_renewals: int = _whole(30, 0, 1000)
    max_transactions: int = _whole(1000)


@dataclass(frozen=True, slots=True)
class Policy:
    min_delay_seconds: int = _whole(60, 1, _DAY)
    min_approval_seconds: int = _whole(300, 1, _DAY)
    loosening_wait_seconds: int = _whole(3600, 0, _WEEK)


@dataclass(frozen=True, slots=True)
class Execution:
    instant_seconds: int = _whole(600, 1, _DAY)
    approval_seconds: int = _whole(600, 1, _DAY)
    simulate_seconds: int = _whole(5, 1, 60)
    stuck_seconds: int = _whole(120, 1, _DAY)


@dataclass(frozen=True, slots=True)
class Safety:
    recovery_wait_seconds: int = _whole(1800, 1, _WEEK)
    recovery_wait_tap_seconds: int = _whole(_DAY, 1, _WEEK)
    password_attempts: int = _whole(5, 1, 100)
    lockout_seconds: int = _whole(1800, 1, _WEEK)


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests per minute, and the largest body."""

    session_rpm: int = _whole(6000)
    send_rpm: int = _whole(600)
    claim_rpm: int = _whole(10)
    login_rpm: int = _whole(5)
    failed_auth_ip_rpm: int = _whole(100)
    body_bytes: int = _whole(262_144, 1024, 16_777_216)


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """One active network. Endpoints often carry an access key, so they do not print themselves."""

    network: Network
    rpc: tuple[str, ...] = field(repr=False)
    commitment: str = "confirmed"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything configurable. ``networks`` holds the active ones: those with an endpoint."""

    data_dir: Path
    daemon: Daemon
    database: Database
    keystore: Keystore
    session: Sessions
    policy: Policy
    execution: Execution
    safety: Safety
    prices: Prices
    limits: Limits
    networks: Mapping[str, NetworkSettings]
    price_feeds: Mapping[str, AssetFeeds]


_MAKERS: Final[Mapping[str, Any]] = MappingProxyType(
    {one.name: one.type for one in fields(Settings) if is_dataclass(one.type)}
)
SECTIONS: Final[Mapping[str, Mapping[str, Key]]] = MappingProxyType(
    {
        name: {one.name: one.metadata["key"] for one in fields(maker)}
        for name, maker in _MAKERS.items()
    }
)
NETWORK_KEYS: Final[Mapping[str, Key]] = MappingProxyType(
    {
        "chain": Key(str, choices=("ethereum", "solana")),
        "chain_id": Key(int, 1, 2**63 - 1),
        "genesis": Key(str),
        "rpc": Key(list),
        "symbol": Key(str),
        "decimals": Key(int, 0, 36),
        "confirmations": Key(int, 1, 10_000),
        "finality": Key(str, choices=("finalized", "latest")),
        "fee_ceiling": Key(str),
        "replacement_fee_ceiling": Key(str),
        "commitment": Key(str, choices=("processed", "confirmed", "finalized")),
        "explorer": Key(str),
    }
)


def _evm(chain_id: int, explorer: str | None, symbol: str = "ETH", fee: str = "0.01") -> Any:
    coin = {"symbol": symbol, "decimals": 18, "fee_ceiling": fee}
    return {"chain": "ethereum", "chain_id": chain_id, "explorer": explorer, **coin}


def _solana(genesis: str | None, explorer: str | None) -> Any:
    coin = {"symbol": "SOL", "decimals": 9, "fee_ceiling": "0.01"}
    return {"chain": "solana", "genesis": genesis, "explorer": explorer, **coin}


_SOLSCAN = "https://solscan.io"
KNOWN_NETWORKS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "solana-mainnet": _solana("5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d", _SOLSCAN),
        "solana-devnet": _solana("EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG", _SOLSCAN),
        "solana-testnet": _solana("4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY", _SOLSCAN),
        "solana-localnet": _solana(None, None),
        "ethereum-mainnet": _evm(1, "https://etherscan.io"),
        "ethereum-sepolia": _evm(11_155_111, "https://sepolia.etherscan.io"),
        "polygon-mainnet": _evm(137, "https://polygonscan.com", "POL", "1"),
        "arbitrum-mainnet": _evm(42_161, "https://arbiscan.io"),
        "optimism-mainnet": _evm(10, "https://optimistic.etherscan.io"),
        "base-mainnet": _evm(8453, "https://basescan.org"),
        "evm-local": _evm(31_337, None),
    }
)


def environment() -> dict[str, str]:
    """A copy of the process environment."""
    return dict(os.environ)


def child_environment(environ: Environ) -> dict[str, str]:
    """``environ`` for a child with settings of its own: no WAIAAS_* variable reaches it."""
    return {name: value for name, value in environ.items() if not name.startswith(PREFIX)}


def data_dir_of(environ: Environ, flag: Path | str | None = None) -> Path:
    """The data directory: flag, WAIAAS_DATA_DIR, $XDG_DATA_HOME/waiaas, ~/.waiaas."""
    chosen = flag or environ.get("WAIAAS_DATA_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    xdg = environ.get("XDG_DATA_HOME")
    return Path(xdg, "waiaas") if xdg else Path.home() / ".waiaas"


def secret_of(environ: Environ, name: str) -> Secret | None:
    """The secret in variable ``name``, or in the file that ``name_FILE`` points to."""
    direct, file = environ.get(name), environ.get(f"{name}_FILE")
    if direct and file:
        raise InputError(Code.CONFIG_ERROR, f"{name} and {name}_FILE are both set; keep one.")
    return secret_in(Path(file)) if file else Secret(direct) if direct else None


def secret_in(path: Path) -> Secret:
    """The first line of a file."""
    try:
        text = path.read_text("utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InputError(Code.CONFIG_ERROR, f"{path} cannot be read: {reason}.") from None
    if not text:
        raise InputError(Code.CONFIG_ERROR, f"{path} is empty.")
    return Secret(text)


def load(data_dir: Path, environ: Environ, flags: Mapping[str, Any] | None = None) -> Settings:
    """Read everything. ``flags`` maps "section.key" to a value and wins; None values are ignored."""
    problems = Problems()
    tables = _read_file(data_dir / CONFIG_FILE, problems)
    _overlay_environment(tables, environ, problems)
    for dotted, value in (flags or {}).items():
        if value is not None:
            section, _, key = dotted.partition(".")
            tables.setdefault(section, {})[key] = value
    price_assets = tables.get("prices", {}).pop("assets", {})
    sections = {
        name: make(**checked(name, tables.get(name, {}), SECTIONS[name], problems))
        for name, make in _MAKERS.items()
    }
    networks = _networks(tables.get("networks", {}), problems)
    feeds = feeds_of(price_assets, networks, problems)
    if len(sections["prices"].providers) < sections["prices"].quorum > 1:
        problems.add("prices.quorum", "is more than there are providers")
    problems.raise_any()
    database = Database(data_dir / sections["database"].path, sections["database"].busy_timeout_ms)
    placed = {**sections, "database": database}
    return Settings(data_dir=data_dir, networks=networks, price_feeds=feeds, **placed)


def _read_file(path: Path, problems: Problems) -> dict[str, dict[str, Any]]:
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        problems.add(str(path), f"cannot be read: {error}")
        return {}
    known = (*SECTIONS, "networks")
    tables: dict[str, dict[str, Any]] = {}
    for name, table in raw.items():
        if name not in known:
            problems.unknown(name, name, known)
        elif not isinstance(table, dict):
            problems.add(name, f"must be a table: [{name}]")
        else:
            tables[name] = table
    return tables


def _overlay_environment(
    tables: dict[str, dict[str, Any]], environ: Environ, problems: Problems
) -> None:
    places = _variables(tables)
    known = (*places, *FIXED)
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        if variable in FIXED:
            continue
        place = places.get(variable)
        if place is None:
            problems.unknown(variable, variable, known)
            continue
        table, key, spec = place
        try:
            table[key] = _from_text(environ[variable], spec)
        except ValueError:
            problems.add(variable, "must be a whole number")


def _variables(tables: dict[str, dict[str, Any]]) -> dict[str, tuple[dict[str, Any], str, Key]]:
    """Variable name -> the table, key and spec it sets; networks of the file have variables too."""
    places: dict[str, tuple[dict[str, Any], str, Key]] = {}
    for section, keys in SECTIONS.items():
        table = tables.setdefault(section, {})
        for key, spec in keys.items():
            places[f"{PREFIX}{section}_{key}".upper()] = (table, key, spec)
    networks = tables.setdefault("networks", {})
    for name in {*KNOWN_NETWORKS, *networks}:
        if isinstance(networks.setdefault(name, {}), dict):
            word = name.replace("-", "_")
            for key, spec in NETWORK_KEYS.items():
                variable = f"{PREFIX}networks_{word}_{key}".upper()
                places[variable] = (networks[name], key, spec)
    return places


def _from_text(text: str, spec: Key) -> Any:
    if spec.kind is int:
        return int(text)
    if spec.kind is list:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _networks(tables: Mapping[str, Any], problems: Problems) -> Mapping[str, NetworkSettings]:
    found: dict[str, NetworkSettings] = {}
    owners: dict[str, str] = {}
    for name, table in tables.items():
        where = f"networks.{name}"
        if not isinstance(table, dict):
            problems.add(where, f"must be a table: [{where}]")
            continue
        given = checked(where, table, NETWORK_KEYS, problems)
        if not given.get("rpc"):
            continue
        network = _network(name, given, problems)
        if network is None:
            continue
        other = owners.setdefault(f"{network.network.chain}/{network.network.identity}", name)
        if other != name:
            problems.add(where, f"is the same chain as networks.{other}")
        found[name] = network
    return MappingProxyType(found)


def _network(name: str, given: Mapping[str, Any], problems: Problems) -> NetworkSettings | None:
    where, built_in = f"networks.{name}", KNOWN_NETWORKS.get(name, {})
    _keep_identity(name, given, problems)
    merged = {**{key: value for key, value in built_in.items() if value is not None}, **given}
    chain = merged.get("chain")
    identity = "genesis" if chain == "solana" else "chain_id"
    needed = ("chain", identity, "symbol", "decimals", "fee_ceiling")
    missing = [key for key in needed if key not in merged]
    for key in missing:
        problems.add(f"{where}.{key}", "is missing")
    if missing:
        return None
    network = Network(
        name=name,
        chain=ChainName(str(chain)),
        identity=str(merged[identity]),
        fee_ceiling=amount_of(where, "fee_ceiling", merged, problems),
        replacement_ceiling=replacement_ceiling_of(where, merged, problems),
        finality=Finality(merged.get("finality", "finalized")),
        explorer=merged.get("explorer"),
        confirmations=merged.get("confirmations", 1),
        symbol=merged["symbol"],
        decimals=merged["decimals"],
    )
    return NetworkSettings(network, tuple(merged["rpc"]), merged.get("commitment", "confirmed"))


def _keep_identity(name: str, given: Mapping[str, Any], problems: Problems) -> None:
    """A known name means one chain: ethereum-mainnet with another chain id is a trap."""
    built_in = KNOWN_NETWORKS.get(name, {})
    for key in ("chain", "chain_id", "genesis"):
        fixed = built_in.get(key)
        if name != "evm-local" and fixed is not None and given.get(key, fixed) != fixed:
            problems.add(f"networks.{name}.{key}", f"{name} is {fixed}; choose another name")
