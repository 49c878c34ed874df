"""``OfflineVault``: the vault of a command that runs while no daemon does. Its signer also lets keys go."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from wallet.ports.vault import WalletKey
from wallet.signer.client import KeyVault
from wallet.signer.protocol import HeaderFacts, from_base64, to_base64


@dataclass(frozen=True, slots=True)
class PasswordChange:
    """``old_removed`` False: the old keystore stands beside the new one and opens with its password."""

    header: HeaderFacts
    old_removed: bool


# Seconds. Every key is sealed anew and synced; giving up half way would leave nobody any wiser.
CUSTODY_SECONDS: Final = 600.0


class OfflineVault(KeyVault):
    """Everything here needs ``unlock`` first."""

    options: ClassVar[tuple[str, ...]] = ("--offline",)

    async def change_password(
        self, password: str, *, profile: str | None, rewrap: bool
    ) -> PasswordChange:
        """Swap in a keystore under a new password, or leave the old one whole and say why."""
        done = await self._custody(
            "change_password", new_password=password, profile=profile, rewrap=rewrap
        )
        return PasswordChange(HeaderFacts(**done["header"]), done["old_removed"])

    async def import_key(
        self, wallet_id: str, network: str, text: bytes, password: str
    ) -> WalletKey:
        """Take over the key of a version 1 file, durably. A key of ``network`` that is here keeps its id."""
        made = await self._custody(
            "import_key",
            wallet_id=wallet_id,
            network=network,
            text=to_base64(text),
            password=password,
        )
        return WalletKey(**made)

    async def export_key(self, wallet_id: str, *, network: str, name: str, password: str) -> bytes:
        """The text of a version 1 file under ``password``."""
        return from_base64(
            await self._custody(
                "export_key", wallet_id=wallet_id, network=network, name=name, password=password
            )
        )

    async def _custody(self, operation: str, **args: Any) -> Any:
        return await self._living().call(operation, args, CUSTODY_SECONDS)
