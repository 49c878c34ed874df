"""A new data directory: its kind, its keystore, its database with a proved NORMAL, its bot token."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from wallet.bootstrap.place import KIND_FILE
from wallet.bootstrap.world import SystemClock, SystemIds
from wallet.errors import Code, ConflictError
from wallet.keystore import swap
from wallet.keystore.files import (
    BOT_TOKEN,
    KeystoreFiles,
    make_private_directory,
    write_private,
    write_secret_file,
)
from wallet.operations.freshness import HEAD_DIGITS
from wallet.operations.setup import Birth, give_birth
from wallet.persistence.anchor import AnchorFile
from wallet.persistence.database import Database
from wallet.ports.anchor import Mark
from wallet.safety.keyring import Keyring
from wallet.settings import Secret, Settings
from wallet.signer.client import KeyVault
from wallet.signer.protocol import HeaderFacts
from wallet.wire.policies import parse_rule


@dataclass(frozen=True, slots=True)
class Born:
    """The new keystore's header, and the seconds that its first unlock took."""

    header: HeaderFacts
    unlock_seconds: float


async def initialise(settings: Settings, birth: Birth, bot_token: Secret | None = None) -> Born:
    """Make everything in ``settings.data_dir``. ConflictError(ALREADY_INITIALISED) where there is a keystore.

    The kind is written first, so that whatever a crash leaves behind is known for what it was to be.
    """
    home = settings.data_dir
    keystore = home / "keystore"
    if KeystoreFiles(keystore).exists() or swap.is_interrupted(keystore):
        raise ConflictError(
            Code.ALREADY_INITIALISED, f"{home} is initialised already; nothing was changed."
        )
    make_private_directory(home)
    write_private(home / KIND_FILE, f"{birth.kind}\n".encode(), replace=True)
    if bot_token is not None:
        write_secret_file(home / BOT_TOKEN, bot_token.reveal())
    clock, keyring = SystemClock(), Keyring()
    async with AsyncExitStack() as stack:
        vault = await KeyVault.start(keystore)
        stack.push_async_callback(vault.close)
        database = await Database.open(
            settings.database.path,
            ids=SystemIds(),
            clock=clock,
            parse_rule=parse_rule,
            audit_key=lambda: None,  # no unlocked daemon has run yet
            row_key=keyring.row_key,
            busy_timeout_ms=settings.database.busy_timeout_ms,
        )
        stack.push_async_callback(database.close)
        seconds = await give_birth(database, vault, clock, birth, keyring)
        number, head = await database.read(lambda unit: unit.audit.head())
        AnchorFile(home).write(Mark(number, head[:HEAD_DIGITS]))
        return Born(await vault.header(), seconds)
