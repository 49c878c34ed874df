"""The options that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="The data directory. Default: WAIAAS_DATA_DIR or ~/.waiaas."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        help="A file with the master password. Default: WAIAAS_MASTER_PASSWORD(_FILE), or ask.",
    ),
]
Totp = Annotated[
    str | None, typer.Option("--code", help="The six digits of your authenticator app.")
]
CurrentCode = Annotated[
    str | None,
    typer.Option("--current-code", help="A code of the authenticator app that is enrolled now."),
]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; it is kept in the audit.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask again.")]
