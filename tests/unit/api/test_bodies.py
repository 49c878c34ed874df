"""Bodies: what is read, what is refused, and that mistakes never echo what was sent."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet.api.bodies import parse, parse_query
from wallet.errors import Code, InputError
from wallet.wire.owner import ConfirmTotp, Reason
from wallet.wire.transactions import PageQuery, SendRequest


def test_an_empty_body_is_an_empty_object() -> None:
    assert parse(Reason, b"").reason is None


@given(st.binary(max_size=100))
def test_bytes_are_read_or_refused_and_nothing_else(body: bytes) -> None:
    with contextlib.suppress(InputError):
        parse(Reason, body)


@pytest.mark.parametrize(
    "body", [b'{"human_amount":"1","to":"x","amount":"1"}', b'{"To":"x","amount":"1"}']
)
def test_a_key_is_known_by_its_wire_name_alone(body: bytes) -> None:
    with pytest.raises(InputError) as refused:
        parse(SendRequest, body)

    assert "unknown key" in str(refused.value.details)


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(InputError) as refused:
        parse(ConfirmTotp, b'{"code":"hunter2"}')

    assert "hunter2" not in f"{refused.value.details}{refused.value.message}"
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_a_query_is_read_by_name_and_type() -> None:
    query = parse_query(PageQuery, b"limit=5&status=QUEUED")

    assert (query.limit, query.status, query.order) == (5, "QUEUED", "desc")


def test_the_most_telling_code_wins() -> None:
    with pytest.raises(InputError) as both:
        parse(SendRequest, b'{"to":"x","amount":"-1","type":"SWAP"}')
    with pytest.raises(InputError) as amount:
        parse(SendRequest, b'{"amount":"-1"}')

    assert both.value.code is Code.UNSUPPORTED_TYPE
    assert amount.value.code is Code.INVALID_AMOUNT
    assert len(amount.value.details["issues"]) == 2
