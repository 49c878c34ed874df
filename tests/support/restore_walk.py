"""Restores a backup again and again, each time killed one file operation later.

    python -m tests.support.restore_walk TEMPLATE FILE PASSWORD OUT exchange|renames

Copies TEMPLATE to OUT/0001/data, OUT/0002/data, ...; prints how many restores were killed. The proof between
unpacking and putting in place is left out: it touches nothing but the new directory, which then has no place yet.
"""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.deaths import at_file_operations, by_renames, walk
from wallet.bootstrap.backup import opened
from wallet.bootstrap.restore import finish, staged_for


def main() -> None:
    template, file, password, out, way = sys.argv[1:]
    if way == "renames":
        by_renames()

    def restore(place: Path, step: Callable[[], None]) -> None:
        home = place / "data"
        shutil.copytree(template, home)
        at_file_operations(step)
        staged = staged_for(home)
        staged.mkdir(mode=0o700)
        finish(staged, opened(Path(file), password, staged), home, home.with_name("kept"))

    print(walk(Path(out), restore))


if __name__ == "__main__":
    main()
