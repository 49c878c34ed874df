"""What the tables that refuse must obey: what a rule must allow by name, what an unproved counter reads as, and which
proof and which tier is the stronger.
"""

from collections.abc import Iterator, Mapping
from itertools import product

from tests.architecture.bending import Pairs, bent_rows
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
from wallet.domain.owner import Factor
from wallet.domain.policy import NEEDED
from wallet.domain.tiers import Tier, strictest
from wallet.errors import Code, RefusedError
from wallet.operations.factors import require_strength

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


# What each proof stands for: the host can do all that the chat can, and a code is typed where a tap is made.
STANDS_FOR = {
    Factor.TAP: {Factor.TAP},
    Factor.CODE: {Factor.TAP, Factor.CODE},
    Factor.HOST: {Factor.TAP, Factor.CODE, Factor.HOST},
}


def proof_faults(table: Pairs) -> list[str]:
    """What is wrong with what each given proof releases, by (given, needed)."""
    found = []
    for given, needed in product(Factor, Factor):
        if table.get((given, needed)) is not (needed in STANDS_FOR[given]):
            found.append(f"{given} where {needed} is needed is taken wrongly")
    return found


def tier_faults(table: Pairs) -> list[str]:
    """What is wrong with which of two tiers wins."""
    found = [f"of {a} and {b} neither wins" for a, b in product(Tier, Tier) if (a, b) not in table]
    for (one, other), wins in table.items():
        pair = {one, other}
        if wins not in pair:
            found.append(f"of {one} and {other} a third wins")
        if Tier.APPROVAL in pair and wins is not Tier.APPROVAL:
            found.append(f"the owner is not asked, because {wins} was said too")
        if Tier.DELAY in pair and wins in (Tier.INSTANT, Tier.NOTIFY):
            found.append(f"nothing waits, because {wins} was said too")
        if Tier.NOTIFY in pair and wins is Tier.INSTANT:
            found.append("the owner is not told, because a rule did not ask for it")
    return found


def _releases(given: Factor, needed: Factor) -> bool:
    try:
        require_strength(given, needed, "approve")
    except RefusedError:
        return False
    return True


# The product keeps these as an order; here they are walked whole.
PROOFS: Pairs = {pair: _releases(*pair) for pair in product(Factor, Factor)}
STRICTEST: Pairs = {pair: strictest(*pair) for pair in product(Tier, Tier)}


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
