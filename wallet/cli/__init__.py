"""`waiaas`: the command line. A client of the running daemon; only `start`, `init` and `sandbox` work without one."""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import typer

from wallet.cli import render
from wallet.errors import WalletError

# Name -> module and attribute: only the command that is called is imported, so that it starts quickly.
COMMANDS: Final[Mapping[str, str]] = {
    "init": "setup.init",
    "start": "serve.start",
    "stop": "serve.stop",
    "unlock": "safety.unlock",
    "status": "status.status",
    "sandbox": "sandbox.sandbox",
    "pair": "pairing.pair",
    "approve": "payments.approve",
    "reject": "payments.reject",
    "cancel": "payments.cancel",
    "speed-up": "replacements.speed_up",
    "transactions": "payments.transactions",
    "send": "send.send",
    "kill": "safety.kill",
    "recover": "safety.recover",
    "doctor": "doctor.doctor",
}
GROUPS: Final[Mapping[str, str]] = {
    "wallet": "wallets.app",
    "session": "sessions.app",
    "policy": "policies.app",
    "factor": "factors.app",
}


def build(only: str | None = None) -> typer.Typer:
    """The command tree; with ``only`` that branch alone."""
    app = typer.Typer(
        name="waiaas",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_waiaas)
    for name, place in COMMANDS.items():
        if only in (None, name):
            app.command(name)(_load(place))
    for name, place in GROUPS.items():
        if only in (None, name):
            app.add_typer(_load(place), name=name)
    return app


def _waiaas() -> None:
    """A self-hosted wallet for AI agents, run from a Telegram chat."""


def _load(place: str) -> Any:
    module, _, attribute = place.partition(".")
    return getattr(import_module(f"wallet.cli.{module}"), attribute)


def main() -> None:
    """Run one command; leaves by SystemExit with the documented code."""
    first = sys.argv[1] if len(sys.argv) > 1 else None
    try:
        build(first if first in COMMANDS or first in GROUPS else None)()
    except WalletError as error:
        raise SystemExit(render.fail(error, as_json="--json" in sys.argv)) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(render.GENERAL) from None
    except SystemExit as leaving:
        # The parser's own code for a wrong call is 2, which is taken: already running.
        usage = leaving.code == render.ALREADY_RUNNING and not isinstance(leaving, render.Leave)
        raise SystemExit(render.GENERAL if usage else leaving.code) from None
