"""The anchor file: the highest audit number this node has seen, and the note of whoever restored a database."""

import re
from contextlib import suppress
from pathlib import Path

from wallet.errors import WalletError
from wallet.keystore.files import read_private, write_private
from wallet.ports.anchor import Mark

ANCHOR = "anchor"
BEHIND = "behind"
_LINE = re.compile(r"waiaas-anchor/1 (0|[1-9][0-9]{0,17}) ([0-9a-f]{8})\n")


class AnchorFile:
    """The Anchor port in a data directory: ``anchor`` and ``behind``, both 0600."""

    def __init__(self, data_dir: Path) -> None:
        self._anchor = data_dir / ANCHOR
        self._behind = data_dir / BEHIND

    def read(self) -> Mark | None:
        try:
            found = _LINE.fullmatch(read_private(self._anchor).decode("ascii"))
        except (OSError, WalletError, UnicodeDecodeError):
            return None
        return None if found is None else Mark(int(found[1]), found[2])

    def write(self, mark: Mark) -> None:
        line = f"waiaas-anchor/1 {mark.number} {mark.head}\n"
        write_private(self._anchor, line.encode(), replace=True)

    def suspicion(self) -> str | None:
        if not self._behind.exists():
            return None
        with suppress(OSError, WalletError, UnicodeDecodeError):
            return read_private(self._behind).decode().strip() or "it was restored"
        return "it was restored"

    def suspect(self, why: str) -> None:
        write_private(self._behind, f"{why}\n".encode(), replace=True)

    def cleared(self) -> None:
        self._behind.unlink(missing_ok=True)
