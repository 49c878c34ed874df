"""Which chains there are, and what every network of a chain has in common."""

from dataclasses import dataclass
from enum import StrEnum

from wallet.domain.money import U64_MAX, U256_MAX, Asset


class ChainName(StrEnum):
    """The wire's word for a family of networks."""

    ETHEREUM = "ethereum"
    SOLANA = "solana"

    @property
    def max_amount(self) -> int:
        return U256_MAX if self is ChainName.ETHEREUM else U64_MAX


class Finality(StrEnum):
    """What counts as evidence that money may be given back."""

    FINALIZED = "finalized"
    LATEST = "latest"


@dataclass(frozen=True, slots=True)
class Network:
    """One network as configured. ``identity`` is the chain id (decimal) or the genesis hash."""

    name: str
    chain: ChainName
    identity: str
    symbol: str
    decimals: int
    fee_ceiling: int
    confirmations: int = 1
    finality: Finality = Finality.FINALIZED
    explorer: str | None = None
    replacement_ceiling: int | None = None  # EVM; None: twice the fee ceiling

    @property
    def most_for_replacement(self) -> int:
        """The most in fees, native base units, that a payment may cost once the owner sped it up or cancels it."""
        if self.replacement_ceiling is not None:
            return self.replacement_ceiling
        return 2 * self.fee_ceiling

    @property
    def native(self) -> Asset:
        return Asset(self.name, self.symbol, self.decimals)


# Chain ids and genesis hashes where coins are worth money or shared with strangers: a sandbox refuses them.
PUBLIC_IDENTITIES = frozenset(
    {
        "1", "11155111", "137", "42161", "10", "8453", "56", "43114", "17000", "80002", "421614", "84532", "11155420",
        "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d",  # solana-mainnet
        "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG",  # solana-devnet
        "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY",  # solana-testnet
    }
)  # fmt: skip
