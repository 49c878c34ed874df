"""What the results of JSON-RPC calls hold, read strictly: nonsense is an EndpointError."""

from dataclasses import dataclass
from typing import Any

from wallet.chains.rpc import EndpointError
from wallet.domain.money import U64_MAX


@dataclass(frozen=True, slots=True)
class Account:
    lamports: int
    owner: str


def member(value: Any, *path: str) -> Any:
    """Go down a path of keys; a key that is missing reads as None."""
    for key in path:
        if not isinstance(value, dict):
            raise EndpointError(f"an endpoint's answer has no {'.'.join(path)}")
        value = value.get(key)
    return value


def whole(value: Any, *path: str) -> int:
    """An unsigned 64-bit integer at ``path``."""
    found = member(value, *path)
    if type(found) is not int or not 0 <= found <= U64_MAX:
        raise EndpointError(f"an endpoint's answer has no number at {'.'.join(path) or 'top'}")
    return found


def text(value: Any, *path: str) -> str:
    found = member(value, *path)
    if not isinstance(found, str):
        raise EndpointError(f"an endpoint's answer has no text at {'.'.join(path) or 'top'}")
    return found


def items(value: Any, count: int | None = None) -> list[Any]:
    if not isinstance(value, list) or (count is not None and len(value) != count):
        raise EndpointError("an endpoint's answer has a list of another length than asked for")
    return value


def account(value: Any) -> Account | None:
    """An account as getMultipleAccounts gives it, None when there is none."""
    if value is None:
        return None
    return Account(whole(value, "lamports"), text(value, "owner"))
