"""What the tests of backup and restore do with a wallet directory."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from wallet.bootstrap.backup import Made, make_backup
from wallet.bootstrap.restore import Restored, restore
from wallet.settings import Secret, load

PASSWORD = "a long enough password"


@dataclass(frozen=True)
class Directory:
    """A data directory with no daemon on it."""

    home: Path

    @property
    def database(self) -> Path:
        return self.home / "waiaas.db"

    def backs_up(self, to: Path | None = None, password: str = PASSWORD) -> Made:
        place = self.home.parent / "x.backup" if to is None else to
        return make_backup(load(self.home, {}), Secret(password), place)

    def restores(
        self,
        file: Path,
        password: str = PASSWORD,
        *,
        replace: bool = True,
        accept_changed_log: bool = False,
    ) -> Restored:
        return restore(
            file,
            Secret(password),
            self.home,
            replace=replace,
            accept_changed_log=accept_changed_log,
        )

    def files(self) -> dict[str, bytes]:
        """Every file that says something; a lock, SQLite's side files and a file half written say nothing."""
        return {
            str(path.relative_to(self.home)): path.read_bytes()
            for path in self.home.rglob("*")
            if path.is_file() and path.suffix not in (".lock", ".db-shm", ".db-wal", ".tmp")
        }

    def writes(self, sql: str) -> None:
        with closing(sqlite3.connect(self.database)) as db:
            db.execute(sql)
            db.commit()
