"""Wallets: the agent's own, and the owner's list."""

from wallet.api.operations import Operations
from wallet.api.routes import Answer, Call
from wallet.domain.chains import ChainName, Network
from wallet.domain.money import format_units
from wallet.domain.wallets import Wallet
from wallet.errors import Code, NotFoundError, WalletError, bad_field
from wallet.ports.chain import Balance
from wallet.wire.wallets import (
    ALL_NETWORKS,
    AddressView,
    AllAssetsView,
    AssetsView,
    AssetView,
    BalancesView,
    BalanceView,
    CreateWallet,
    NetworkAssets,
    NetworkBalance,
    NetworkQuery,
    NetworksView,
    NetworkView,
    WalletDetail,
    WalletList,
    WalletView,
)

ACTOR = "host"
# Identities where coins are worth money; everything else is called a test network.
_MAIN = frozenset(
    {"1", "10", "56", "137", "8453", "42161", "43114", "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"}
)  # fmt: skip


async def address(call: Call) -> Answer:
    _, wallet = call.authenticated()
    return Answer(
        AddressView(
            wallet_id=wallet.id,
            chain=wallet.chain,
            network=wallet.network,
            address=wallet.address,
            encoding="hex" if wallet.chain == ChainName.ETHEREUM else "base58",
        )
    )


async def balance(call: Call) -> Answer:
    _, wallet = call.authenticated()
    every = _is_every_network(call, wallet)
    network = call.operations.wallets.network(wallet.network)
    found = await call.operations.wallets.balance(wallet)
    if every:
        return Answer(_balances(wallet, network, found))
    return Answer(
        BalanceView(
            wallet_id=wallet.id,
            chain=wallet.chain,
            network=wallet.network,
            address=wallet.address,
            balance=str(found.amount),
            decimals=network.decimals,
            symbol=network.symbol,
            formatted=_formatted(found.amount, network),
        )
    )


async def assets(call: Call) -> Answer:
    _, wallet = call.authenticated()
    every = _is_every_network(call, wallet)
    network = call.operations.wallets.network(wallet.network)
    found = [_native(network, await call.operations.wallets.balance(wallet))]
    if every:
        on_networks = [NetworkAssets(network=wallet.network, assets=found)]
        return Answer(
            AllAssetsView(
                wallet_id=wallet.id,
                chain=wallet.chain,
                environment=environment(network),
                network_assets=on_networks,
            )
        )
    return Answer(
        AssetsView(wallet_id=wallet.id, chain=wallet.chain, network=wallet.network, assets=found)
    )


async def networks(call: Call) -> Answer:
    """The networks of the session's own wallet; another wallet does not exist for it."""
    _, wallet = call.authenticated()
    if call.identifier(Code.WALLET_NOT_FOUND) != wallet.id:
        raise NotFoundError(Code.WALLET_NOT_FOUND, "There is no such wallet.")
    network = call.operations.wallets.network(wallet.network)
    line = NetworkView(
        network=network.name,
        chain=network.chain.value,
        symbol=network.symbol,
        decimals=network.decimals,
        is_default=True,
    )
    return Answer(
        NetworksView(
            id=wallet.id,
            chain=wallet.chain,
            environment=environment(network),
            available_networks=[line],
        )
    )


async def owner_list(call: Call) -> Answer:
    wallets = await call.operations.wallets.list()
    return Answer(WalletList(items=[wallet_view(wallet) for wallet in wallets]))


async def owner_create(call: Call) -> Answer:
    body = await call.body(CreateWallet)
    wallet = await call.operations.wallets.create(
        body.name, body.network, preset=body.preset, actor=ACTOR
    )
    return Answer(wallet_view(wallet), 201)


async def owner_show(call: Call) -> Answer:
    operations = call.operations
    wallet = await operations.wallets.get(call.identifier(Code.WALLET_NOT_FOUND))
    try:
        found = await operations.wallets.balance(wallet)
    except WalletError as error:
        return Answer(wallet_detail(wallet, None, error.message, operations))
    return Answer(wallet_detail(wallet, found, None, operations))


def wallet_view(wallet: Wallet) -> WalletView:
    return WalletView(
        id=wallet.id,
        name=wallet.name,
        chain=wallet.chain,
        network=wallet.network,
        address=wallet.address,
        public_key=wallet.public_key,
        status=wallet.status,
        suspended_by=wallet.suspended_by,
        created_at=wallet.created_at // 1000,
    )


def wallet_detail(
    wallet: Wallet, found: Balance | None, error: str | None, operations: Operations
) -> WalletDetail:
    """A wallet with its balance, or the reason why there is none."""
    formatted = None
    if found is not None:
        formatted = _formatted(found.amount, operations.wallets.network(wallet.network))
    return WalletDetail(
        **dict(wallet_view(wallet)),
        balance=None if found is None else str(found.amount),
        formatted=formatted,
        error=error,
    )


def environment(network: Network) -> str:
    return "mainnet" if network.identity in _MAIN else "testnet"


def _is_every_network(call: Call, wallet: Wallet) -> bool:
    asked = call.query(NetworkQuery).network
    if asked not in (None, ALL_NETWORKS, wallet.network):
        raise bad_field(
            "network", f"this session's wallet is on {wallet.network}", Code.NETWORK_MISMATCH
        )
    return asked == ALL_NETWORKS


def _balances(wallet: Wallet, network: Network, found: Balance) -> BalancesView:
    line = NetworkBalance(
        network=wallet.network,
        balance=str(found.amount),
        decimals=network.decimals,
        symbol=network.symbol,
    )
    return BalancesView(
        wallet_id=wallet.id,
        chain=wallet.chain,
        environment=environment(network),
        balances=[line],
    )


def _native(network: Network, found: Balance) -> AssetView:
    return AssetView(
        asset_id=network.native.key,
        mint="native",
        symbol=network.symbol,
        name=network.symbol,
        balance=str(found.amount),
        decimals=network.decimals,
        is_native=True,
        formatted=_formatted(found.amount, network),
    )


def _formatted(amount: int, network: Network) -> str:
    return f"{format_units(amount, network.decimals)} {network.symbol}"
