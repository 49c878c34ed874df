"""Wallet rows."""

from wallet.domain.wallets import Wallet, WalletStatus
from wallet.persistence import models
from wallet.persistence.rows import Connection, Table
from wallet.persistence.seals import Cover, Raw, Seals, Without


def _active(row: Raw) -> Raw | None:
    """A suspension needs no key. It leaves the proof of the active row, so that a recovery can lift it."""
    if row["status"] != WalletStatus.SUSPENDED:
        return None
    return {**row, "status": WalletStatus.ACTIVE.value, "suspended_by": None}


WALLETS = Cover(
    Table.of(models.Wallet, Wallet),
    "wallet",
    untightened=_active,
)


class SqlWallets:
    def __init__(self, db: Connection, seals: Seals) -> None:
        self._db = db
        self._seals = seals

    async def get(self, wallet_id: str) -> Wallet | None:
        return self._seals.one(WALLETS, self._db, "id = ?", (wallet_id,))

    async def all(self) -> list[Wallet]:
        return self._seals.find(WALLETS, self._db, "true ORDER BY id")

    async def add(self, wallet: Wallet) -> None:
        self._seals.add(WALLETS, self._db, WALLETS.table.values(wallet))

    async def set_status(self, wallet_id: str, status: WalletStatus, by: str | None) -> None:
        changes = {"status": status, "suspended_by": by}
        unsealed = Without.KEPT if status is WalletStatus.SUSPENDED else Without.REFUSED
        self._seals.change(WALLETS, self._db, changes, "id = ?", (wallet_id,), unsealed=unsealed)
