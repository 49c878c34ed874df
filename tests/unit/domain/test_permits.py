"""Permits cover exactly one payload of one wallet for thirty seconds."""

from dataclasses import replace
from typing import Any

import pytest

from wallet.domain import permits
from wallet.domain.permits import Grant, Permit
from wallet.errors import Code, KeystoreError

KEY = bytes(range(32))
NOW = 1_800_000_000_000
PAYLOAD = b"\x02\xc0unsigned"
GRANT = Grant(
    permit_id="p-1", transaction_id="t-1", attempt=1, wallet_id="w-1", chain="ethereum", digest="ab" * 32
)  # fmt: skip


@pytest.fixture
def permit() -> Permit:
    return permits.mint(KEY, GRANT, payload=PAYLOAD, now_ms=NOW)


def check(permit: Permit, **changes: Any) -> None:
    arguments: dict[str, Any] = {"payload": PAYLOAD, "wallet_id": "w-1", "now_ms": NOW} | changes
    permits.check(permit, arguments.pop("key", KEY), **arguments)


def refusal(permit: Permit, **changes: Any) -> str:
    with pytest.raises(KeystoreError) as caught:
        check(permit, **changes)
    assert caught.value.code is Code.PERMIT_REFUSED
    return str(caught.value.details["reason"])


def test_a_fresh_permit_covers_its_payload(permit: Permit) -> None:
    check(permit)
    check(permit, now_ms=NOW + permits.LIFETIME_MS - 1)


def test_a_permit_is_refused_for_another_payload(permit: Permit) -> None:
    assert refusal(permit, payload=PAYLOAD + b"\0") == "payload"


def test_a_permit_is_refused_for_another_wallet(permit: Permit) -> None:
    assert refusal(permit, wallet_id="w-2") == "wallet"


def test_a_permit_is_refused_under_another_key(permit: Permit) -> None:
    assert refusal(permit, key=bytes(32)) == "mac"


def test_a_permit_is_refused_after_thirty_seconds(permit: Permit) -> None:
    assert refusal(permit, now_ms=NOW + permits.LIFETIME_MS) == "expired"


def test_a_permit_from_the_future_is_refused(permit: Permit) -> None:
    assert refusal(permit, now_ms=NOW - permits.EARLY_TOLERANCE_MS - 1) == "early"
    check(permit, now_ms=NOW - permits.EARLY_TOLERANCE_MS)


@pytest.mark.parametrize("name", [n for n in Permit.__dataclass_fields__ if n != "mac"])
def test_no_field_can_be_changed_without_the_key(permit: Permit, name: str) -> None:
    value = getattr(permit, name)
    changes: dict[str, Any] = {name: value + 1 if isinstance(value, int) else value + "x"}
    changed = replace(permit, **changes)

    assert refusal(changed) == "mac"


def test_a_longer_life_is_refused_even_with_a_valid_mac(permit: Permit) -> None:
    body = permit.to_dict() | {"expires_at_ms": NOW + 3_600_000}
    body.pop("mac")
    longer = Permit.from_dict(body | {"mac": permits._mac(KEY, body)})

    assert refusal(longer) == "lifetime"


def test_a_mac_that_is_not_ascii_is_refused_and_does_not_crash(permit: Permit) -> None:
    assert refusal(replace(permit, mac="ä" * 64)) == "mac"


def test_a_permit_survives_the_wire(permit: Permit) -> None:
    assert Permit.from_dict(permit.to_dict()) == permit


@pytest.mark.parametrize(
    "changes", [{"extra": 1}, {"attempt": "1"}, {"attempt": True}, {"mac": None}, {"wallet_id": 7}]
)
def test_a_malformed_permit_is_refused(permit: Permit, changes: dict[str, Any]) -> None:
    with pytest.raises(KeystoreError) as caught:
        Permit.from_dict(permit.to_dict() | changes)

    assert caught.value.details["reason"] == "malformed"


def test_a_permit_without_a_field_is_refused(permit: Permit) -> None:
    body = permit.to_dict()
    del body["chain"]

    with pytest.raises(KeystoreError):
        Permit.from_dict(body)


def test_the_encoding_of_a_permit_never_changes(permit: Permit) -> None:
    # Checked with openssl dgst -mac HMAC over the domain, a NUL and the canonical JSON.
    assert permit.mac == "af85d871f2ae1f100fdeb46a4cab58506ca83764280898ce55f8eff3b81ca808"
    assert permit.mac not in repr(permit)
