"""What the tables about a card must obey: its buttons, what a press is, and the proof that it asks for."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from tests.architecture.bending import Sets, bent_rows
from wallet.domain.console import Action, Stage
from wallet.domain.transactions import Purpose
from wallet.notifications.alerts import CANCELS
from wallet.notifications.buttons import WHILE_STUCK, WHILE_WAITING
from wallet.notifications.messages import TEMPLATES
from wallet.operations.asks import APPROVING, ASKS, CHALLENGES, ORDERS, Ask
from wallet.operations.taps import (
    CARD_ACTIONS,
    CODES_ACTIONS,
    PROTECTIVE,
    RELEASING,
    REPLACING,
    STAGE_OF,
    AnswerKind,
)

# A press that releases is a second one: it confirms what the first asked, in the stage that the first led to.
CONFIRMS = {
    Action.CONFIRM_APPROVE: Stage.CONFIRM,
    Action.CONFIRM_SPEED_UP: Stage.SPEED_UP,
    Action.CONFIRM_CANCEL_SENT: Stage.CANCEL,
}
FIRST = (Action.APPROVE, Action.SPEED_UP, Action.CANCEL_SENT)


def offer_faults(offers: Mapping[str, tuple[Action, ...]]) -> list[str]:
    """What is wrong with the buttons that a card has after its first press."""
    found = []
    if set(offers) != set(Stage) - {Stage.CARD}:
        found.append("a stage has no buttons of its own, or the card itself counts as pressed")
    for stage, actions in offers.items():
        confirms = [action for action, its in CONFIRMS.items() if its == stage]
        if list(actions) != [*confirms, Action.BACK]:
            found.append(f"{stage} offers something else than its confirmation and the way back")
    return found


def stage_faults(table: Mapping[Action, Stage]) -> list[str]:
    """What is wrong with the stages that presses belong to. An action that is not in it stands in any stage."""
    found = [f"{ask} is not a first press" for ask in FIRST if table.get(ask) is not Stage.CARD]
    found += [f"{a} confirms nothing" for a, stage in CONFIRMS.items() if table.get(a) != stage]
    found += [f"{a} is kept from stopping in some stage" for a in table if a not in RELEASING]
    return found + [f"{a} is no press of a card" for a in table if a not in (*FIRST, *CONFIRMS)]


# What a first press on a card has signed in the end. An approval lets the payment itself be signed: no order.
PURPOSE_OF = {
    Action.APPROVE: None,
    Action.SPEED_UP: Purpose.SPEED_UP,
    Action.CANCEL_SENT: Purpose.CANCEL,
}


def confirmation_of(first: Action) -> Action:
    return Action(f"CONFIRM_{first}")


def ask_faults(table: Mapping[Action, Ask]) -> list[str]:
    """What is wrong with what the presses ask for. Both presses of an act must come to the same."""
    found = [
        f"{a} needs a proof and is no press for one" for a in table if a not in (*FIRST, *CONFIRMS)
    ]
    for first, purpose in PURPOSE_OF.items():
        for press in (first, confirmation_of(first)):
            ask = table.get(press)
            if ask is None:
                found.append(f"{press} asks for nothing")
            else:
                found += [
                    f"{press}: {what}"
                    for what in _faults_of(ask, purpose, CONFIRMS[confirmation_of(first)])
                ]
    return found


def _faults_of(ask: Ask, purpose: Purpose | None, confirmed_in: Stage) -> Iterator[str]:
    act = "APPROVE" if purpose is None else purpose.value
    if ask.purpose is not purpose:
        yield "something else is signed"
    if ask.name != act:
        yield "its code is taken for another act"
    if ask.confirm != confirmed_in:
        yield "its confirmation is asked where its button does not stand"
    if ask.code != ("CODE" if purpose is None else f"{act}_CODE"):
        yield "its code is awaited as that of another act"
    if ask.command != act.lower().replace("_", "-"):
        yield "the host is told another command"
    if ask.done != ("APPROVED" if purpose is None else f"{act}_ORDERED"):
        yield "the owner is told that something else was done"


def order_faults(table: Mapping[str, Ask]) -> list[str]:
    """What is wrong with a table of the orders that a typed code can give."""
    found = [
        f"{p} cannot be ordered with a code" for p in PURPOSE_OF.values() if p and p not in table
    ]
    for name, ask in table.items():
        if ask.name != name:
            found.append(f"a code for {name} gives the order of {ask.name}")
        if ask.purpose is None:
            found.append(f"{name} orders nothing: an approval is not an order")
    return found


def challenge_faults(table: Mapping[str, str]) -> list[str]:
    """What is wrong with a table of what a stage wants a code for."""
    found = [
        f"{s} wants a code and asks for none"
        for s in Stage
        if s.endswith("CODE") and s not in table
    ]
    for stage, name in table.items():
        if not stage.endswith("CODE"):
            found.append(f"{stage} wants a press and asks for a code")
        if name != (stage.removesuffix("_CODE") if stage != Stage.CODE else "APPROVE"):
            found.append(f"a code that is typed in {stage} counts for {name}")
    return found


def kind_faults(table: Sets) -> list[str]:
    """What is wrong with the sets of presses that need a proof, or belong to a card or to new codes."""
    found = []
    replacing = {
        press for first, p in PURPOSE_OF.items() if p for press in (first, confirmation_of(first))
    }
    if table["REPLACING"] != replacing:
        found.append(
            "a press that has something signed beside a payment is not known as one, or another is"
        )
    new_codes = {Action.NEW_CODES, confirmation_of(Action.NEW_CODES)}
    if table["RELEASING"] != {*FIRST, *CONFIRMS, *new_codes}:
        found.append(
            "a press that lets money go counts as protective, or a protective one as releasing"
        )
    if table["CARD_ACTIONS"] != {*FIRST, *CONFIRMS, Action.BACK, Action.REJECT, Action.CANCEL}:
        found.append("a button of a card is not treated as one, or another one is")
    if table["CODES_ACTIONS"] != {action for action in Action if action.endswith("NEW_CODES")}:
        found.append("a button about new codes is not treated as one, or another one is")
    return found


def cancelling_faults(table: Mapping[str, Action]) -> list[str]:
    """What is wrong with which alerts carry a button that cancels what they announce."""
    announce = {kind for kind in TEMPLATES if kind.endswith(("_STARTED", "_QUEUED"))}
    found = [
        f"{kind} announces something that cannot be cancelled" for kind in announce - set(table)
    ]
    found += [f"{kind} announces nothing that is still to come" for kind in set(table) - announce]
    for kind, action in table.items():
        if action not in PROTECTIVE:
            found.append(f"{kind} offers to release something")
        if action.removeprefix("CANCEL_") not in kind:
            found.append(f"{kind} offers {action}, which is about something else")
    return found


def bent_offers() -> Iterator[tuple[str, Mapping[str, tuple[Action, ...]]]]:
    """Every set of buttons with a row, or a button of a row, too few or too many."""
    real = {**WHILE_WAITING, **WHILE_STUCK}
    for stage, actions in real.items():
        yield f"without {stage}", {s: a for s, a in real.items() if s != stage}
        for action in actions:
            yield f"{stage} without {action}", {**real, stage: tuple(set(actions) - {action})}
        for action in sorted(set(Action) - set(actions)):
            yield f"{stage} with {action}", {**real, stage: (*actions, action)}
    for action in Action:
        yield f"CARD with {action}", {**real, Stage.CARD: (action,)}


def bent_stages() -> Iterator[tuple[str, Mapping[Action, Stage]]]:
    """Every table of presses that is one row away from the real one."""
    for action in Action:
        if action in STAGE_OF:
            yield f"{action} anywhere", {a: s for a, s in STAGE_OF.items() if a is not action}
        for stage in Stage:
            if STAGE_OF.get(action) is not stage:
                yield f"{action} in {stage}", {**STAGE_OF, action: stage}


# As the console reads it: what is in no row is an approval.
ALL_ASKS: Mapping[Action, Ask] = {
    Action.APPROVE: APPROVING,
    Action.CONFIRM_APPROVE: APPROVING,
    **ASKS,
}
ACTS = tuple({ask.name: ask for ask in ALL_ASKS.values()}.values())
KINDS: Sets = {
    "REPLACING": REPLACING,
    "RELEASING": RELEASING,
    "CARD_ACTIONS": CARD_ACTIONS,
    "CODES_ACTIONS": CODES_ACTIONS,
}
_STAGES = [stage.value for stage in Stage]
_VALUES: Mapping[str, list[Any]] = {
    "name": [ask.name for ask in ACTS],
    "confirm": _STAGES,
    "code": _STAGES,
    "command": [ask.command for ask in ACTS],
    "done": list(AnswerKind),
    "purpose": [*Purpose, None],
}


def bent_asks() -> Iterator[tuple[str, Mapping[Action, Ask]]]:
    """Every table of asks that is one row, or one word of a row, away from the real one."""
    yield from bent_rows(ALL_ASKS, Action, ACTS)
    for action, ask in ALL_ASKS.items():
        for name in (field.name for field in fields(Ask)):
            for value in _VALUES[name]:
                if getattr(ask, name) != value:
                    bent = {**ALL_ASKS, action: replace(ask, **{name: value})}
                    yield f"{action} with the {name} {value}", bent


def bent_orders() -> Iterator[tuple[str, Mapping[str, Ask]]]:
    """Every table of orders that is one row away from the real one."""
    return bent_rows(ORDERS, [ask.name for ask in ACTS], ACTS)


def bent_challenges() -> Iterator[tuple[str, Mapping[str, str]]]:
    """Every table of challenges that is one row away from the real one."""
    return bent_rows(CHALLENGES, _STAGES, [ask.name for ask in ACTS])


def bent_cancelling() -> Iterator[tuple[str, Mapping[str, Action]]]:
    """Every table of alerts with a button that cancels that is one row away from the real one."""
    some = [action for action in Action if action.startswith("CANCEL_")]
    return bent_rows(CANCELS, TEMPLATES, some)
