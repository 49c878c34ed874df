"""What the bodies of rules are made of: amounts, dollars, keys, lists. Rule keys are snake_case, as stored."""

import itertools
import re
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from wallet.domain.money import U256_MAX
from wallet.domain.prices import BPS, USD_DECIMALS

APPROVAL_SECONDS = 43_200
APPROVAL_SECONDS_MAX = 86_400
DELAY_SECONDS = 300
DELAY_SECONDS_MAX = 2_592_000
WINDOW_SECONDS_MAX = 2_592_000
LONGEST_LIST = 1000
_DOLLARS = re.compile(r"(0|[1-9][0-9]{0,17})(?:\.([0-9]{1,6}))?")


def _in_range(text: str) -> str:
    if int(text) > U256_MAX:
        raise ValueError("is above any chain's range")
    return text


def _is_dollars(text: str) -> str:
    if _DOLLARS.fullmatch(text) is None:
        raise ValueError('must be dollars such as "250" or "0.50"')
    return text


def _is_no_coin(text: str) -> str:
    if text.endswith("/native"):
        raise ValueError("a network's own coin is no token, contract or spender")
    return text


def _distinct(values: list[str]) -> list[str]:
    if len(set(values)) != len(values):
        raise ValueError("names something twice")
    return values


_KEY = r"^[a-z0-9][a-z0-9-]{0,62}/[0-9A-Za-z]{1,64}$"
Units = Annotated[
    str,
    StringConstraints(pattern=r"^(0|[1-9][0-9]{0,77})$", max_length=78),
    AfterValidator(_in_range),
    Field(description="A decimal string of base units."),
]
Dollars = Annotated[
    str,
    StringConstraints(max_length=25),
    AfterValidator(_is_dollars),
    Field(description='Dollars as a decimal string, at most six places: "250" or "0.50".'),
]
AssetKey = Annotated[
    str,
    StringConstraints(pattern=_KEY),
    Field(description="network/native or network/token address"),
]
Place = Annotated[
    str,
    StringConstraints(pattern=_KEY),
    AfterValidator(_is_no_coin),
    Field(description="network/address of a token, contract, program or spender"),
]
Places = Annotated[list[Place], Field(max_length=LONGEST_LIST), AfterValidator(_distinct)]
Address = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{1,128}$")]
NetworkName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
NetworkNames = Annotated[
    list[NetworkName], Field(max_length=LONGEST_LIST), AfterValidator(_distinct)
]
Selector = Annotated[
    str,
    StringConstraints(pattern=r"^0x[0-9a-f]{8}$"),
    Field(description="The first four bytes of the call's data, in lower case: 0xa9059cbb"),
]
Selectors = Annotated[list[Selector], Field(max_length=LONGEST_LIST), AfterValidator(_distinct)]
ShareBps = Annotated[
    int, Field(ge=1, le=BPS, description="Hundredths of a per cent: 2500 is 25 %.")
]
Delay = Annotated[int, Field(ge=1, le=DELAY_SECONDS_MAX)]
ApprovalTimeout = Annotated[int, Field(ge=1, le=APPROVAL_SECONDS_MAX)]
WindowSeconds = Annotated[int, Field(ge=1, le=WINDOW_SECONDS_MAX)]
Over = Literal["each_wallet", "all_wallets"]
Otherwise = Literal["deny", "ask"]


class RuleShape(BaseModel):
    """A rule body; strict, no unknown keys."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class Tiers(RuleShape):
    """Bounds that must not descend."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        require_ascending(self, ("instant_max", "notify_max", "delay_max"))
        return self


class Window(RuleShape):
    """Thresholds that must not descend, none of them above the limit."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        require_ascending(self, ("notify_above", "delay_above", "approval_above", "limit"))
        return self


def require_ascending(body: BaseModel, names: tuple[str, ...]) -> None:
    given = [(name, micros(text)) for name in names if (text := getattr(body, name)) is not None]
    for (low, below), (high, above) in itertools.pairwise(given):
        if below > above:
            raise ValueError(f"{low} must not be above {high}")


def micros(text: str) -> int:
    """A decimal string with at most six places in millionths; also an order over whole numbers."""
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(USD_DECIMALS, "0"))


def optional_units(text: str | None) -> int | None:
    return None if text is None else int(text)


def optional_micros(text: str | None) -> int | None:
    return None if text is None else micros(text)
