"""The table of periodic jobs: an id, an interval, and one call. A job carries nothing and holds no truth."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from wallet.operations.upkeep import Upkeep


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    every_seconds: float
    run: Callable[[], Awaitable[object]]


def jobs(upkeep: Upkeep) -> list[Job]:
    """Everything the clock makes necessary. Outbox and settlement have loops of their own."""
    return [
        Job("finish_halt", 0.25, upkeep.finish_halt),
        Job("release_due", 0.25, upkeep.release_due),
        Job("expire_overdue", 0.5, upkeep.expire_overdue),
        Job("apply_loosenings", 0.5, upkeep.apply_loosenings),
        Job("carry_on", 1.0, upkeep.carry_on),
        Job("note_anchor", 0.5, upkeep.note_anchor),
        Job("report_unproved", 1.0, upkeep.report_unproved),
        Job("recover", 0.5, upkeep.recover),
        Job("watch_clock", 0.5, upkeep.watch_clock),
        Job("write_denial_sums", 15.0, upkeep.write_denial_sums),
        Job("clean_sessions", 60.0, upkeep.clean_sessions),
        Job("tell_audit_head", 60.0, upkeep.tell_audit_head),
        Job("checkpoint", 300.0, upkeep.checkpoint),
    ]
