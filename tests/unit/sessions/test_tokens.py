"""Session tokens: ours alone, of one algorithm, with every claim."""

import base64
import json
from typing import Any

import jwt
import pytest

from wallet.domain.sessions import TOKEN_PREFIX, Session, SessionLimits
from wallet.errors import AuthError, Code
from wallet.sessions.tokens import ISSUER, mint, require_shape, token_hash, verify

KEY = bytes(range(32))
SESSION = Session(
    "s1", "w1", "a", "host", SessionLimits({}, 1, 1), 300, 0, 300_000, 10**9, spent={}
)
CLAIMS = {"iss": ISSUER, "iat": 0, "exp": 300, "jti": "s1:0", "sid": "s1", "wid": "w1"}


def refused(token: str) -> bool:
    with pytest.raises(AuthError) as caught:
        verify(KEY, token)
    return caught.value.code is Code.INVALID_TOKEN


def signed(claims: dict[str, Any], algorithm: str = "HS256", key: bytes = KEY) -> str:
    return TOKEN_PREFIX + jwt.encode(claims, key, algorithm=algorithm)


def test_a_token_carries_its_session_and_wallet() -> None:
    token = mint(KEY, SESSION, issued_at=0)
    assert token.startswith("wai_sess_")
    assert verify(KEY, token) == CLAIMS


def test_expiry_is_left_to_the_session_row() -> None:
    assert verify(KEY, signed(CLAIMS | {"exp": 1}))["sid"] == "s1"


def test_a_token_of_another_key_is_refused() -> None:
    assert refused(signed(CLAIMS, key=bytes(32)))


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_is_refused_even_with_our_key(algorithm: str) -> None:
    key = KEY * 2
    with pytest.raises(AuthError):
        verify(key, signed(CLAIMS, algorithm, key))


def test_an_unsigned_token_is_refused() -> None:
    parts = ({"alg": "none", "typ": "JWT"}, CLAIMS)
    texts = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts]
    assert refused(f"{TOKEN_PREFIX}{texts[0]}.{texts[1]}.")


@pytest.mark.parametrize("claim", list(CLAIMS))
def test_a_token_without_one_of_its_claims_is_refused(claim: str) -> None:
    assert refused(signed({name: value for name, value in CLAIMS.items() if name != claim}))


def test_a_token_of_another_issuer_is_refused() -> None:
    assert refused(signed(CLAIMS | {"iss": "other"}))


@pytest.mark.parametrize(
    "token", ["", "x", "Bearer x", "wai_sess", "wai_sess_" + "a" * 1024, "wai_sess_\u00e9"]
)
def test_what_cannot_be_a_token_is_refused_unread(token: str) -> None:
    with pytest.raises(AuthError):
        require_shape(token)


def test_only_the_hash_of_a_token_is_kept_and_any_change_changes_it() -> None:
    token = mint(KEY, SESSION, issued_at=0)
    assert token_hash(token) != token_hash(token + "a")
    assert token not in token_hash(token)
