"""Wallet rows."""

from wallet.domain.wallets import Wallet, WalletStatus
from wallet.persistence import models
from wallet.persistence.rows import Connection, Table

WALLETS = Table.of(models.Wallet, Wallet)


class SqlWallets:
    def __init__(self, db: Connection) -> None:
        self._db = db

    async def get(self, wallet_id: str) -> Wallet | None:
        return WALLETS.one(self._db, "id = ?", (wallet_id,))

    async def all(self) -> list[Wallet]:
        return WALLETS.find(self._db, "true ORDER BY id")

    async def add(self, wallet: Wallet) -> None:
        WALLETS.add(self._db, wallet)

    async def set_status(self, wallet_id: str, status: WalletStatus, by: str | None) -> None:
        changes = {"status": status, "suspended_by": by}
        WALLETS.change(self._db, changes, "id = ?", (wallet_id,))
