"""`waiaas sandbox`: the real daemon against local stand-ins."""

from pathlib import Path
from typing import Annotated

import typer

from wallet.cli import render
from wallet.cli.options import AsJson


def sandbox(
    *,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="Taken: the next free one. 0: any.")
    ] = 3100,
    delay_seconds: Annotated[
        int, typer.Option("--delay-seconds", min=1, help="How long DELAY payments wait.")
    ] = 10,
    demo: Annotated[
        bool, typer.Option("--demo/--no-demo", help="A small agent that pays.")
    ] = True,
    evm: Annotated[str, typer.Option("--evm", help="py-evm, or anvil where installed.")] = (
        "py-evm"
    ),
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Empty, or an earlier sandbox's. Kept.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try everything without an account, a network or money. Ctrl-C ends it and leaves nothing.

    With --json one line says when it is ready, and no demo runs.
    """
    from wallet.sandbox.parent import Options, run  # noqa: PLC0415 - the sandbox is heavier

    options = Options(
        port=port,
        delay_seconds=delay_seconds,
        demo=demo and not as_json,
        evm=evm,
        data_dir=data_dir,
        as_json=as_json,
    )
    raise render.Leave(run(options))
