"""Setting up a data directory: born once, as a sandbox or for production, with a proved NORMAL state."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from wallet.domain.autostop import HourlyRate
from wallet.domain.facts import Fact
from wallet.domain.safety import StopState, SystemState, state_mac
from wallet.ports.store import Store, Unit
from wallet.ports.vault import KeyVault
from wallet.ports.world import Clock


@dataclass(frozen=True, slots=True)
class Birth:
    """What a keystore is born with. ``bot_api_url`` None means Telegram itself."""

    kind: str
    profile: str
    password: str = field(repr=False)
    bot_api_url: str | None = None


class NewVault(KeyVault, Protocol):
    async def create_keystore(
        self, password: str, *, kind: str, profile: str, bot_api_url: str | None = None
    ) -> object: ...


async def give_birth(store: Store, vault: NewVault, clock: Clock, birth: Birth) -> None:
    """Create the keystore, then write the first NORMAL with its proof. Leaves the vault unlocked."""
    await vault.create_keystore(
        birth.password, kind=birth.kind, profile=birth.profile, bot_api_url=birth.bot_api_url
    )
    subkeys = await vault.unlock(birth.password)
    first = SystemState(StopState.NORMAL, version=1)
    first = replace(first, mac=state_mac(subkeys.row_mac, first))

    async def body(unit: Unit) -> None:
        await unit.authority.save_state(first, expected_version=0)
        if birth.kind == "sandbox":  # where agents are tried out as fast as they can
            await unit.autostop.put_rule(None, HourlyRate(enabled=False), clock.now())
        await unit.audit.append(
            Fact.DAEMON_STARTED, actor="host", at=clock.now(), details={"kind": birth.kind}
        )

    await store.run(body)


KIND_FILE = "kind"


def read_kind(data_dir: Path) -> str | None:
    """What the directory was born as, by its own word; the keystore header proves it on unlock."""
    try:
        return (data_dir / KIND_FILE).read_text().strip()
    except FileNotFoundError:
        return None
