"""What the sandbox says to the person who started it."""

import sys
from collections.abc import Sequence
from pathlib import Path

from wallet.sandbox.agent import SHOPS
from wallet.sandbox.place import Place
from wallet.sandbox.prepare import Held

_TIERS = (
    "up to {0} {4} at once, up to {1} with a note, up to {2} after {3} s, above that you are asked"
)


def command() -> str:
    """How this program was called, so that lines can be pasted."""
    called = Path(sys.argv[0])
    if called.name != "waiaas":
        return "python -m wallet"
    try:
        return str(called.relative_to(Path.cwd()))
    except ValueError:
        return str(called)


def env_file(held: Held) -> str:
    return f"{held.coin.symbol.lower()}.env"


def env_text(held: Held, agent_url: str) -> str:
    """What an agent's shell needs, to be read with `.`; the token stays out of the terminal."""
    return f"export WAIAAS_BASE_URL={agent_url}\nexport WAIAAS_SESSION_TOKEN={held.token}\n"


def welcome(place: Place, agent_url: str, held: Sequence[Held], delay_seconds: int) -> str:
    """Everything before the demo begins."""
    lines = [
        "",
        f"The real wallet daemon runs on {agent_url}, against a local Ethereum, a local Solana and",
        "a local Telegram. No account, no network, no money. Ctrl-C ends it.",
        "",
    ]
    for one in held:
        coin = one.coin
        lines.append(f"{coin.symbol}  {one.wallet['address']}  with {coin.funds} {coin.symbol}")
        lines.append("     " + _TIERS.format(*coin.tiers, delay_seconds, coin.symbol))
    return "\n".join([*lines, "", "Paste into another terminal:", *paste_lines(place, held), ""])


def paste_lines(place: Place, held: Sequence[Held]) -> list[str]:
    waiaas, home = command(), place.home
    where = f"--data-dir {home} --password-file {place.password_file}"
    return [
        *send_lines(place, held),
        f"  {waiaas} kill --data-dir {home}",
        f"  {waiaas} recover {where}",
        *session_lines(place, held),
    ]


def send_lines(place: Place, held: Sequence[Held]) -> list[str]:
    """A payment per wallet, with the session its file holds."""
    return [
        f"  (. {place.home / env_file(one)}; {command()} send --to {SHOPS[one.coin.network]} "
        f"--amount {one.coin.tiers[0]} --asset {one.coin.symbol} --wait 30)"
        for one in held
    ]


def session_lines(place: Place, held: Sequence[Held]) -> list[str]:
    """A new session per wallet: what is wanted after a recovery."""
    where = f"--data-dir {place.home} --password-file {place.password_file}"
    return [
        f"  {command()} session create '{one.wallet['name']}' --limit {one.coin.session} {where}"
        for one in held
    ]
