"""`waiaas`: the command line. A client of the running daemon; only `start` and `init` work without one."""

import sys
from collections.abc import Callable
from typing import Any

import typer

from wallet.cli import (
    doctor,
    pairing,
    payments,
    policies,
    render,
    safety,
    sandbox,
    serve,
    sessions,
    setup,
    wallets,
)
from wallet.errors import WalletError

_PLAIN: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("init", setup.init),
    ("start", serve.start),
    ("stop", serve.stop),
    ("unlock", safety.unlock),
    ("status", serve.status),
    ("sandbox", sandbox.sandbox),
    ("pair", pairing.pair),
    ("approve", payments.approve),
    ("reject", payments.reject),
    ("cancel", payments.cancel),
    ("transactions", payments.transactions),
    ("send", payments.send),
    ("kill", safety.kill),
    ("recover", safety.recover),
    ("doctor", doctor.doctor),
)


def build() -> typer.Typer:
    """The command tree."""
    app = typer.Typer(
        name="waiaas",
        help="A self-hosted wallet for AI agents, run from a Telegram chat.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    for name, command in _PLAIN:
        app.command(name)(command)
    app.add_typer(wallets.app, name="wallet")
    app.add_typer(sessions.app, name="session")
    app.add_typer(policies.app, name="policy")
    app.add_typer(pairing.factor_app, name="factor")
    return app


def main() -> None:
    """Run one command; leaves by SystemExit with the documented code."""
    try:
        build()()
    except WalletError as error:
        raise SystemExit(render.fail(error, as_json="--json" in sys.argv)) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(render.GENERAL) from None
    except SystemExit as leaving:
        # The parser's own code for a wrong call is 2, which is taken: already running.
        usage = leaving.code == render.ALREADY_RUNNING and not isinstance(leaving, render.Leave)
        raise SystemExit(render.GENERAL if usage else leaving.code) from None
