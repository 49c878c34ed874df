"""What is approved and signed is hashed exactly so, for ever: fixed vectors and every field's weight."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet.domain.intents import (
    Bounds,
    Transfer,
    approval_digest,
    canonical_json,
    fingerprint,
    request_hash,
)
from wallet.domain.money import Asset

VECTORS = json.loads((Path(__file__).parent / "digests.json").read_text())


def transfer(request: dict[str, Any]) -> Transfer:
    network, _, kind = request["asset"].partition("/")
    asset = Asset(network, "X", 0, None if kind == "native" else kind)
    return Transfer(
        request["walletId"], asset, request["to"], int(request["amount"]), request["memo"]
    )


def bounds(given_bounds: dict[str, Any]) -> Bounds:
    loss = given_bounds["lossBound"]
    return Bounds(
        wallet_address=given_bounds["walletAddress"],
        chain_identity=given_bounds["chainIdentity"],
        asset_address=given_bounds["assetAddress"],
        decimals=given_bounds["decimals"],
        fee_ceiling=int(given_bounds["feeCeiling"]),
        loss_bound=None if loss is None else int(loss),
    )


@pytest.mark.parametrize("vector", VECTORS, ids=[v["name"] for v in VECTORS])
def test_a_request_and_its_digest_are_spelled_as_in_the_vectors(vector: dict[str, Any]) -> None:
    canonical = transfer(vector["request"]).canonical()
    assert canonical == vector["canonical"]
    assert canonical.isascii()
    assert request_hash(canonical) == vector["requestHash"]
    assert bounds(vector["bounds"]).canonical() == vector["canonicalBounds"]
    digest = approval_digest(
        vector["transactionId"], request_hash(canonical), bounds(vector["bounds"])
    )
    assert digest == vector["digest"]
    assert fingerprint(digest) == vector["fingerprint"]


BASE = transfer(VECTORS[0]["request"])
LIMITS = bounds(VECTORS[0]["bounds"])


@pytest.mark.parametrize(
    "changed",
    [
        replace(BASE, wallet_id="other"),
        replace(BASE, to="other"),
        replace(BASE, amount=BASE.amount + 1),
        replace(BASE, memo=""),
        replace(BASE, memo="m"),
        replace(BASE, asset=replace(BASE.asset, network="other")),
        replace(BASE, asset=replace(BASE.asset, address="0xT")),
    ],
)
def test_changing_any_field_of_a_request_changes_its_hash(changed: Transfer) -> None:
    assert request_hash(changed.canonical()) != request_hash(BASE.canonical())


def test_changing_any_bound_changes_the_digest() -> None:
    hashed = request_hash(BASE.canonical())
    before = approval_digest("t", hashed, LIMITS)
    for field in fields(Bounds):
        old = getattr(LIMITS, field.name)
        new: Any = (
            old + 1 if isinstance(old, int) else 1 if field.name == "loss_bound" else "other"
        )
        assert approval_digest("t", hashed, replace(LIMITS, **{field.name: new})) != before
    assert approval_digest("u", hashed, LIMITS) != before
    assert approval_digest("t", request_hash("{}"), LIMITS) != before


@given(st.text(), st.text(), st.one_of(st.none(), st.text()), st.integers(1, 2**256 - 1))
def test_different_requests_are_spelled_differently(
    wallet: str, to: str, memo: str | None, amount: int
) -> None:
    one = Transfer(wallet, BASE.asset, to, amount, memo)
    spelled = json.loads(one.canonical())
    assert (spelled["walletId"], spelled["to"], spelled["memo"]) == (wallet, to, memo)
    assert int(spelled["amount"]) == amount
    assert one.canonical().isascii()


def test_canonical_json_is_sorted_compact_and_ascii() -> None:
    assert canonical_json({"b": None, "a": "\u00e9", "c": 1}) == '{"a":"\\u00e9","b":null,"c":1}'
