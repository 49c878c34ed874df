"""Changes a keystore's password again and again, each time killed one file operation later.

    python -m tests.support.crash_walk TEMPLATE OUT exchange|renames

Copies TEMPLATE to OUT/0001/keystore, OUT/0002/keystore, ... and kills the n-th change with SIGKILL just
before its n-th file operation, until one comes to its end; prints how many were killed. Between two file
operations nothing on disk changes, so these are all states that a crash can leave.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

from wallet.keystore import swap
from wallet.signer.vault import Vault

OLD, NEW = "the old password", "the new password"
OPERATIONS = frozenset(
    {"open", "os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir", "os.listdir", "os.scandir"}
)  # fmt: skip
NOW_MS = 1_800_000_000_000


def _change(root: Path, step: int) -> None:
    vault = Vault(root, lambda: NOW_MS)
    vault.unlock(OLD)
    left = step

    def hook(event: str, _: object) -> None:
        nonlocal left
        if event in OPERATIONS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    vault.change_password(NEW, None, rewrap=False)


def main() -> None:
    template, out, way = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    if way == "renames":  # as on a file system that cannot exchange two directories
        swap.exchange = lambda *_: False
    step = 1
    while True:
        root = out / f"{step:04}" / "keystore"
        root.parent.mkdir(mode=0o700)
        shutil.copytree(template, root)
        child = os.fork()
        if child == 0:
            try:
                _change(root, step)
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
