"""What the catalogue attacks and the product does not have: each feature, its scenarios, and what would give it away.

A row of ``docs/security.md`` may say "Not built" of these scenarios only, and only while nothing of the feature is
found. Whoever builds one takes it out of here and proves its scenarios.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typer.main import get_command

from tests.support.doors import FakeDaemon
from wallet.api.agent import agent_rows
from wallet.api.owner import owner_rows
from wallet.cli import build
from wallet.domain.intents import ASKABLE, IntentType
from wallet.domain.owner import Factor
from wallet.settings import SECTIONS

ROOT = Path(__file__).parents[2]
DOOR = FakeDaemon().door(frozenset())
# Said of a scenario whose target is not in the design at all, so that no feature will ever bring it.
DOES_NOT_APPLY: Final = frozenset({"H-02", "N-09", "R-28"})


def routes(word: str) -> list[str]:
    """Paths of both doors with that word in them."""
    return [row.path for row in (*agent_rows(DOOR), *owner_rows(DOOR)) if word in row.path]


def asked_of_agents(word: str) -> list[str]:
    """Fields with that word in their name, in what agents send."""
    return [
        f"{row.path} {name}"
        for row in agent_rows(DOOR)
        for name in (() if row.body is None else row.body.model_fields)
        if word in name.lower()
    ]


def commands(name: str) -> list[str]:
    """Commands of that name, under whichever others they stand."""

    def walk(command: object, path: str) -> Iterator[str]:
        for part, child in getattr(command, "commands", {}).items():
            yield f"{path} {part}"
            yield from walk(child, f"{path} {part}")

    return [found for found in walk(get_command(build()), "waiaas") if found.endswith(f" {name}")]


def packages(*names: str) -> list[str]:
    """Those of the distributions that a production install brings."""
    lock = (ROOT / "requirements.lock").read_text()
    return [name for name in names if re.search(rf"^{name}(\[.*\])?==", lock, re.MULTILINE)]


def places(*patterns: str) -> list[str]:
    """Files and folders of the product."""
    return [str(found.relative_to(ROOT)) for one in patterns for found in ROOT.glob(one)]


def sections(word: str) -> list[str]:
    """Sections of the settings with that word in their name."""
    return [name for name in SECTIONS if word in name]


def owner_channels() -> list[str]:
    """Modules with a class that can show the owner a card."""
    sources = [*ROOT.glob("wallet/**/*.py"), *ROOT.glob("bot/**/*.py")]
    shows = re.compile(r"^    async def show\(\s*self, card: Card, view: CardView", re.MULTILINE)
    found = [str(path.relative_to(ROOT)) for path in sources if shows.search(path.read_text())]
    return [path for path in found if path != "wallet/ports/owner_channel.py"]


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """``traces``: what is there of it."""

    scenarios: frozenset[str]
    traces: Callable[[], list[str]]


def _other_factors() -> list[str]:
    return sorted(set(Factor) - {Factor.TAP, Factor.CODE, Factor.HOST}) + routes("challenge")


def _other_intents() -> list[str]:
    return sorted(set(ASKABLE) - {IntentType.TRANSFER}) + routes("/sign")


def _other_stores() -> list[str]:
    return packages("asyncpg", "psycopg", "psycopg2") + places("wallet/persistence/postgres*")


def _ways_out() -> list[str]:
    return commands("sweep") + routes("sweep") + routes("withdraw")


def _other_callers() -> list[str]:
    urls = [name for word in ("url", "hook", "callback") for name in asked_of_agents(word)]
    return places("wallet/mcp") + packages("mcp") + commands("mcp") + urls


def _other_channels() -> list[str]:
    settings = sections("notif") + sections("channel")
    channels = [path for path in owner_channels() if path != "bot/notifier.py"]
    return channels + settings + places("wallet/notifications/webhook*", "wallet/channels")


UNBUILT: Final[Mapping[str, Unbuilt]] = {
    "the owner's wallet signature as a factor": Unbuilt(
        frozenset(
            {"OA-02", "OA-04", "OA-05", "OA-07", "SEC-05-NONCE", "S-1", "S-3"}
            | {"N-01", "N-02", "N-04", "N-05", "N-06"}
        ),
        _other_factors,
    ),
    "tokens, contract calls and message signing": Unbuilt(
        frozenset({"R-07", "R-08"}), _other_intents
    ),
    "PostgreSQL and several nodes": Unbuilt(frozenset({"R-09"}), _other_stores),
    "`waiaas wallet sweep`": Unbuilt(frozenset({"R-29"}), _ways_out),
    "MCP, and URLs set by agents": Unbuilt(frozenset({"R-33"}), _other_callers),
    "notification channels besides Telegram": Unbuilt(
        frozenset({"N-17", "N-19", "N-21"}), _other_channels
    ),
}
