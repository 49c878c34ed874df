"""`waiaas`: the command line, a client of the running daemon; what works without one says so."""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import typer

from wallet.cli import render
from wallet.errors import Code, InputError, WalletError

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
    "clock": "safety.clock",
    "doctor": "doctor.doctor",
    "backup": "backup.backup",
    "restore": "backup.restore",
}
GROUPS: Final[Mapping[str, str]] = {
    "wallet": "wallets.app",
    "session": "sessions.app",
    "policy": "policies.app",
    "factor": "factors.app",
    "audit": "audit.app",
    "keystore": "keystore.app",
    "autostop": "autostop.app",
    "resume": "autostop.resume_app",
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
    as_json = "--json" in sys.argv
    try:
        app = build(first if first in COMMANDS or first in GROUPS else None)
        code = app(standalone_mode=False)
        raise SystemExit(code if isinstance(code, int) else render.OK)
    except WalletError as error:
        raise SystemExit(render.fail(error, as_json=as_json)) from None
    except typer.Abort:
        print("Aborted.", file=sys.stderr)
        raise SystemExit(render.GENERAL) from None
    except typer.TyperException as error:
        raise SystemExit(_misused(error, as_json=as_json)) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(render.GENERAL) from None


def _misused(error: typer.TyperException, *, as_json: bool) -> int:
    """A call the parser does not understand. Its own code would be 2, which is taken: already running."""
    # The parser's own errors are private classes of it; only their base is public.
    message, show = (getattr(error, name, None) for name in ("format_message", "show"))
    if message is None or show is None:
        raise error
    if as_json:
        refusal = InputError(Code.VALIDATION_ERROR, message(), hint="waiaas --help")
        return render.fail(refusal, as_json=True)
    show()
    return render.GENERAL
