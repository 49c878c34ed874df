"""A data directory opened by a command while no daemon runs: the writer's lock, a signer, the database."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from wallet.bootstrap.place import read_kind, require_same_kind, take_lock
from wallet.bootstrap.world import SystemClock, SystemIds
from wallet.errors import Code, ConflictError
from wallet.operations.custody import Custody
from wallet.operations.wallets import Wallets
from wallet.persistence.database import Database
from wallet.ports.chain import Chain
from wallet.safety.halt_file import HaltFile
from wallet.safety.keyring import Keyring
from wallet.settings import Settings
from wallet.signer.offline import OfflineVault
from wallet.wire.policies import parse_rule


@dataclass(frozen=True, slots=True)
class Offline:
    vault: OfflineVault
    custody: Custody


@asynccontextmanager
async def offline(settings: Settings, *, with_chains: bool = False) -> AsyncIterator[Offline]:
    """Open what the daemon would open. DAEMON_ALREADY_RUNNING while there is one.

    ``with_chains`` loads the chains' libraries too, for new wallets; nothing is asked of a network.
    """
    home, clock, ids, keyring = settings.data_dir, SystemClock(), SystemIds(), Keyring()
    async with AsyncExitStack() as stack:
        take_lock(home, stack)
        vault = await OfflineVault.start(home / "keystore")
        stack.push_async_callback(vault.close)
        require_same_kind((await vault.header()).kind, read_kind(home) or "production")
        if not settings.database.path.exists():
            raise ConflictError(
                Code.NOT_INITIALISED,
                f"There is no database at {settings.database.path}; nothing was changed.",
                hint="Restore database and keystore from the same backup.",
            )
        database = await Database.open(
            settings.database.path,
            ids=ids,
            clock=clock,
            parse_rule=parse_rule,
            audit_key=keyring.audit_key,
            row_key=keyring.row_key,
            busy_timeout_ms=settings.database.busy_timeout_ms,
        )
        stack.push_async_callback(database.close)
        chains = _chains(settings, clock) if with_chains else {}
        for chain in chains.values():
            stack.push_async_callback(chain.close)
        wallets = Wallets(
            database,
            clock,
            ids,
            vault=vault,
            chains=chains,
            keyring=keyring,
        )
        custody = Custody(
            database,
            clock,
            ids,
            vault=vault,
            keyring=keyring,
            wallets=wallets,
            halt_file=HaltFile(home / "HALT"),
        )
        yield Offline(vault, custody)


def _chains(settings: Settings, clock: SystemClock) -> dict[str, Chain]:
    from wallet.bootstrap.chains import build_chains  # noqa: PLC0415 - heavy

    return build_chains(settings, clock)
