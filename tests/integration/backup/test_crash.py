"""A restore killed at any step leaves the old directory or the new one, whole, and the new one never starts unmarked."""

import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.backup.directory import PASSWORD, Directory
from wallet.bootstrap.backup import opened
from wallet.cli.owner import require_initialised
from wallet.errors import UnavailableError
from wallet.persistence.anchor import AnchorFile

ROOT = Path(__file__).parents[3]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["exchange", "renames"])
def test_a_crash_at_any_step_leaves_one_whole_directory(
    directory: Directory, tmp_path: Path, way: str
) -> None:
    file = directory.backs_up().file
    whole = tmp_path / "whole"
    whole.mkdir(mode=0o700)
    opened(file, PASSWORD, whole)
    new = Directory(whole).files()
    (directory.home / "since").write_text("what came after the backup")
    old = directory.files()
    out = tmp_path / "walk"
    out.mkdir(mode=0o700)
    command = [sys.executable, "-m", "tests.support.restore_walk", str(directory.home), str(file)]
    done = subprocess.run(
        [*command, PASSWORD, str(out), way], cwd=ROOT, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    steps = int(done.stdout)
    assert steps > 30

    seen = [state(out / f"{step:04}", old, new) for step in range(1, steps + 2)]

    assert seen[0] == "old"
    assert seen[-1] == "new"
    changes = [one for one, _ in itertools.groupby(seen)]
    assert changes == (["old", "new"] if way == "exchange" else ["old", "between", "new"])
    assert seen.count("between") <= 2


def state(place: Path, old: dict[str, bytes], new: dict[str, bytes]) -> str:
    """Which directory is in its place; whole in any case, and none is lost."""
    home, kept = place / "data", place / "kept"
    if not home.exists():
        assert Directory(kept).files() == old
        shutil.move(kept, place / "data.before-restore-20260131T020000Z")
        with pytest.raises(UnavailableError) as caught:
            require_initialised(home)
        assert "A restore was cut off" in str(caught.value.hint)
        return "between"
    found = Directory(home).files()
    if found == old:
        return "old"
    marked = found.pop("behind").decode()
    assert "restored from the backup" in marked
    assert AnchorFile(home).read() is None
    assert found.pop("last_backup.json")
    assert found == new
    others = [kept, place / "data.restoring"]
    (left,) = [Directory(one).files() for one in others if one.exists()]
    left.pop("behind", None)
    assert left == old
    return "new"
