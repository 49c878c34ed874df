"""Session tokens: a public prefix and a JWT. Only the hash of the whole text is ever stored."""

import hashlib
from collections.abc import Mapping
from typing import Any

import jwt

from wallet.domain.sessions import TOKEN_PREFIX, Session
from wallet.errors import AuthError, Code

ISSUER = "waiaas"
PROOFS_KEPT = 10_000
_LONGEST = 1024
_REQUIRED = ["exp", "iat", "iss", "jti", "sid", "wid"]


def mint(key: bytes, session: Session, *, issued_at: int) -> str:
    """A token for ``session``, valid until its ``expires_at``. Times in epoch ms."""
    claims = {
        "iss": ISSUER,
        "iat": issued_at // 1000,
        "exp": session.expires_at // 1000,
        "jti": f"{session.id}:{session.renewals}",
        "sid": session.id,
        "wid": session.wallet_id,
    }
    return TOKEN_PREFIX + jwt.encode(claims, key, algorithm="HS256")


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def require_shape(token: str) -> None:
    """Refuse what cannot be a token before any look-up or parsing."""
    if not token.startswith(TOKEN_PREFIX) or len(token) > _LONGEST or not token.isascii():
        raise invalid_token()


def verify(key: bytes, token: str) -> dict[str, Any]:
    """The claims of a token that we signed. Expiry is judged by the session row and our clock."""
    try:
        claims: dict[str, Any] = jwt.decode(
            token.removeprefix(TOKEN_PREFIX),
            key,
            algorithms=["HS256"],
            issuer=ISSUER,
            options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False},
        )
    except jwt.InvalidTokenError as error:
        raise invalid_token() from error
    return claims


class Proofs:
    """Signatures that were checked: text and key decide them for ever, so each is checked once.

    Kept by the token's hash. Everything that can change is on the session row, which is read on every request.
    """

    def __init__(self) -> None:
        self._key_hash = b""
        self._claims: dict[str, Mapping[str, Any]] = {}

    def claims(self, key: bytes, token: str, hashed: str) -> Mapping[str, Any]:
        """As `verify`; ``hashed`` is the token's hash."""
        key_hash = hashlib.sha256(key).digest()
        if key_hash != self._key_hash or len(self._claims) >= PROOFS_KEPT:
            self._key_hash, self._claims = key_hash, {}
        found = self._claims.get(hashed)
        if found is None:
            found = self._claims[hashed] = verify(key, token)
        return found


def invalid_token() -> AuthError:
    return AuthError(
        Code.INVALID_TOKEN,
        "The session token is missing or not valid.",
        hint="Send Authorization: Bearer wai_sess_… from a claim.",
    )
