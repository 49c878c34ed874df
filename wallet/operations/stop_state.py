"""Writing the stop state: with its proof, its fact and its alert, in one unit of work."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from wallet.domain.facts import Fact
from wallet.domain.safety import StopState, SystemState, state_mac
from wallet.errors import Code, ConflictError, UnavailableError
from wallet.ports.store import Unit

NO_DETAILS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Owed:
    """A stop that is in force and not stored yet. ``at`` in epoch ms."""

    reason: str
    actor: str
    at: int

    def over(self, stored: SystemState) -> SystemState:
        """The state as it counts until the stop is stored."""
        return replace(
            stored,
            state=StopState.ACTIVATED,
            reason=self.reason,
            actor=self.actor,
            activated_at=self.at,
        )


@dataclass(frozen=True, slots=True)
class Telling:
    """What the audit log and the owner are told of a change. ``at`` in epoch ms."""

    fact: Fact
    actor: str
    at: int
    details: Mapping[str, str]


async def write_state(
    unit: Unit, before: SystemState, after: SystemState, told: Telling, mac_key: bytes | None
) -> SystemState:
    """Store ``after`` in place of ``before``, with a proof where there is a key; what is stored then.

    INVALID_STATE_TRANSITION when somebody else was faster.
    """
    after = replace(after, version=before.version + 1, mac=None)
    if mac_key is not None:
        after = replace(after, mac=state_mac(mac_key, after))
    if not await unit.authority.save_state(after, expected_version=before.version):
        raise ConflictError(Code.INVALID_STATE_TRANSITION, "The stop state was changed meanwhile.")
    facts = {"state": after.state.value, "reason": after.reason or "", **told.details}
    if after.recovery_at is not None:
        facts["recoveryAt"] = str(after.recovery_at)
    await unit.audit.append(told.fact, actor=told.actor, at=told.at, details=facts)
    key = f"{told.fact.value}:{after.version}"
    again = told.fact is Fact.KILL_SWITCH_RECOVERY_STARTED and after.recovery_cancelled_by_chat
    kind = f"{told.fact.value}_AGAIN" if again else told.fact.value
    await unit.console.alert(key, kind, facts, told.at)
    return after


def not_stored() -> UnavailableError:
    """A stop is in force, and the database does not take it yet."""
    return UnavailableError(
        Code.STORAGE_BUSY,
        "Everything is stopped, and the stop could not be stored yet; that is tried again by itself.",
        hint="See what keeps the database busy or the disk full.",
        retryable=True,
    )
