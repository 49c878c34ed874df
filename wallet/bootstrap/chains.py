"""The chains that the settings name."""

from wallet.ports.chain import Chain
from wallet.ports.world import Clock
from wallet.settings import Settings


def build_chains(settings: Settings, clock: Clock) -> dict[str, Chain]:
    """One adapter per configured network. Imports web3 and solana, so call it in a thread."""
    from wallet.chains.evm.adapter import EvmChain  # noqa: PLC0415 - heavy
    from wallet.chains.solana.adapter import SolanaChain  # noqa: PLC0415 - heavy
    from wallet.domain.chains import ChainName  # noqa: PLC0415 - beside its users

    chains: dict[str, Chain] = {}
    for name, one in settings.networks.items():
        timeout = float(settings.execution.simulate_seconds)
        if one.network.chain is ChainName.ETHEREUM:
            chains[name] = EvmChain(one.network, one.rpc, clock, timeout)
        else:
            chains[name] = SolanaChain(one.network, one.rpc, clock, one.commitment, timeout)
    return chains
