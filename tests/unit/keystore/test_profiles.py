"""Key derivation parameters: named, and bounded when read from a file."""

from dataclasses import replace

import pytest

from wallet.errors import Code, KeystoreError
from wallet.keystore import profiles
from wallet.keystore.profiles import Argon2, Kind


@pytest.mark.parametrize("name", ["MODERATE", "STRONG"])
@pytest.mark.parametrize("kind", list(Kind))
def test_moderate_and_strong_serve_everywhere(name: str, kind: Kind) -> None:
    assert profiles.profile(name, kind) == profiles.PROFILES[name]


def test_the_cheapest_profile_serves_a_sandbox_only() -> None:
    assert profiles.profile("CHEAPEST", Kind.SANDBOX) == profiles.CHEAPEST
    with pytest.raises(KeystoreError) as caught:
        profiles.profile("CHEAPEST", Kind.PRODUCTION)
    assert caught.value.code is Code.KEYSTORE_KIND


def test_an_unknown_profile_is_a_configuration_error_naming_the_known_ones() -> None:
    with pytest.raises(KeystoreError, match="MODERATE") as caught:
        profiles.profile("moderate", Kind.SANDBOX)
    assert caught.value.code is Code.CONFIG_ERROR


@pytest.mark.parametrize(
    "params",
    [
        replace(profiles.MODERATE, memory_kib=profiles.CEILING.memory_kib + 1),
        replace(profiles.MODERATE, time_cost=profiles.CEILING.time_cost + 1),
        replace(profiles.MODERATE, parallelism=profiles.CEILING.parallelism + 1),
        replace(profiles.CHEAPEST, memory_kib=1023),
        replace(profiles.CHEAPEST, time_cost=0),
        replace(profiles.CHEAPEST, parallelism=0),
        Argon2(-1, -1, -1),
    ],
)
def test_absurd_parameters_are_refused(params: Argon2) -> None:
    with pytest.raises(KeystoreError) as caught:
        profiles.check_bounds(params, Kind.SANDBOX)
    assert caught.value.code is Code.KEYSTORE_CORRUPTED


@pytest.mark.parametrize("weaker", [{"memory_kib": 65535}, {"time_cost": 2}])
def test_production_refuses_less_than_moderate(weaker: dict[str, int]) -> None:
    with pytest.raises(KeystoreError) as caught:
        profiles.check_bounds(replace(profiles.MODERATE, **weaker), Kind.PRODUCTION)
    assert caught.value.code is Code.KEYSTORE_KIND
