"""Payments on the wire: what an agent sends, and how a transaction looks from outside."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from wallet.domain.intents import ASKABLE, MEMO_MAX_BYTES, IntentType
from wallet.domain.money import U256_MAX, parse_base_units, parse_human
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Status
from wallet.errors import Code, InputError
from wallet.wire.shape import READ_WHOLE, Query, Shape, View

WAIT_MAX_SECONDS = 30
PAGE_MAX = 100
PAGE = 20
_ANY_DECIMALS = 77


def _amount(value: Any) -> Any:
    return _in_our_words(lambda: parse_base_units(value, maximum=U256_MAX), value)


def _human(value: Any) -> Any:
    return _in_our_words(
        lambda: parse_human(value, _ANY_DECIMALS, maximum=U256_MAX * 10**_ANY_DECIMALS), value
    )


def _in_our_words(check: Any, value: Any) -> Any:
    """The domain's own parser judges; what it says becomes one issue among the others."""
    try:
        check()
    except InputError as error:
        message = str(error.details["issues"][0]["message"])
        raise _custom(Code.INVALID_AMOUNT, message) from None
    return value


def _memo(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise _custom(Code.INVALID_MEMO, "is not valid Unicode") from None
    if size > MEMO_MAX_BYTES:
        raise _custom(Code.INVALID_MEMO, f"is longer than {MEMO_MAX_BYTES} bytes of UTF-8")
    if "\0" in text:
        raise _custom(Code.INVALID_MEMO, "holds a NUL character")
    return text


def _known_type(name: str) -> str:
    if name not in ASKABLE:
        raise _custom(Code.UNSUPPORTED_TYPE, f"must be one of {', '.join(ASKABLE)}")
    return name


def _custom(code: Code, message: str) -> PydanticCustomError:
    # Braces would be read as a template, and messages may quote what a caller sent.
    return PydanticCustomError(code.value, "{message}", {"message": message})


AMOUNT_PATTERN = "^[1-9][0-9]{0,77}$"
HUMAN_PATTERN = r"^(0|[1-9][0-9]{0,77})(\.[0-9]{1,77})?$"


class SendRequest(Shape):
    """A payment of the wallet's native coin. Give ``amount`` or ``humanAmount``."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["amount"]}, {"required": ["humanAmount"]}]}
    )

    to: Annotated[str, Field(min_length=1, max_length=128)]
    amount: Annotated[
        str | None,
        BeforeValidator(_amount),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": AMOUNT_PATTERN,
                "description": "Base units (wei, lamports).",
            }
        ),
    ] = None
    human_amount: Annotated[
        str | None,
        BeforeValidator(_human),
        WithJsonSchema(
            {"type": "string", "pattern": HUMAN_PATTERN, "description": 'Coins, such as "0.5".'}
        ),
    ] = None
    memo: Annotated[
        str | None,
        AfterValidator(_memo),
        Field(description=f"At most {MEMO_MAX_BYTES} bytes of UTF-8."),
    ] = None
    network: Annotated[str | None, Field(min_length=1, max_length=64)] = None
    type: Annotated[
        str,
        AfterValidator(_known_type),
        WithJsonSchema({"type": "string", "enum": [kind.value for kind in ASKABLE]}),
    ] = IntentType.TRANSFER.value

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        if (self.amount is None) == (self.human_amount is None):
            raise _custom(Code.INVALID_AMOUNT, "give either amount or humanAmount")
        return self

    def units(self, decimals: int, maximum: int) -> int:
        """The amount in base units; InputError(INVALID_AMOUNT) beyond the chain's range."""
        if self.amount is not None:
            return parse_base_units(self.amount, maximum=maximum)
        return parse_human(self.human_amount, decimals, maximum=maximum)


class TransactionView(View):
    """A transaction. Times in epoch seconds, ``amount`` and ``fee`` in base units."""

    id: str
    transaction_id: Annotated[str, Field(description="The same as id.")]
    wallet_id: str
    session_id: str
    type: str
    status: Status
    tier: Tier
    display_status: Annotated[str, Field(description="Status and tier in words.")]
    chain: str
    network: str
    asset: str
    to_address: str
    amount: str
    formatted: Annotated[str | None, Field(description='The amount in coins, such as "0.5 SOL".')]
    memo: str | None
    tx_hash: str | None
    fee: str | None
    fee_ceiling: str
    cancelling: Annotated[bool, Field(description="The owner cancels it; it may still land.")]
    error: str | None
    error_message: str | None
    digest: Annotated[str, Field(description="What an approval and a signature name.")]
    created_at: int
    queued_at: int | None
    due_at: Annotated[int | None, Field(description="DELAY: when it is released.")]
    expires_at: Annotated[int | None, Field(description="APPROVAL: when the question lapses.")]
    submitted_at: int | None
    executed_at: int | None
    finalized_at: int | None


class TransactionPage(View):
    """``cursor`` and ``nextCursor`` are the same, null at the end; send it back as it is."""

    items: list[TransactionView]
    cursor: str | None
    has_more: bool
    next_cursor: str | None


Limit = Annotated[int, Field(ge=1, le=PAGE_MAX), READ_WHOLE]
Cursor = Annotated[str, Field(pattern=r"^[0-9a-fA-F-]{36}$")]
StatusName = Literal[
    "PENDING", "QUEUED", "EXECUTING", "SUBMITTED", "CONFIRMED", "FAILED", "CANCELLED", "EXPIRED"
]


class PageQuery(Query):
    """Keyset paging by id, which is by time."""

    limit: Limit = PAGE
    cursor: Cursor | None = None
    order: Literal["asc", "desc"] = "desc"
    status: StatusName | None = None


class OwnerPageQuery(PageQuery):
    """The same over all wallets, or one."""

    wallet_id: Annotated[str | None, Field(max_length=64)] = None
