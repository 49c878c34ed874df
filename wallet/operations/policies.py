"""Policies: list, set, remove, and the presets a new wallet starts with."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from wallet.domain.chains import ChainName, Network
from wallet.domain.decisions import RuleType
from wallet.domain.facts import Fact
from wallet.domain.wallets import Wallet
from wallet.errors import Code, InputError, NotFoundError, bad_field
from wallet.ports.chain import Chain
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock, Ids
from wallet.safety.keyring import Keyring
from wallet.wire.policies import parse_rule

# Keys of rules whose entries are written network/address.
LISTS = frozenset({"tokens", "contracts", "methods", "spenders"})


class Preset(StrEnum):
    CAREFUL = "careful"
    NORMAL = "normal"
    GENEROUS = "generous"


# Per chain, in tenths of the native coin: instant, notify, delay. Careful is a tenth, generous ten times.
_TENTHS = {ChainName.ETHEREUM: (1, 10, 50), ChainName.SOLANA: (10, 100, 500)}
_SCALE = {Preset.CAREFUL: (1, 10), Preset.NORMAL: (1, 1), Preset.GENEROUS: (10, 1)}
PRESET_DELAY_SECONDS = 300
APPROVAL_TIMEOUT_SECONDS = 43_200
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Minima:
    """The least seconds a rule may say."""

    delay_seconds: int
    approval_seconds: int


class Policies:
    """Every change is audited and announced in the chat; the newest answer counts at once."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        *,
        chains: Mapping[str, Chain],
        minima: Minima,
        keyring: Keyring,
        changed: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._chains = chains
        self._minima = minima
        self._keyring = keyring
        self._changed = changed

    async def list(self, wallet_id: str | None = None) -> list[Mapping[str, Any]]:
        """As stored; with None every rule there is. Times in epoch ms."""
        return await self._store.read(lambda unit: unit.policies.stored(wallet_id))

    async def put(
        self,
        rule_type: str,
        rules: Mapping[str, Any],
        wallet_id: str | None,
        rule_id: str | None,
        actor: str,
    ) -> Mapping[str, Any]:
        """Add a rule, or replace the one with ``rule_id``.

        Raises POLICY_INVALID with every issue, KEYSTORE_LOCKED while nothing can be proved,
        AUTHORITY_UNPROVED where the rules beside it carry no valid proof: remove them first.
        """
        self._keyring.require()
        now = self._clock.now()

        async def body(unit: Unit) -> str:
            wallet = None if wallet_id is None else await _wallet(unit, wallet_id)
            checked = self.check(rule_type, rules, wallet)
            if rule_id is not None:
                await _require_rule(unit, rule_id, wallet_id, rule_type)
            return await self.store_rule(
                unit, rule_type, checked, wallet_id, rule_id=rule_id, actor=actor, now=now
            )

        stored_id = await self._store.run(body)
        self._changed()
        stored = await self.list(None)
        return next(rule for rule in stored if rule["id"] == stored_id)

    async def remove(self, rule_id: str, actor: str) -> None:
        """Take a rule away. What nothing grants any more is denied. KEYSTORE_LOCKED while locked."""
        self._keyring.require()
        now = self._clock.now()

        async def body(unit: Unit) -> None:
            stored = await unit.policies.stored(None)
            rule = next((one for one in stored if one["id"] == rule_id), None)
            if rule is None:
                raise NotFoundError(Code.POLICY_NOT_FOUND, "There is no such rule.")
            await unit.policies.remove(rule_id)
            await unit.audit.append(
                Fact.POLICY_REMOVED, actor=actor, at=now, details={"ruleId": rule_id}
            )
            version = await unit.policies.version()
            await _announce(unit, version, f"{rule['type']} (removed)", rule["walletId"], now)

        await self._store.run(body)
        self._changed()

    def check(
        self, rule_type: str, rules: Mapping[str, Any], wallet: Wallet | None
    ) -> Mapping[str, Any]:
        """The rules with normalised addresses; raises POLICY_INVALID for what could never be meant."""
        parse_rule(rule_type, rules)
        checked = {key: value for key, value in rules.items() if value is not None}
        if rule_type == RuleType.WHITELIST:
            checked["allowed_addresses"] = [
                self._address(text, wallet) for text in rules["allowed_addresses"]
            ]
        for key in LISTS & checked.keys():
            checked[key] = self._places(key, checked[key], wallet)
        for name in checked.get("networks", ()):
            self._chain_of(f"networks.{name}", name, None)
        self._require_known_assets(checked, wallet)
        self._require_minima(checked)
        return checked

    async def store_rule(
        self,
        unit: Unit,
        rule_type: str,
        rules: Mapping[str, Any],
        wallet_id: str | None,
        *,
        rule_id: str | None,
        actor: str,
        now: int,
    ) -> str:
        """Store a checked rule in ``unit`` with its fact and its announcement."""
        stored_id = rule_id or self._ids.new()
        text = json.dumps(rules, sort_keys=True, separators=(",", ":"))
        version = await unit.policies.put(stored_id, wallet_id, rule_type, text, now)
        await unit.audit.append(
            Fact.POLICY_SET,
            actor=actor,
            at=now,
            wallet_id=wallet_id,
            details={"ruleId": stored_id, "type": rule_type, "rules": text},
        )
        await _announce(unit, version, rule_type, wallet_id, now)
        return stored_id

    def _address(self, text: str, wallet: Wallet | None) -> str:
        if wallet is not None:
            return self._chains[wallet.network].validate_address(text)
        wanted = ChainName.ETHEREUM if text.startswith("0x") else ChainName.SOLANA
        for chain in self._chains.values():
            if chain.network.chain is wanted:
                return chain.validate_address(text)
        raise bad_field("allowed_addresses", f"no network for {text}", Code.POLICY_INVALID)

    def _places(self, key: str, given: Any, wallet: Wallet | None) -> Any:
        """A list of ``network/address``, or a map by it, with normalised addresses."""
        if isinstance(given, Mapping):
            return {self._place(key, text, wallet): value for text, value in given.items()}
        return sorted({self._place(key, text, wallet) for text in given})

    def _place(self, key: str, text: str, wallet: Wallet | None) -> str:
        where = f"{key}.{text}"
        network, _, address = text.partition("/")
        chain = self._chain_of(where, network, wallet)
        try:
            return f"{network}/{chain.validate_address(address)}"
        except InputError:
            raise _invalid(where, f"holds no address of {network}") from None

    def _chain_of(self, where: str, network: str, wallet: Wallet | None) -> Chain:
        chain = self._chains.get(network)
        if chain is None:
            known = ", ".join(sorted(self._chains))
            raise _invalid(where, f"is on no configured network; those are {known}")
        if wallet is not None and network != wallet.network:
            raise _invalid(where, f"is not on {wallet.network}")
        return chain

    def _require_known_assets(self, rules: Mapping[str, Any], wallet: Wallet | None) -> None:
        known = {chain.network.native.key for chain in self._chains.values()}
        for asset in rules.get("assets", {}):
            if asset not in known:
                raise _invalid(
                    f"assets.{asset}", f"is unknown; known are {', '.join(sorted(known))}"
                )
            if wallet is not None and not asset.startswith(f"{wallet.network}/"):
                raise _invalid(f"assets.{asset}", f"is not an asset of {wallet.network}")

    def _require_minima(self, rules: Mapping[str, Any]) -> None:
        for field, least in (
            ("delay_seconds", self._minima.delay_seconds),
            ("approval_timeout", self._minima.approval_seconds),
        ):
            if rules.get(field, least) < least:
                raise _invalid(field, f"must be at least {least}")


def preset_rules(preset: Preset, network: Network) -> list[tuple[str, dict[str, Any]]]:
    """The rules a new wallet starts with: tiers, and a day's limit of twice the DELAY bound, else ask."""
    scale, divisor = _SCALE[preset]
    tenth = 10**network.decimals // 10
    instant, notify, delay = (n * tenth * scale // divisor for n in _TENTHS[network.chain])
    tiers = {
        "instant_max": str(instant),
        "notify_max": str(notify),
        "delay_max": str(delay),
    }
    return [
        (
            RuleType.SPENDING_LIMIT.value,
            {
                "assets": {network.native.key: tiers},
                "delay_seconds": PRESET_DELAY_SECONDS,
                "approval_timeout": APPROVAL_TIMEOUT_SECONDS,
            },
        ),
        (
            RuleType.CUMULATIVE_LIMIT.value,
            {
                "assets": {network.native.key: {"limit": str(2 * delay)}},
                "window_seconds": DAY_SECONDS,
                "over": "each_wallet",
                "otherwise": "ask",
            },
        ),
    ]


async def _announce(
    unit: Unit, version: int, rule_type: str, wallet_id: str | None, now: int
) -> None:
    """Tell the owner, once there is one: what was set before he was paired is in /limits."""
    if await unit.authority.owner() is None:
        return
    wallet = None if wallet_id is None else await unit.wallets.get(wallet_id)
    about = {"type": rule_type, "wallet": "every wallet" if wallet is None else wallet.name}
    await unit.console.alert(f"POLICY_CHANGED:{version}", "POLICY_CHANGED", about, now)


async def _wallet(unit: Unit, wallet_id: str) -> Wallet:
    wallet = await unit.wallets.get(wallet_id)
    if wallet is None:
        raise NotFoundError(Code.WALLET_NOT_FOUND, "There is no such wallet.")
    return wallet


async def _require_rule(unit: Unit, rule_id: str, wallet_id: str | None, rule_type: str) -> None:
    for rule in await unit.policies.stored(None):
        if rule["id"] == rule_id:
            if (rule["walletId"], rule["type"]) != (wallet_id, rule_type):
                raise _invalid("id", "names a rule of another wallet or type")
            return
    raise NotFoundError(Code.POLICY_NOT_FOUND, "There is no such rule.")


def _invalid(path: str, message: str) -> InputError:
    return bad_field(path, message, Code.POLICY_INVALID)
