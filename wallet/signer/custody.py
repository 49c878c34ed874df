"""What is done to keys while no daemon runs: a new password, a key taken over, a key handed out."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from wallet.errors import Code, KeystoreError
from wallet.keystore import seal, swap, version1
from wallet.keystore.curves import curve_of
from wallet.keystore.files import KeystoreFiles
from wallet.keystore.format import corrupted
from wallet.keystore.profiles import Argon2
from wallet.signer.guarded import MEMORY
from wallet.signer.opened import ROOT, Key, Opened, fresh_key, opened_with
from wallet.signer.protocol import WalletFacts

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class Change:
    """The new password and its parameters; ``rewrap`` keeps the data key."""

    password: str = field(repr=False)
    kdf: Argon2
    rewrap: bool


def change_password(files: KeystoreFiles, opened: Opened, change: Change) -> tuple[Opened, bool]:
    """Make a whole new keystore beside the old one, prove it, swap it in, remove the old one.

    Returns what is open now, and whether the old one could be removed. Until the swap nothing of the
    present keystore is touched; after it nothing of it is needed.
    """
    _require_known_files(files)
    with _explained():
        swap.discard_leftovers(files.root)
        draft = seal.HeaderDraft(
            kind=opened.header.kind,
            keystore_id=opened.header.keystore_id,
            created_at=opened.header.created_at,
            bot_api_url=opened.header.bot_api_url,
            kdf=change.kdf,
        )
        kept = bytearray(opened.data_key) if change.rewrap else fresh_key()
        made = Opened(seal.new_header(draft, change.password, kept), MEMORY.hold(kept))
        made.root = MEMORY.hold(bytearray(opened.lasting))
        staged = KeystoreFiles(swap.next_to(files.root))
        _write(files, opened, staged, made)
        proved = _proved(files, opened, staged, change.password)
        swap.put_in_place(files.root)
    made.wipe()
    try:
        swap.discard_leftovers(files.root)
    except OSError:
        return proved, False
    return proved, True


def _write(files: KeystoreFiles, opened: Opened, staged: KeystoreFiles, made: Opened) -> None:
    """Seal every wallet and every secret of ``files`` anew; the header comes last."""
    staged.make_directories()
    for path, wallet in files.read_wallets():
        key = opened.opened_wallet(path, wallet)
        staged.write_wallet(made.sealed_wallet(key.facts, key.secret, wallet.created_at))
    root_at = opened.header.created_at
    for path, secret in files.read_secrets():
        if secret.name == ROOT:
            root_at = secret.created_at
            continue
        plain = opened.opened_secret(path, secret)
        staged.write_secret(made.sealed_secret(secret.name, plain, secret.created_at))
    assert made.root is not None
    staged.write_secret(made.sealed_secret(ROOT, bytes(made.root), root_at))
    staged.write_header(made.header)


def _proved(files: KeystoreFiles, opened: Opened, staged: KeystoreFiles, password: str) -> Opened:
    """Open the new keystore from the disk with its password and compare everything with the old one."""
    header = staged.read_header()
    data_key = seal.open_header(header, password, str(staged.header_path))
    proved = opened_with(staged, header, data_key)
    old = {key.facts.wallet_id: key.facts for key in opened.keys.values()}
    new = {key.facts.wallet_id: key.facts for key in proved.keys.values()}
    if old != new:
        raise corrupted(str(staged.wallets), "its keys are not those of the old keystore")
    old_secrets, new_secrets = _secrets(files, opened), _secrets(staged, proved)
    if old_secrets | {ROOT: bytes(opened.lasting)} != new_secrets:
        raise corrupted(str(staged.secrets), "its secrets are not those of the old keystore")
    return proved


def _secrets(files: KeystoreFiles, opened: Opened) -> dict[str, bytes]:
    return {
        secret.name: opened.opened_secret(path, secret) for path, secret in files.read_secrets()
    }


def _require_known_files(files: KeystoreFiles) -> None:
    """What we do not know we cannot seal anew, and would lose with the old directory."""
    strangers = files.strangers()
    if strangers:
        raise KeystoreError(
            Code.KEYSTORE_CORRUPTED,
            f"There are files of somebody else in the keystore: {_names(strangers)}.",
            hint="Move them away, then try again. Nothing was changed.",
        )


def _names(paths: list[Path]) -> str:
    return ", ".join(str(path) for path in paths)


@contextmanager
def _explained() -> Iterator[None]:
    """A disk that is full or broken is an answer, and the old keystore stays as it was."""
    try:
        yield
    except OSError as error:
        code = Code.STORAGE_FULL if error.errno in _FULL else Code.INTERNAL_ERROR
        raise KeystoreError(
            code,
            f"The new keystore could not be written ({error.strerror}); the old one stays in force.",
            hint="The master password is still the old one.",
        ) from None


def import_key(opened: Opened, wallet_id: str, network: str, text: bytes, password: str) -> Key:
    """The key of a version 1 file as the wallet ``wallet_id``, or as the wallet that holds it already.

    A key without a row is what an interrupted import leaves; it is taken up again.
    """
    file = version1.parse(text)
    secret = MEMORY.hold(version1.open_key(file, password))
    public = curve_of(file.chain).public_side(bytes(secret))
    for key in opened.keys.values():
        if (key.facts.network, key.facts.public_key) == (network, public.public_key):
            return key
    facts = WalletFacts(
        wallet_id=wallet_id,
        chain=file.chain,
        network=network,
        address=public.address,
        public_key=public.public_key,
    )
    return Key(facts, secret)


def export_key(key: Key, about: version1.Described, password: str) -> bytes:
    """A version 1 file, opened again before it is handed out."""
    text = version1.seal_key(about, bytes(key.secret), password).to_text()
    again = version1.parse(text)
    if again.address != key.facts.address or version1.open_key(again, password) != key.secret:
        raise KeystoreError(
            Code.INTERNAL_ERROR, "The key file did not open again and was thrown away."
        )
    return text
