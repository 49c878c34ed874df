"""The bands that are offered after pairing: what a day allows anyway."""

from typing import Any, cast

from wallet.cli.owner import OwnerDoor
from wallet.cli.pairing import day_bands

ETH = "evm-local/native"


def door(*rules: dict[str, Any]) -> OwnerDoor:
    """A daemon whose rules are these."""

    class Answers:
        def get(self, _: str) -> dict[str, Any]:
            return {"items": list(rules)}

    return cast(OwnerDoor, Answers())


def window(**rules: Any) -> dict[str, Any]:
    return {"type": "CUMULATIVE_LIMIT", "rules": {"window_seconds": 86_400, **rules}}


def test_a_limit_in_dollars_alone_offers_no_band_and_hinders_no_other() -> None:
    dollars = window(usd={"limit": "250"})
    coins = window(assets={ETH: {"limit": "7"}})

    assert day_bands(door(dollars)) == {}
    assert day_bands(door(dollars, coins)) == {ETH: {"tapMax": "7", "codeMax": "7"}}
