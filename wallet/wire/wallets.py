"""Wallets on the wire: addresses, balances, assets, networks."""

from typing import Annotated, Literal

from pydantic import Field

from wallet.domain.wallets import WalletStatus
from wallet.wire.shape import Query, Shape, View

ALL_NETWORKS = "all"


class NetworkQuery(Query):
    """``network`` is the wallet's, or "all"."""

    network: Annotated[str | None, Field(max_length=64)] = None


class AddressView(View):
    wallet_id: str
    chain: str
    network: str
    address: str
    encoding: Literal["hex", "base58"]


class BalanceView(View):
    """``balance`` in base units, as ``formatted`` in coins."""

    wallet_id: str
    chain: str
    network: str
    address: str
    balance: str
    decimals: int
    symbol: str
    formatted: str


class NetworkBalance(View):
    network: str
    balance: str | None = None
    decimals: int | None = None
    symbol: str | None = None
    error: str | None = None


class BalancesView(View):
    """The answer to ``network=all``."""

    wallet_id: str
    chain: str
    environment: str
    balances: list[NetworkBalance]


class AssetView(View):
    """``mint`` is "native" for the network's own coin."""

    asset_id: str
    mint: str
    symbol: str
    name: str
    balance: str
    decimals: int
    is_native: bool
    formatted: str


class AssetsView(View):
    wallet_id: str
    chain: str
    network: str
    assets: list[AssetView]


class NetworkAssets(View):
    network: str
    assets: list[AssetView] | None = None
    error: str | None = None


class AllAssetsView(View):
    """The answer to ``network=all``."""

    wallet_id: str
    chain: str
    environment: str
    network_assets: list[NetworkAssets]


class NetworkView(View):
    network: str
    chain: str
    symbol: str
    decimals: int
    is_default: bool


class NetworksView(View):
    id: str
    chain: str
    environment: str
    available_networks: list[NetworkView]


class CreateWallet(Shape):
    """``preset`` writes the first rules at once, so that a new wallet can pay, within reason."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    network: Annotated[str, Field(min_length=1, max_length=64)]
    preset: Literal["careful", "normal", "generous"] = "normal"


class WalletView(View):
    id: str
    name: str
    chain: str
    network: str
    address: str
    public_key: str
    status: WalletStatus
    suspended_by: str | None
    created_at: int


class WalletDetail(WalletView):
    """With its balance where the network answered, and the reason where it did not."""

    balance: str | None
    formatted: str | None
    error: str | None


class WalletList(View):
    items: list[WalletView]
