"""What the alerts about rules say."""

from collections.abc import Mapping
from types import MappingProxyType

from wallet.notifications.templates import Severity, Template

_WHICH = "Rule: {type} of {wallet}."
POLICY_TEMPLATES: Mapping[str, Template] = MappingProxyType(
    {
        "POLICY_CHANGED": Template(
            Severity.NEWS,
            "A rule was changed",
            ("{type} of {wallet}.", "See what is in force: /limits"),
        ),
        "POLICY_LOOSENING_QUEUED": Template(
            Severity.ALARM,
            "A rule will be loosened",
            (
                "It counts from {countsAt} on.",
                "If this was not you, press Cancel change.",
                _WHICH,
                "Now: {now}.",
                "Then: {then}.",
            ),
        ),
        "POLICY_LOOSENING_APPLIED": Template(
            Severity.ALARM,
            "A rule was loosened",
            (
                "The change that waited counts now. See what is in force: /limits",
                "If this was not you, stop everything: /killswitch",
                _WHICH,
            ),
        ),
        "POLICY_LOOSENING_CANCELLED": Template(
            Severity.ALARM,
            "A change of a rule was cancelled",
            ("The rule stays as it is.", _WHICH),
        ),
        "POLICY_LOOSENING_DROPPED": Template(
            Severity.ALARM,
            "A change of a rule was dropped",
            ("It will not count.", "{reason}.", _WHICH),
        ),
    }
)
