"""Auto-stop rules in the owner's hands: tightening counts at once, loosening needs password and factor."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wallet.domain.autostop import AutoStop as AutoStopRules
from wallet.domain.autostop import Rule, StopRule, encode, tightens
from wallet.domain.facts import Fact
from wallet.errors import AuthError, Code, NotFoundError
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock
from wallet.safety.keyring import Keyring
from wallet.wire.autostop import parse_stop_rule


@dataclass(frozen=True, slots=True)
class StopRuleLine:
    """A rule as it counts. ``wallet_id`` None: for every wallet without one of its own."""

    kind: StopRule
    wallet_id: str | None
    is_default: bool
    rules: Mapping[str, Any]


class AutoStop:
    """Every change is audited and announced in the chat."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        keyring: Keyring,
        require_code: Callable[[str | None], Awaitable[None]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._keyring = keyring
        self._require_code = require_code

    async def list(self, wallet_id: str | None = None) -> Sequence[StopRuleLine]:
        """What counts for the wallet; with None the rules for all and those of single wallets."""

        async def body(unit: Unit) -> Sequence[StopRuleLine]:
            known = await unit.autostop.set_rules()
            if wallet_id is not None:
                await _require_wallet(unit, wallet_id)
                return await _lines(unit, wallet_id, known, list(StopRule))
            lines = await _lines(unit, None, known, list(StopRule))
            for own in sorted({of for of, _ in known if of is not None}):
                kinds = [kind for of, kind in known if of == own]
                lines = [*lines, *await _lines(unit, own, known, kinds)]
            return lines

        return await self._store.read(body)

    async def put(
        self,
        kind: StopRule,
        given: Mapping[str, Any],
        wallet_id: str | None,
        *,
        actor: str,
        proved: bool,
        code: str | None = None,
    ) -> StopRuleLine:
        """Change the named fields of a rule; the others stay as they count now.

        Raises POLICY_INVALID with every issue; where it loosens MASTER_PASSWORD_REQUIRED if nobody has
        ``proved`` to know the password, FACTOR_REQUIRED and FACTOR_INVALID if an app is enrolled; KEYSTORE_LOCKED
        while nothing can be proved.
        """
        self._keyring.require()

        async def change(unit: Unit) -> tuple[Rule, Rule]:
            await _require_wallet(unit, wallet_id)
            before = (await unit.autostop.rules(wallet_id)).rule(kind)
            return before, parse_stop_rule(kind, {**_shown(before), **given})

        may_loosen = await self._may_loosen(change, code, proved=proved)

        async def body(unit: Unit) -> StopRuleLine:
            before, after = await change(unit)
            _require_proof(before, after, proved=may_loosen)
            await unit.autostop.put_rule(wallet_id, after, self._clock.now())
            await self._tell(unit, Fact.AUTO_STOP_SET, kind, wallet_id, actor, after)
            return StopRuleLine(kind, wallet_id, is_default=False, rules=_shown(after))

        return await self._store.run(body)

    async def reset(
        self,
        kind: StopRule,
        wallet_id: str | None,
        *,
        actor: str,
        proved: bool,
        code: str | None = None,
    ) -> StopRuleLine:
        """Back to the rule for all wallets, or to the default; a row that was bent goes as well.

        Raises POLICY_NOT_FOUND when the owner set none, else as ``put``.
        """
        self._keyring.require()

        async def change(unit: Unit) -> tuple[Rule, Rule]:
            await _require_wallet(unit, wallet_id)
            before = (await unit.autostop.rules(wallet_id)).rule(kind)
            without = AutoStopRules() if wallet_id is None else await unit.autostop.rules(None)
            return before, without.rule(kind)

        may_loosen = await self._may_loosen(change, code, proved=proved)

        async def body(unit: Unit) -> StopRuleLine:
            before, after = await change(unit)
            if not await unit.autostop.remove_rule(wallet_id, kind):
                raise NotFoundError(Code.POLICY_NOT_FOUND, "This rule was never set.")
            _require_proof(before, after, proved=may_loosen)
            await self._tell(unit, Fact.AUTO_STOP_RESET, kind, wallet_id, actor, after)
            known = await unit.autostop.set_rules()
            return (await _lines(unit, wallet_id, known, [kind]))[0]

        return await self._store.run(body)

    async def _may_loosen(
        self,
        change: Callable[[Unit], Awaitable[tuple[Rule, Rule]]],
        code: str | None,
        *,
        proved: bool,
    ) -> bool:
        """Whether password and factor were shown for a change that loosens. A code that is given must be right."""
        before, after = await self._store.read(change)
        loosens = proved and not tightens(before, after)
        if loosens or code is not None:
            await self._require_code(code)
        return loosens

    async def _tell(
        self,
        unit: Unit,
        fact: Fact,
        kind: StopRule,
        wallet_id: str | None,
        actor: str,
        after: Rule,
    ) -> None:
        now = self._clock.now()
        wallet = None if wallet_id is None else await unit.wallets.get(wallet_id)
        about = {
            "rule": kind.value,
            "rules": encode(after),
            "wallet": "every wallet" if wallet is None else wallet.name,
        }
        number = await unit.audit.append(
            fact, actor=actor, at=now, wallet_id=wallet_id, details=about
        )
        await unit.console.alert(f"AUTO_STOP_CHANGED:{number}", "AUTO_STOP_CHANGED", about, now)


async def _lines(
    unit: Unit,
    wallet_id: str | None,
    known: Sequence[tuple[str | None, StopRule]],
    kinds: Sequence[StopRule],
) -> list[StopRuleLine]:
    rules = await unit.autostop.rules(wallet_id)
    lines = []
    for kind in kinds:
        own = (wallet_id, kind) in known
        default = not own and (None, kind) not in known
        of = wallet_id if own else None
        lines.append(StopRuleLine(kind, of, default, _shown(rules.rule(kind))))
    return lines


def _shown(rule: Rule) -> dict[str, Any]:
    """The rule as its body on the wire: amounts are decimal strings."""
    shown: dict[str, Any] = json.loads(encode(rule))
    if "daily_max" in shown:
        shown["daily_max"] = {asset: str(most) for asset, most in shown["daily_max"].items()}
    return shown


def _require_proof(before: Rule, after: Rule, *, proved: bool) -> None:
    if proved or tightens(before, after):
        return
    raise AuthError(
        Code.MASTER_PASSWORD_REQUIRED,
        "This loosens the rule, so it needs the master password.",
        hint="Send it as X-Master-Password, or a ticket as X-Ticket.",
    )


async def _require_wallet(unit: Unit, wallet_id: str | None) -> None:
    if wallet_id is not None and await unit.wallets.get(wallet_id) is None:
        raise NotFoundError(Code.WALLET_NOT_FOUND, "There is no such wallet.")
