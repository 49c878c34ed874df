"""The rules that a new wallet starts with."""

from enum import StrEnum
from typing import Any

from wallet.domain.chains import ChainName, Network
from wallet.domain.decisions import RuleType


class Preset(StrEnum):
    CAREFUL = "careful"
    NORMAL = "normal"
    GENEROUS = "generous"


# Per chain, in tenths of the native coin: instant, notify, delay. Careful is a tenth, generous ten times.
_TENTHS = {ChainName.ETHEREUM: (1, 10, 50), ChainName.SOLANA: (10, 100, 500)}
_SCALE = {Preset.CAREFUL: (1, 10), Preset.NORMAL: (1, 1), Preset.GENEROUS: (10, 1)}
PRESET_DELAY_SECONDS = 300
APPROVAL_TIMEOUT_SECONDS = 43_200
DAY_SECONDS = 86_400


def preset_rules(preset: Preset, network: Network) -> list[tuple[str, dict[str, Any]]]:
    """The rules a new wallet starts with: tiers, and a day's limit of twice the DELAY bound, else ask."""
    scale, divisor = _SCALE[preset]
    tenth = 10**network.decimals // 10
    instant, notify, delay = (n * tenth * scale // divisor for n in _TENTHS[network.chain])
    tiers = {
        "instant_max": str(instant),
        "notify_max": str(notify),
        "delay_max": str(delay),
    }
    return [
        (
            RuleType.SPENDING_LIMIT.value,
            {
                "assets": {network.native.key: tiers},
                "delay_seconds": PRESET_DELAY_SECONDS,
                "approval_timeout": APPROVAL_TIMEOUT_SECONDS,
            },
        ),
        (
            RuleType.CUMULATIVE_LIMIT.value,
            {
                "assets": {network.native.key: {"limit": str(2 * delay)}},
                "window_seconds": DAY_SECONDS,
                "over": "each_wallet",
                "otherwise": "ask",
            },
        ),
    ]
