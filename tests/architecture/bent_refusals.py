"""What the tables that refuse must obey: what must be allowed by name, and what an unproved counter reads as."""

from collections.abc import Iterator, Mapping

from tests.architecture.bending import bent_rows
from wallet.domain.authority import (
    CODE_COUNTER,
    CODE_FROZEN_AFTER,
    DENYING,
    FOREVER,
    FROZEN,
    RESET_CHAT_CANCELS,
    RESET_COUNTER,
)
from wallet.domain.decisions import RuleType
from wallet.domain.intents import IntentType
from wallet.domain.policy import NEEDED
from wallet.errors import Code

Needed = Mapping[IntentType, tuple[RuleType, Code, str]]
Counters = Mapping[str, tuple[int, int]]
PROVED = {CODE_COUNTER, FROZEN, RESET_COUNTER, RESET_CHAT_CANCELS}

# What an intent touches beside the chain's own coin, and so what a rule must list.
TOUCHES = {
    IntentType.TOKEN_TRANSFER: "TOKEN",
    IntentType.CONTRACT_CALL: "CONTRACT",
    IntentType.APPROVE: "SPENDER",
}


def needed_faults(table: Needed) -> list[str]:
    """What is wrong with a table of what is denied until a rule lists it."""
    found = [f"{type_} is allowed by silence" for type_ in IntentType if _is_silent(table, type_)]
    if IntentType.TRANSFER in table:
        found.append("a payment of the chain's own coin has nothing that a rule could list")
    for type_, what in TOUCHES.items():
        if type_ in table:
            rule, code, reason = table[type_]
            if what not in rule:
                found.append(f"a {rule} lists no {what}, so it cannot allow {type_}")
            if code != f"{what}_DENIED":
                found.append(f"{type_} is denied as {code}")
            if what.lower() not in reason:
                found.append(f"{type_} is denied for something else")
    return found


def _is_silent(table: Needed, type_: IntentType) -> bool:
    return type_ is not IntentType.TRANSFER and type_ not in table


def counter_faults(table: Counters) -> list[str]:
    """What is wrong with a table of what a counter without a proof reads as."""
    found = []
    tries, locked_until = table.get(CODE_COUNTER, (0, 0))
    if tries < CODE_FROZEN_AFTER or locked_until < FOREVER:
        found.append("codes may be tried after their count was forged")
    if not table.get(FROZEN, (0, 0))[0]:
        found.append("a freeze of the chat ends when its row is forged")
    if table.get(RESET_COUNTER) != (0, 0):
        found.append("a forged replacement of the lost app comes to its end")
    if table.get(RESET_CHAT_CANCELS) != (0, 0):
        found.append(
            "the chat may not cancel the replacement of the app, because somebody says it did"
        )
    found += [
        f"{name} forbids something although no proof covers it" for name in set(table) - PROVED
    ]
    return found


def bent_needed() -> Iterator[tuple[str, Needed]]:
    """Every table of what needs a rule that is one row, or one word of a row, away from the real one."""
    yield from bent_rows(NEEDED, IntentType, list(NEEDED.values()))
    denials = [code for code in Code if code.endswith("_DENIED")]
    for type_, (rule, code, reason) in NEEDED.items():
        for one in sorted(set(RuleType) - {rule}):
            yield f"{type_} by {one}", {**NEEDED, type_: (one, code, reason)}
        for other in sorted(set(denials) - {code}):
            yield f"{type_} as {other}", {**NEEDED, type_: (rule, other, reason)}
        for text in sorted({words for _, _, words in NEEDED.values()} - {reason}):
            yield f"{type_} because {text}", {**NEEDED, type_: (rule, code, text)}


def bent_counters() -> Iterator[tuple[str, Counters]]:
    """Every table of counters with a row too few or too many, or one that allows something."""
    yield from bent_rows(DENYING, (CODE_COUNTER, FROZEN), ((0, 0), (0, FOREVER)))
    yield from bent_rows(
        DENYING, (RESET_COUNTER, RESET_CHAT_CANCELS), ((0, 0), (1, 0), (1, FOREVER))
    )
    yield (
        "codes one try before the freeze",
        {**DENYING, CODE_COUNTER: (CODE_FROZEN_AFTER - 1, FOREVER)},
    )
    yield "codes for a time", {**DENYING, CODE_COUNTER: (CODE_FROZEN_AFTER, FOREVER - 1)}
    yield "also another counter", {**DENYING, "another": (1, FOREVER)}
