"""One directory in the place of another, also where the file system cannot exchange the two."""

import shutil
from pathlib import Path

import pytest

from wallet.cli import owner
from wallet.errors import Code, ConflictError, WalletError
from wallet.keystore import swap
from wallet.keystore.files import KeystoreFiles, write_new
from wallet.keystore.format import Header


@pytest.fixture
def both(root: Path, header: Header) -> Path:
    """A keystore that says old, and beside it one that says new."""
    for place, word in ((root, "old"), (swap.next_to(root), "new")):
        files = KeystoreFiles(place)
        files.create(header)
        (files.wallets / "word.json").write_text(word)
    return root


def word(root: Path) -> str:
    return (root / "wallets" / "word.json").read_text()


@pytest.fixture(params=["exchange", "renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "renames":
        monkeypatch.setattr(swap, "exchange", lambda *_: False)
    return str(request.param)


def test_the_new_one_takes_the_place_of_the_old_one(both: Path, way: str) -> None:
    swap.put_in_place(both)

    assert word(both) == "new"
    (left,) = swap.leftovers(both)
    assert word(left) == "old"
    assert (left == swap.next_to(both)) is (way == "exchange")
    swap.discard_leftovers(both)
    assert swap.leftovers(both) == []
    assert word(both) == "new"


def test_a_swap_that_died_half_way_is_undone(both: Path) -> None:
    both.rename(swap.previous_of(both))
    assert swap.is_interrupted(both)

    swap.settle(both)

    assert not swap.is_interrupted(both)
    assert word(both) == "old"
    swap.settle(both)
    assert word(both) == "old"


def test_a_second_rename_that_fails_puts_the_old_one_back(
    both: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "exchange", lambda *_: False)
    shutil.rmtree(swap.next_to(both))

    with pytest.raises(FileNotFoundError):
        swap.put_in_place(both)

    assert word(both) == "old"
    assert swap.leftovers(both) == []


def test_without_a_keystore_nothing_is_interrupted(root: Path) -> None:
    assert not swap.is_interrupted(root)
    swap.settle(root)
    assert not root.exists()


def test_a_directory_that_died_between_two_renames_is_still_initialised(both: Path) -> None:
    both.rename(swap.previous_of(both))

    assert owner.is_initialised(both.parent)
    owner.require_initialised(both.parent)


def test_a_leftover_loses_its_header_first(both: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it no password opens the rest, whatever happens to the rest."""

    def broken(path: Path) -> None:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(shutil, "rmtree", broken)

    with pytest.raises(OSError, match="Input/output"):
        swap.discard_leftovers(both)

    assert not KeystoreFiles(swap.next_to(both)).exists()
    assert KeystoreFiles(both).exists()


def test_a_path_that_is_taken_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_new(path, b"first")
    with pytest.raises(ConflictError):
        write_new(path, b"second")
    with pytest.raises(WalletError) as caught:
        write_new(tmp_path / "no" / "file", b"x")
    assert caught.value.code is Code.VALIDATION_ERROR
    assert path.read_bytes() == b"first"
    assert path.stat().st_mode & 0o777 == 0o600
