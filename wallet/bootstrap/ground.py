"""What every part of the daemon stands on."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from wallet.persistence.database import Database
from wallet.ports.chain import Chain
from wallet.ports.prices import Prices
from wallet.ports.world import Checkpoints, Clock, Ids
from wallet.prices.static import NoPrices
from wallet.safety.clock_guard import ClockGuard
from wallet.safety.gate import Gate
from wallet.safety.keyring import Keyring
from wallet.settings import Settings
from wallet.signer.client import KeyVault

Spawn = Callable[[Coroutine[Any, Any, None]], object]


@dataclass(frozen=True, slots=True)
class Ground:
    """What everything stands on. ``bot`` and ``jobs`` answer for /status what those parts say of themselves."""

    settings: Settings
    clock: Clock
    ids: Ids
    checkpoints: Checkpoints
    database: Database
    vault: KeyVault
    keyring: Keyring
    gate: Gate
    clock_guard: ClockGuard
    is_sandbox: bool  # where every clock is this host's own and proves nothing
    chains: Mapping[str, Chain]
    spawn: Spawn
    started_at: int
    stop: Callable[[], None]
    bot: Callable[[], Mapping[str, Any]]
    jobs: Callable[[], Mapping[str, Any]]
    doctor: Callable[[], Awaitable[Mapping[str, Any]]]
    prices: Prices = field(default_factory=NoPrices)
