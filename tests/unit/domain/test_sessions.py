"""Session limits: mandatory, exact, fees included."""

from dataclasses import replace

import pytest

from wallet.domain.sessions import (
    CLAIM_REUSED,
    EXPIRED,
    KILL_SWITCH,
    Session,
    SessionCharge,
    SessionLimits,
    require_within_limits,
)
from wallet.errors import AuthError, Code, RefusedError

ETH, USD = "n/native", "n/0xUsd"
SESSION = Session(
    "s", "w", "a", "host", SessionLimits({ETH: 100}, 3, 1), 300, 0, 300_000, 10**9, spent={ETH: 40}
)


def charge(amount: int, fee: int = 5, asset: str = ETH) -> SessionCharge:
    return SessionCharge(asset, amount, ETH, fee)


def refusal(
    session: Session, cost: SessionCharge, reserved: dict[str, int] | None = None
) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        require_within_limits(session, cost, reserved or {})
    assert caught.value.code is Code.SESSION_LIMIT_EXCEEDED
    return caught.value


def test_the_limit_is_met_exactly_and_not_by_one_more() -> None:
    require_within_limits(SESSION, charge(30), {ETH: 25})
    error = refusal(SESSION, charge(31), {ETH: 25})
    assert error.details["remaining"] == "35"
    assert error.details["used"] == "65"


def test_fees_count() -> None:
    require_within_limits(SESSION, charge(55, fee=5), {})
    refusal(SESSION, charge(55, fee=6))


def test_the_count_is_a_limit_too() -> None:
    require_within_limits(replace(SESSION, transactions=2), charge(1), {})
    assert refusal(replace(SESSION, transactions=3), charge(1)).details["asset"] == "transactions"


def test_an_asset_without_a_limit_is_refused() -> None:
    refusal(SESSION, charge(1, asset=USD))


def test_a_tokens_fee_counts_against_the_native_limit_where_there_is_one() -> None:
    limits = SessionLimits({USD: 10, ETH: 100}, 3, 1)
    session = replace(SESSION, limits=limits)
    require_within_limits(session, charge(10, fee=60, asset=USD), {})
    refusal(session, charge(10, fee=61, asset=USD))
    only = replace(session, limits=SessionLimits({USD: 10}, 3, 1))
    require_within_limits(only, charge(10, fee=61, asset=USD), {})


def test_a_session_ends_with_its_last_millisecond() -> None:
    SESSION.require_usable(299_999)
    with pytest.raises(AuthError) as caught:
        SESSION.require_usable(300_000)
    assert caught.value.code is Code.TOKEN_EXPIRED


def test_a_revoked_session_says_so_and_an_expired_one_was_not_revoked() -> None:
    revoked = replace(SESSION, revoked_at=1, revoked_reason="owner")
    with pytest.raises(AuthError) as caught:
        revoked.require_usable(2)
    assert caught.value.code is Code.SESSION_REVOKED
    assert not replace(SESSION, revoked_at=1, revoked_reason=EXPIRED).was_revoked


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (CLAIM_REUSED, "claim code was used twice"),
        (KILL_SWITCH, "by the kill switch"),
        ("Revoked in Telegram", "by the owner"),
    ],
)
def test_an_ended_session_says_who_ended_it(reason: str, words: str) -> None:
    ended = replace(SESSION, revoked_at=1, revoked_reason=reason)

    with pytest.raises(AuthError, match=words) as caught:
        ended.require_usable(2)

    assert caught.value.code is Code.SESSION_REVOKED
