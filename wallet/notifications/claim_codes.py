"""What the owner reads about the sessions that a stop ended, and about their new claim codes. Pure.

A line that begins with ``COMMAND`` is shown so that it can be copied.
"""

from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Final

from wallet.domain.chains import Network
from wallet.domain.money import format_units
from wallet.domain.owner import Factor
from wallet.domain.sessions import Session
from wallet.domain.wallets import Wallet

COMMAND: Final = "$ "
ENDED: Final = "Agents need new sessions. These were ended:"
NOTHING_ENDED: Final = "Agents need new sessions: waiaas session create"
HOW: Final = {
    Factor.TAP: "New claim codes takes two taps.",
    Factor.CODE: "New claim codes asks for your 6-digit code.",
}
TOO_LARGE: Final = "Too large to grant here. On the host:"
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))

Held = tuple[Session, Wallet]


def offer_lines(
    here: Sequence[Held],
    host: Sequence[Held],
    more: int,
    factor: Factor | None,
    networks: Mapping[str, Network],
) -> list[str]:
    """The ended sessions: what a press of the button grants anew, then what only the host can grant."""
    lines = [_session_line(*held, networks) for held in here]
    if factor in HOW and here:
        lines.append(HOW[factor])
    if host:
        lines.append(TOO_LARGE)
        lines += [COMMAND + _create_command(*held, networks) for held in host]
    if more:
        lines.append(f"And {more} more. On the host: waiaas session create")
    return lines


def code_lines(given: Sequence[tuple[Session, Wallet, str]]) -> list[str]:
    """Who each code is for, and the code."""
    lines = []
    for session, wallet, code in given:
        lines += [f"{_plain(session.name)} · {_plain(wallet.name)}", COMMAND + code]
    return lines


def _session_line(session: Session, wallet: Wallet, networks: Mapping[str, Network]) -> str:
    most = ", ".join(
        _amount(asset, units, wallet, networks) for asset, units in session.limits.amounts.items()
    )
    return (
        f"{_plain(session.name)} · {_plain(wallet.name)} · at most {most}, "
        f"{session.limits.max_transactions} payments, for {_lasting(session.ttl_seconds)}"
    )


def _amount(asset: str, units: int, wallet: Wallet, networks: Mapping[str, Network]) -> str:
    network = networks.get(wallet.network)
    if network is None or asset != network.native.key:
        return f"{units} units of {asset}"
    return f"{format_units(units, network.decimals)} {network.symbol}"


def _create_command(session: Session, wallet: Wallet, networks: Mapping[str, Network]) -> str:
    network = networks.get(wallet.network)
    units = 0 if network is None else session.limits.amounts.get(network.native.key, 0)
    limit = format_units(units, 0 if network is None else network.decimals)
    return (
        f"waiaas session create {quote(_plain(wallet.name))} --limit {limit} --name {quote(_plain(session.name))}"
        f" --max-transactions {session.limits.max_transactions} --ttl {session.ttl_seconds}"
    )


def _plain(name: str) -> str:
    """On one line, so that a name cannot look like a line of ours."""
    return " ".join(name.split())


def _lasting(seconds: int) -> str:
    """The whole duration in its largest exact unit."""
    size, unit = next((s, u) for s, u in _UNITS if seconds % s == 0)
    return f"{seconds // size} {unit}"
