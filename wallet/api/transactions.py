"""Payments: the agent's send and look-ups, and how a row is shown at both doors."""

import re
from collections.abc import Sequence

from wallet.api.operations import Operations
from wallet.api.routes import Answer, Call
from wallet.domain.chains import Network
from wallet.domain.money import format_units
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Status, Transaction
from wallet.domain.wallets import Wallet
from wallet.errors import Code, LimitedError, WalletError, bad_field
from wallet.operations.transactions import SendBody
from wallet.wire.transactions import (
    PAGE_MAX,
    WAIT_MAX_SECONDS,
    OwnerPageQuery,
    PageQuery,
    SendRequest,
    TransactionPage,
    TransactionView,
)

_KEY = re.compile(r"[!-~]{1,128}")
_WAIT = re.compile(r"(?:^|,)\s*wait=([0-9]{1,6})\s*(?:[;,]|$)", re.IGNORECASE)
_IN_WORDS = {
    Status.PENDING: "accepted",
    Status.EXECUTING: "being prepared",
    Status.SUBMITTED: "sent, not confirmed yet",
    Status.CONFIRMED: "paid",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
    Status.EXPIRED: "expired, not paid",
}


async def send(call: Call) -> Answer:
    """Store and decide a payment; with ``Prefer: wait=N`` answer its outcome or what it is by then."""
    session, wallet = call.authenticated()
    key = _idempotency_key(call)
    body = _payment(await call.body(SendRequest), wallet, call.operations)
    try:
        sent = await call.operations.transactions.send(session, wallet, body, key)
    except WalletError as error:
        # A row may exist behind any of these but the limits, so no client may repeat on its own.
        error.retryable = error.retryable and isinstance(error, LimitedError)
        raise
    headers = [(b"location", f"/v1/transactions/{sent.transaction.id}".encode())]
    if sent.replayed:
        headers.append((b"idempotency-replayed", b"true"))
    row, seconds = sent.transaction, _wait_seconds(call)
    if seconds is not None:
        headers.append((b"preference-applied", f"wait={seconds}".encode()))
        row = await _outcome(call.operations, row, seconds)
    return Answer(transaction_view(row, call.operations), 201, headers)


async def show(call: Call) -> Answer:
    _, wallet = call.authenticated()
    row = await call.operations.transactions.get(wallet.id, call.identifier(Code.TX_NOT_FOUND))
    return Answer(transaction_view(row, call.operations))


async def page(call: Call) -> Answer:
    _, wallet = call.authenticated()
    return await _page(call, call.query(PageQuery), wallet.id)


async def pending(call: Call) -> Answer:
    """What waits for time or for the owner."""
    _, wallet = call.authenticated()
    rows, has_more = await call.operations.transactions.page(
        wallet.id, [Status.QUEUED], limit=PAGE_MAX
    )
    return _listed(rows, has_more=has_more, operations=call.operations)


async def owner_show(call: Call) -> Answer:
    row = await call.operations.transactions.get(None, call.identifier(Code.TX_NOT_FOUND))
    return Answer(transaction_view(row, call.operations))


async def owner_page(call: Call) -> Answer:
    query = call.query(OwnerPageQuery)
    return await _page(call, query, query.wallet_id)


def transaction_view(row: Transaction, operations: Operations) -> TransactionView:
    """A row as it travels. ``formatted`` is null where its network is not configured any more."""
    return TransactionView(
        id=row.id,
        transaction_id=row.id,
        wallet_id=row.wallet_id,
        session_id=row.session_id,
        type=row.type,
        status=row.status,
        tier=row.tier,
        display_status=_in_words(row),
        chain=row.chain,
        network=row.network,
        asset=row.asset,
        to_address=row.to,
        amount=str(row.amount),
        formatted=_formatted(row, operations),
        memo=row.memo,
        tx_hash=row.hash,
        fee=None if row.fee is None else str(row.fee),
        fee_ceiling=str(row.fee_ceiling),
        cancelling=_is_cancelling(row),
        error=row.error,
        error_message=row.error_message,
        digest=row.digest,
        created_at=row.created_at // 1000,
        queued_at=row.created_at // 1000 if row.tier.waits else None,
        due_at=seconds(row.due_at),
        expires_at=seconds(row.expires_at),
        submitted_at=seconds(row.submitted_at),
        executed_at=seconds(row.executed_at),
        finalized_at=seconds(row.finalized_at),
    )


def seconds(at: int | None) -> int | None:
    """Epoch milliseconds to the wire's epoch seconds."""
    return None if at is None else at // 1000


def _payment(request: SendRequest, wallet: Wallet, operations: Operations) -> SendBody:
    if request.network is not None and request.network != wallet.network:
        raise bad_field(
            "network", f"this session's wallet is on {wallet.network}", Code.NETWORK_MISMATCH
        )
    network = operations.wallets.network(wallet.network)
    amount = request.units(network.decimals, network.chain.max_amount)
    return SendBody(to=request.to, amount=amount, memo=request.memo)


def _idempotency_key(call: Call) -> str | None:
    key = call.header(b"idempotency-key")
    if key is not None and _KEY.fullmatch(key) is None:
        raise bad_field("Idempotency-Key", "must be 1 to 128 visible ASCII characters")
    return key


def _wait_seconds(call: Call) -> int | None:
    """N of ``Prefer: wait=N``, at most 30. A preference that we do not understand is ignored."""
    found = _WAIT.search(call.header(b"prefer") or "")
    return None if found is None else min(int(found[1]), WAIT_MAX_SECONDS)


async def _outcome(operations: Operations, row: Transaction, seconds: int) -> Transaction:
    """The row is stored, so nothing that goes wrong while waiting may hide it."""
    try:
        return await operations.transactions.outcome(row.id, seconds)
    except WalletError:
        return row


async def _page(call: Call, query: PageQuery, wallet_id: str | None) -> Answer:
    rows, has_more = await call.operations.transactions.page(
        wallet_id,
        None if query.status is None else [Status(query.status)],
        limit=query.limit,
        cursor=query.cursor,
        descending=query.order == "desc",
    )
    return _listed(rows, has_more=has_more, operations=call.operations)


def _listed(rows: Sequence[Transaction], *, has_more: bool, operations: Operations) -> Answer:
    cursor = rows[-1].id if has_more and rows else None
    items = [transaction_view(row, operations) for row in rows]
    return Answer(
        TransactionPage(items=items, cursor=cursor, has_more=has_more, next_cursor=cursor)
    )


def _formatted(row: Transaction, operations: Operations) -> str | None:
    try:
        network: Network = operations.wallets.network(row.network)
    except WalletError:
        return None
    return f"{format_units(row.amount, network.decimals)} {network.symbol}"


def _is_cancelling(row: Transaction) -> bool:
    return row.status is Status.SUBMITTED and row.cancelling_at is not None


def _in_words(row: Transaction) -> str:
    if _is_cancelling(row):
        return "sent, being cancelled"
    if row.status is not Status.QUEUED:
        return _IN_WORDS[row.status]
    if row.tier is Tier.DELAY:
        return "waits for its delay"
    return "approved, about to be paid" if row.is_cleared else "waits for the owner's approval"
