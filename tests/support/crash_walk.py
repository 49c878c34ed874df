"""Changes a keystore's password again and again, each time killed one file operation later.

    python -m tests.support.crash_walk TEMPLATE OUT exchange|renames

Copies TEMPLATE to OUT/0001/keystore, OUT/0002/keystore, ...; prints how many changes were killed.
"""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.deaths import at_file_operations, by_renames, walk
from wallet.signer.vault import Vault

OLD, NEW = "the old password", "the new password"
NOW_MS = 1_800_000_000_000


def main() -> None:
    template, out, way = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    if way == "renames":
        by_renames()

    def change(place: Path, step: Callable[[], None]) -> None:
        root = place / "keystore"
        shutil.copytree(template, root)
        vault = Vault(root, lambda: NOW_MS)
        vault.unlock(OLD)
        at_file_operations(step)
        vault.change_password(NEW, None, rewrap=False)

    print(walk(out, change))


if __name__ == "__main__":
    main()
