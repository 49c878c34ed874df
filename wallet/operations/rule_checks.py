"""What a rule must be besides well formed: addresses and assets of configured networks, at least the minima."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wallet.domain.chains import ChainName, Network
from wallet.domain.decisions import RuleType
from wallet.domain.wallets import Wallet
from wallet.errors import Code, InputError, bad_field
from wallet.ports.chain import Chain
from wallet.wire.policies import parse_rule

# Keys of rules whose entries are written network/address.
LISTS = frozenset({"tokens", "contracts", "methods", "spenders"})


@dataclass(frozen=True, slots=True)
class Minima:
    """The least seconds a rule may say."""

    delay_seconds: int
    approval_seconds: int


class RuleChecks:
    """Rules as they may be stored."""

    def __init__(self, chains: Mapping[str, Chain], minima: Minima) -> None:
        self._chains = chains
        self._minima = minima

    @property
    def networks(self) -> Sequence[Network]:
        """The configured ones."""
        return [chain.network for chain in self._chains.values()]

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
            raise invalid(where, f"holds no address of {network}") from None

    def _chain_of(self, where: str, network: str, wallet: Wallet | None) -> Chain:
        chain = self._chains.get(network)
        if chain is None:
            known = ", ".join(sorted(self._chains))
            raise invalid(where, f"is on no configured network; those are {known}")
        if wallet is not None and network != wallet.network:
            raise invalid(where, f"is not on {wallet.network}")
        return chain

    def _require_known_assets(self, rules: Mapping[str, Any], wallet: Wallet | None) -> None:
        known = {chain.network.native.key for chain in self._chains.values()}
        for asset in rules.get("assets", {}):
            if asset not in known:
                raise invalid(
                    f"assets.{asset}", f"is unknown; known are {', '.join(sorted(known))}"
                )
            if wallet is not None and not asset.startswith(f"{wallet.network}/"):
                raise invalid(f"assets.{asset}", f"is not an asset of {wallet.network}")

    def _require_minima(self, rules: Mapping[str, Any]) -> None:
        for field, least in (
            ("delay_seconds", self._minima.delay_seconds),
            ("approval_timeout", self._minima.approval_seconds),
        ):
            if rules.get(field, least) < least:
                raise invalid(field, f"must be at least {least}")


def invalid(path: str, message: str) -> InputError:
    """POLICY_INVALID for one field."""
    return bad_field(path, message, Code.POLICY_INVALID)
