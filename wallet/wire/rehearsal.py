"""Trying rules on the past: what is proposed, and what it would have changed."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from wallet.wire.policies import RuleTypeName
from wallet.wire.shape import Shape, View

DAYS = 30
DAYS_MAX = 365
EXAMPLES = 20
EXAMPLES_MAX = 1000
CHANGES_MAX = 50
_SETS: Any = {
    "required": ["type", "rules"],
    "properties": {"type": {"type": "string"}, "rules": {"type": "object"}},
}
_TAKES_AWAY: Any = {
    "required": ["id"],
    "properties": {"id": {"type": "string"}, "type": {"type": "null"}, "rules": {"type": "null"}},
}
_Id = Annotated[str | None, Field(min_length=1, max_length=64)]


class ProposedRule(Shape):
    """As in PutPolicy; ``id`` without ``rules`` takes the rule away."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [_SETS, _TAKES_AWAY]})

    id: _Id = None
    wallet_id: _Id = None
    type: RuleTypeName | None = None
    rules: Annotated[dict[str, Any] | None, Field(description="The body of the rule type.")] = None

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if (self.type is None) is not (self.rules is None):
            raise ValueError("type and rules belong together")
        if self.rules is None and self.id is None:
            raise ValueError("names neither a rule nor what to take away")
        return self


class RehearsePolicy(Shape):
    """Changes are made one after the other, on top of the rules as they are."""

    changes: Annotated[list[ProposedRule], Field(min_length=1, max_length=CHANGES_MAX)]
    days: Annotated[int, Field(ge=1, le=DAYS_MAX)] = DAYS
    examples: Annotated[int, Field(ge=0, le=EXAMPLES_MAX)] = EXAMPLES


class DifferenceView(View):
    """How many requests would be decided otherwise: from what, to what. A tier, or DENIED."""

    now: str
    then: str
    count: int


class ExampleView(View):
    """One of them. ``was`` is what was decided when it was asked, under the rules of that time."""

    at: int
    wallet_id: str
    to: str
    asset: str
    amount: str
    was: str
    now: str
    then: str
    rule: str | None
    reason: str


class RehearsalView(View):
    """``requests`` were judged twice: under the rules as they are, and as proposed."""

    since: int
    loosens: bool
    requests: int
    changed: int
    differences: list[DifferenceView]
    examples: list[ExampleView]
    counted_only: int
    unreadable: int
    is_cut: bool
