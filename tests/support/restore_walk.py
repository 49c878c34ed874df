"""Restores a backup again and again, each time killed one file operation later.

    python -m tests.support.restore_walk TEMPLATE FILE PASSWORD OUT exchange|renames

Copies TEMPLATE to OUT/0001/data, OUT/0002/data, ... and kills the n-th restore with SIGKILL just before its
n-th file operation, until one comes to its end; prints how many were killed. The proof between unpacking and
putting in place is left out: it touches nothing but the new directory, which then has no place yet.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

from tests.support.crash_walk import OPERATIONS
from wallet.bootstrap.backup import opened
from wallet.bootstrap.restore import finish, staged_for
from wallet.keystore import swap


def _restore(home: Path, file: Path, password: str, step: int) -> None:
    left = step

    def hook(event: str, _: object) -> None:
        nonlocal left
        if event in OPERATIONS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    staged = staged_for(home)
    staged.mkdir(mode=0o700)
    finish(staged, opened(file, password, staged), home, home.with_name("kept"))


def main() -> None:
    template, file, password, out, way = sys.argv[1:]
    if way == "renames":  # as on a file system that cannot exchange two directories
        swap.exchange = lambda *_: False
    step = 1
    while True:
        home = Path(out) / f"{step:04}" / "data"
        home.parent.mkdir(mode=0o700)
        shutil.copytree(template, home)
        child = os.fork()
        if child == 0:
            try:
                _restore(home, Path(file), password, step)
            except BaseException:
                sys.excepthook(*sys.exc_info())
                os._exit(1)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            print(step - 1)
            sys.exit(os.WEXITSTATUS(status))
        step += 1


if __name__ == "__main__":
    main()
