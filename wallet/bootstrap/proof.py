"""The proof of a restored directory: every key opens, the database is sound, and the two belong together."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from wallet.bootstrap.place import read_kind
from wallet.bootstrap.world import SystemClock, SystemIds
from wallet.domain.wallets import Wallet
from wallet.errors import Code, ConflictError
from wallet.keystore.manifest import Manifest
from wallet.operations.audit import AuditLog
from wallet.operations.opening import require_same_wallets
from wallet.persistence.database import Database
from wallet.persistence.snapshot import Contents, contents
from wallet.ports.vault import WalletKey
from wallet.safety.keyring import Keyring
from wallet.signer.client import KeyVault
from wallet.wire.policies import parse_rule

_PART = 10_000


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found. ``audit_fault`` None: the audit chain verifies to its end."""

    keys: tuple[WalletKey, ...]
    wallets: tuple[Wallet, ...]
    contents: Contents
    audit_fault: str | None


async def prove(home: Path, manifest: Manifest, password: str) -> Proof:
    """Open everything as a daemon would, with a signer of its own. The database is brought to this code's schema.

    Raises WRONG_PASSWORD, KEYSTORE_CORRUPTED, BACKUP_UNSOUND, CONFIG_ERROR for a database of a newer version.
    A changed audit log is told, not raised: after a recovery that accepted one it stays changed for ever.
    """
    path = home / manifest.database
    found = contents(path)
    if found.audit != manifest.audit:
        raise _unsound("The database is not the one of the list of contents.")
    keyring = Keyring()
    async with AsyncExitStack() as stack:
        vault = await KeyVault.start(home / "keystore")
        stack.push_async_callback(vault.close)
        header = await vault.header()
        if {header.kind, read_kind(home)} != {str(manifest.kind)}:
            raise _unsound("Keystore and directory are of different kinds.")
        if header.keystore_id != manifest.keystore_id:
            raise _unsound("The keystore is not the one of the list of contents.")
        keyring.fill(await vault.unlock(password))
        database = await Database.open(
            path,
            ids=SystemIds(),
            clock=SystemClock(),
            parse_rule=parse_rule,
            audit_key=keyring.audit_key,
            row_key=keyring.row_key,
        )
        stack.push_async_callback(database.close)
        await require_same_wallets(database, vault)
        wallets = await database.read(lambda unit: unit.wallets.all())
        fault = await _audit_fault(AuditLog(database, keyring), manifest)
        return Proof(tuple(await vault.wallets()), tuple(wallets), found, fault)


async def _audit_fault(log: AuditLog, manifest: Manifest) -> str | None:
    number, head = manifest.audit
    known = {number: head} if number else {}
    walked = await log.walk(limit=_PART, known=known)
    while not walked.done:
        walked = await log.walk(walked.verdict.head, limit=_PART, known=known)
    return walked.verdict.reason


def _unsound(message: str) -> ConflictError:
    return ConflictError(Code.BACKUP_UNSOUND, message, hint="Nothing was changed.")
