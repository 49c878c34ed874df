"""A small wallet directory, made once by the product itself, and copies of it to back up and to damage."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.backup.directory import PASSWORD, Directory
from wallet.bootstrap.custody import offline
from wallet.bootstrap.setup import initialise
from wallet.keystore import version1
from wallet.keystore.profiles import CHEAPEST
from wallet.operations.custody import Arrival
from wallet.operations.setup import Birth
from wallet.settings import Secret, load

CONFIG = '[networks.evm-local]\nrpc = ["http://127.0.0.1:1"]\n'


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Born, with one wallet whose key came from a file, and with everything beside it that a directory may hold."""
    home = tmp_path_factory.mktemp("template") / "data"
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text(CONFIG)
    (home / "choices.json").write_text('{"preset": "careful", "tapBands": true}\n')
    birth = Birth(kind="sandbox", profile="CHEAPEST", password=PASSWORD)
    asyncio.run(initialise(load(home, {}), birth, Secret("1:token")))
    asyncio.run(_imports(home, bytes(range(1, 33)), "first"))
    (home / "daemon.json").write_text("{}")
    (home / "HALT").write_text("")
    return home


async def _imports(home: Path, secret: bytes, name: str) -> None:
    about = version1.Described(chain="ethereum", network="local", name=name, created_at=0)
    file = version1.seal_key(about, secret, PASSWORD, CHEAPEST)
    arrival = Arrival(
        text=file.to_text(),
        chain="ethereum",
        address=file.address,
        network="evm-local",
        name=name,
        preset="normal",
    )
    async with offline(load(home, {}), with_chains=True) as place:
        await place.custody.unlock(PASSWORD)
        await place.custody.import_key(arrival, PASSWORD)


@pytest.fixture
def directory(template: Path, tmp_path: Path) -> Directory:
    tmp_path.chmod(0o700)
    shutil.copytree(template, tmp_path / "data")
    return Directory(tmp_path / "data")


@pytest.fixture
def more_wallets(directory: Directory) -> Callable[[str, int], None]:
    """Another wallet into the directory, after its backup was made."""

    def add(name: str, start: int) -> None:
        (directory.home / "HALT").unlink(missing_ok=True)
        asyncio.run(_imports(directory.home, bytes(range(start, start + 32)), name))

    return add
