"""Setting up a data directory: born once, as a sandbox or for production, with a proved NORMAL state."""

from dataclasses import dataclass, field, replace
from typing import Protocol

from wallet.domain.autostop import HourlyRate
from wallet.domain.facts import Fact
from wallet.domain.safety import StopState, SystemState, state_mac
from wallet.ports.store import Store, Unit
from wallet.ports.vault import KeyVault
from wallet.ports.world import Clock
from wallet.safety.keyring import Keyring


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


async def give_birth(
    store: Store, vault: NewVault, clock: Clock, birth: Birth, keyring: Keyring
) -> float:
    """Create the keystore, then write the first NORMAL and the first rows with their proofs.

    ``keyring`` is the one that the store seals with; it is empty again afterwards. Leaves the vault unlocked.
    Returns the seconds that the unlock took.
    """
    await vault.create_keystore(
        birth.password, kind=birth.kind, profile=birth.profile, bot_api_url=birth.bot_api_url
    )
    began = clock.monotonic()
    subkeys = await vault.unlock(birth.password)
    seconds = clock.monotonic() - began
    first = SystemState(StopState.NORMAL, version=1)
    first = replace(first, mac=state_mac(subkeys.row_mac, first))

    async def body(unit: Unit) -> None:
        await unit.authority.save_state(first, expected_version=0)
        await unit.authority.begin()
        await unit.policies.open_scope(None)
        if birth.kind == "sandbox":  # where agents are tried out as fast as they can
            await unit.autostop.put_rule(None, HourlyRate(enabled=False), clock.now())
        await unit.audit.append(
            Fact.DIRECTORY_BORN, actor="host", at=clock.now(), details={"kind": birth.kind}
        )

    keyring.fill(subkeys)
    try:
        await store.run(body)
    finally:
        keyring.clear()
    return seconds
