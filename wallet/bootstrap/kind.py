"""What a data directory was born as. Asked before the first door opens, so nothing heavy is imported here."""

from pathlib import Path
from typing import Final

KIND_FILE: Final = "kind"


def read_kind(data_dir: Path) -> str | None:
    """What the directory was born as, by its own word; the keystore header proves it on unlock."""
    try:
        return (data_dir / KIND_FILE).read_text().strip()
    except FileNotFoundError:
        return None
