"""The Solana stand-in, run as the process it is and driven through solana-py."""

import asyncio
import base64
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from solana.exceptions import SolanaRpcException
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed, Finalized, Processed
from solana.rpc.core import RPCException
from solana.rpc.models import TxOpts
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageV0
from solders.pubkey import Pubkey
from solders.rpc.errors import SendTransactionPreflightFailureMessage
from solders.signature import Signature
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction
from solders.transaction_status import TransactionConfirmationStatus, TransactionErrorFieldless

SOL = 10**9
FUNDS = 100_000 * SOL
MEMO_PROGRAM = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
PUBLIC_GENESIS = {
    "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d",
    "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG",
    "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY",
}
NO_PREFLIGHT = TxOpts(skip_preflight=True)


@dataclass
class Running:
    process: asyncio.subprocess.Process
    ready: dict[str, Any]
    http: httpx.AsyncClient
    rpc: AsyncClient

    async def order(self, **orders: Any) -> dict[str, Any]:
        answer = await self.http.post(self.ready["control"], json=orders)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def landed(self) -> list[dict[str, Any]]:
        return list((await self.http.get(self.ready["control"])).json()["landed"])

    async def call(self, body: Any, **headers: str) -> httpx.Response:
        return await self.http.post(self.ready["rpc"], json=body, headers=headers)

    async def balance(self, address: Pubkey) -> int:
        return (await self.rpc.get_balance(address)).value

    async def status(self, signature: Signature, *, history: bool = False) -> Any:
        return (await self.rpc.get_signature_statuses([signature], history)).value[0]

    async def funded(self, lamports: int = FUNDS) -> Keypair:
        key = Keypair()
        await self.order(set_balance={"address": str(key.pubkey()), "amount": str(lamports)})
        return key

    async def payment(
        self, payer: Keypair, to: Pubkey, lamports: int, *first: Instruction
    ) -> VersionedTransaction:
        pay = transfer(TransferParams(from_pubkey=payer.pubkey(), to_pubkey=to, lamports=lamports))
        blockhash = (await self.rpc.get_latest_blockhash()).value.blockhash
        message = MessageV0.try_compile(payer.pubkey(), [*first, pay], [], blockhash)
        return VersionedTransaction(message, [payer])

    async def send(self, tx: VersionedTransaction, opts: TxOpts | None = None) -> Signature:
        return (await self.rpc.send_raw_transaction(bytes(tx), opts or TxOpts())).value


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[Running]:
    command = [sys.executable, "-m", "wallet.sandbox.solana", "--exit-with-stdin", *arguments]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            ready = json.loads(await process.stdout.readline())
        async with (
            httpx.AsyncClient() as http,
            AsyncClient(ready["rpc"], commitment=Confirmed) as rpc,
        ):
            yield Running(process, ready, http, rpc)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.fixture
async def node() -> AsyncIterator[Running]:
    async with running("--slot-ms", "0") as node:
        yield node


async def test_it_says_where_it_answers_and_is_no_public_cluster(node: Running) -> None:
    assert node.ready["ready"] is True
    assert node.ready["engine"] == "litesvm"
    genesis = str((await node.rpc.get_genesis_hash()).value)
    assert genesis == node.ready["genesis"]
    assert genesis not in PUBLIC_GENESIS
    assert await node.rpc.is_connected()
    assert (await node.rpc.get_version()).value.solana_core
    slot, height = (await node.rpc.get_slot()).value, (await node.rpc.get_block_height()).value
    assert height < slot
    info = (await node.rpc.get_epoch_info()).value
    assert (info.absolute_slot, info.block_height) == (slot, height)


async def test_a_transfer_lands_with_exact_fee_and_balances(node: Running) -> None:
    payer, to = await node.funded(), Keypair().pubkey()
    extras = (
        set_compute_unit_limit(60_000),
        set_compute_unit_price(10_000),
        Instruction(MEMO_PROGRAM, b"order 17", []),
    )
    tx = await node.payment(payer, to, 3 * SOL, *extras)
    assert isinstance(tx.message, MessageV0)
    assert (await node.rpc.get_fee_for_message(tx.message)).value == 5_600

    signature = await node.send(tx)
    confirmed = await node.rpc.confirm_transaction(signature, Confirmed, sleep_seconds=0.05)
    assert confirmed.value[0] is not None
    assert confirmed.value[0].err is None
    status = await node.status(signature)
    assert status.confirmation_status == TransactionConfirmationStatus.Finalized
    assert status.confirmations is None

    assert await node.balance(to) == 3 * SOL
    assert await node.balance(payer.pubkey()) == FUNDS - 3 * SOL - 5_600
    got = (await node.rpc.get_transaction(signature, max_supported_transaction_version=0)).value
    assert got is not None
    assert got.slot == status.slot
    meta = got.transaction.meta
    assert meta is not None
    assert (meta.err, meta.fee) == (None, 5_600)
    assert meta.pre_balances[:2] == [FUNDS, 0]
    assert meta.post_balances[:2] == [FUNDS - 3 * SOL - 5_600, 3 * SOL]
    listed = (await node.rpc.get_signatures_for_address(to)).value
    assert [(one.signature, one.memo) for one in listed] == [(signature, "[8] order 17")]
    assert (await node.rpc.get_block_time(status.slot)).value == got.block_time
    assert await node.landed() == [
        {
            "signature": str(signature),
            "payer": str(payer.pubkey()),
            "to": str(to),
            "lamports": 3 * SOL,
            "err": None,
            "slot": status.slot,
            "fee": 5_600,
            "memo": "[8] order 17",
        }
    ]


async def test_a_legacy_transaction_lands_and_reads_back_as_legacy(node: Running) -> None:
    payer, to = await node.funded(), Keypair().pubkey()
    pay = transfer(TransferParams(from_pubkey=payer.pubkey(), to_pubkey=to, lamports=SOL))
    blockhash = (await node.rpc.get_latest_blockhash()).value.blockhash
    message = Message.new_with_blockhash([pay], payer.pubkey(), blockhash)
    signature = await node.send(VersionedTransaction(message, [payer]))
    body = {"jsonrpc": "2.0", "id": 1, "method": "getTransaction", "params": [str(signature)]}
    result = (await node.call(body)).json()["result"]
    assert result["version"] == "legacy"
    assert result["transaction"]["message"]["accountKeys"][:2] == [str(payer.pubkey()), str(to)]


async def test_a_v0_transaction_needs_a_client_that_knows_the_version(node: Running) -> None:
    payer = await node.funded()
    signature = await node.send(await node.payment(payer, Keypair().pubkey(), SOL))
    body = {"jsonrpc": "2.0", "id": 1, "method": "getTransaction", "params": [str(signature)]}
    assert (await node.call(body)).json()["error"]["code"] == -32015


async def test_a_simulation_tells_units_and_changes_nothing(node: Running) -> None:
    payer, to = await node.funded(), Keypair().pubkey()
    tx = await node.payment(payer, to, SOL)
    value = (await node.rpc.simulate_transaction(tx, sig_verify=True)).value
    assert (value.err, value.units_consumed) == (None, 150)
    assert value.logs
    unsigned = VersionedTransaction.populate(tx.message, [Signature.default()])
    await node.order(advance={"slots": 200})
    stale = (await node.rpc.simulate_transaction(unsigned)).value
    assert stale.err == TransactionErrorFieldless.BlockhashNotFound
    fresh = (await node.rpc.simulate_transaction(unsigned, replace_recent_blockhash=True)).value
    assert (fresh.err, fresh.units_consumed) == (None, 150)
    latest = (await node.rpc.get_latest_blockhash()).value
    assert fresh.replacement_blockhash is not None
    assert fresh.replacement_blockhash.blockhash == latest.blockhash
    assert await node.balance(to) == 0
    assert await node.landed() == []


async def test_preflight_refuses_with_logs_and_takes_no_fee(node: Running) -> None:
    payer = await node.funded(SOL)
    tx = await node.payment(payer, Keypair().pubkey(), 2 * SOL)
    with pytest.raises(RPCException) as refused:
        await node.send(tx)
    failure = refused.value.args[0]
    assert isinstance(failure, SendTransactionPreflightFailureMessage)
    assert failure.message == (
        "Transaction simulation failed: Error processing Instruction 0: custom program error: 0x1"
    )
    assert failure.data.logs
    assert "insufficient lamports" in failure.data.logs[1]
    assert await node.balance(payer.pubkey()) == SOL
    assert await node.landed() == []


async def test_without_preflight_a_failing_transfer_lands_and_costs_its_fee(node: Running) -> None:
    payer = await node.funded(SOL)
    tx = await node.payment(payer, Keypair().pubkey(), 2 * SOL)
    signature = await node.send(tx, NO_PREFLIGHT)
    assert (await node.status(signature)).err is not None
    assert await node.balance(payer.pubkey()) == SOL - 5_000
    assert [row["err"] for row in await node.landed()] == [
        {"InstructionError": [0, {"Custom": 1}]}
    ]


async def test_a_payer_who_cannot_pay_the_fee_never_lands(node: Running) -> None:
    poor = await node.funded(4_999)
    tx = await node.payment(poor, Keypair().pubkey(), 1)
    with pytest.raises(RPCException, match="Insufficient funds for fee"):
        await node.send(tx)
    signature = await node.send(tx, NO_PREFLIGHT)
    assert await node.status(signature) is None
    assert await node.balance(poor.pubkey()) == 4_999


async def test_a_wrong_signature_is_refused_or_silently_lost(node: Running) -> None:
    payer, to = await node.funded(), Keypair().pubkey()
    tx = await node.payment(payer, to, SOL)
    forged = VersionedTransaction.populate(tx.message, [Keypair().sign_message(b"other")])
    encoded = base64.b64encode(bytes(forged)).decode()
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "sendTransaction",
        "params": [encoded, {"encoding": "base64"}],
    }
    assert (await node.call(body)).json()["error"]["code"] == -32003
    signature = await node.send(forged, NO_PREFLIGHT)
    assert await node.status(signature) is None
    assert await node.balance(to) == 0


async def test_a_blockhash_is_good_for_150_blocks_and_no_more(node: Running) -> None:
    payer, to = await node.funded(), Keypair().pubkey()
    last_moment = await node.payment(payer, to, SOL)
    too_late = await node.payment(payer, to, 2 * SOL)
    latest = (await node.rpc.get_latest_blockhash()).value
    height = (await node.rpc.get_block_height()).value
    assert latest.last_valid_block_height == height + 150

    await node.order(advance={"slots": 149})
    await node.send(last_moment)
    assert (await node.rpc.get_block_height()).value == latest.last_valid_block_height
    await node.order(advance={"slots": 1})
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "isBlockhashValid",
        "params": [str(latest.blockhash)],
    }
    assert (await node.call(body)).json()["result"]["value"] is False
    with pytest.raises(RPCException) as refused:
        await node.send(too_late)
    failure = refused.value.args[0]
    assert failure.message == "Transaction simulation failed: Blockhash not found"
    assert failure.data.err == TransactionErrorFieldless.BlockhashNotFound
    signature = await node.send(too_late, NO_PREFLIGHT)
    assert await node.status(signature, history=True) is None
    assert await node.balance(to) == SOL


async def test_a_dropped_transaction_is_accepted_and_never_lands(node: Running) -> None:
    payer, to = await node.funded(), Keypair().pubkey()
    await node.order(drop_next={"count": 1})
    signature = await node.send(await node.payment(payer, to, SOL))
    await node.order(advance={"slots": 151})
    assert await node.status(signature, history=True) is None
    assert await node.balance(to) == 0
    assert await node.landed() == []


async def test_a_lost_answer_landed_exactly_once(node: Running) -> None:
    payer, to = await node.funded(), Keypair().pubkey()
    tx = await node.payment(payer, to, SOL)
    await node.order(lose_answer_next={"count": 1})
    with pytest.raises(SolanaRpcException):
        await node.send(tx)
    assert await node.send(tx, NO_PREFLIGHT) == tx.signatures[0]
    assert (await node.status(tx.signatures[0])).err is None
    assert await node.balance(to) == SOL
    assert len(await node.landed()) == 1


async def test_a_doubled_send_is_answered_for_its_second_delivery_and_lands_once(
    node: Running,
) -> None:
    payer, to = await node.funded(), Keypair().pubkey()
    tx = await node.payment(payer, to, SOL)
    await node.order(double_next={"count": 1})
    with pytest.raises(RPCException, match="already been processed"):
        await node.send(tx)
    assert await node.balance(to) == SOL
    assert len(await node.landed()) == 1


async def test_a_rejected_send_carries_the_message_and_does_not_land(node: Running) -> None:
    payer, to = await node.funded(), Keypair().pubkey()
    tx = await node.payment(payer, to, SOL)
    await node.order(reject_next={"count": 1, "message": "Node is unhappy"})
    with pytest.raises(RPCException, match="Node is unhappy"):
        await node.send(tx)
    assert await node.landed() == []
    await node.send(tx)
    assert len(await node.landed()) == 1


async def test_the_same_bytes_never_execute_twice(node: Running) -> None:
    payer, to = await node.funded(), Keypair().pubkey()
    tx = await node.payment(payer, to, SOL)
    await node.send(tx)
    for number in range(45):
        await node.send(await node.payment(payer, Keypair().pubkey(), SOL + number))
    assert await node.send(tx, NO_PREFLIGHT) == tx.signatures[0]
    with pytest.raises(RPCException) as refused:
        await node.send(tx)
    failure = refused.value.args[0]
    assert failure.message.endswith("This transaction has already been processed")
    assert failure.data.err == TransactionErrorFieldless.AlreadyProcessed
    assert await node.balance(to) == SOL
    assert len(await node.landed()) == 46


async def test_held_transactions_wait_and_land_on_release(node: Running) -> None:
    payer, to = await node.funded(), Keypair().pubkey()
    tx = await node.payment(payer, to, SOL)
    await node.order(hold={"on": True})
    await node.send(tx)
    await node.send(tx)
    assert await node.status(tx.signatures[0]) is None
    assert (await node.order(advance={"slots": 1}))["held"] == [str(tx.signatures[0])]
    await node.order(hold={"on": False})
    assert (await node.status(tx.signatures[0])).err is None
    assert await node.balance(to) == SOL
    assert len(await node.landed()) == 1


async def test_a_transaction_held_past_its_expiry_is_gone(node: Running) -> None:
    payer, to = await node.funded(), Keypair().pubkey()
    await node.order(hold={"on": True})
    signature = await node.send(await node.payment(payer, to, SOL))
    await node.order(advance={"slots": 151})
    await node.order(hold={"on": False})
    assert await node.status(signature, history=True) is None
    assert await node.balance(to) == 0


async def test_a_balance_is_set_exactly_up_and_down(node: Running) -> None:
    address = Keypair().pubkey()
    for lamports in (FUNDS, 2**63 + 1, 7, 0, SOL):
        await node.order(set_balance={"address": str(address), "amount": str(lamports)})
        assert await node.balance(address) == lamports
    account = (await node.rpc.get_account_info(address)).value
    assert account is not None
    assert account.lamports == SOL
    others = (await node.rpc.get_multiple_accounts([address, Keypair().pubkey()])).value
    assert [one and one.lamports for one in others] == [SOL, None]
    wrong = {"set_balance": {"address": str(address), "amount": "1.5"}}
    answer = await node.http.post(node.ready["control"], json=wrong)
    assert (answer.status_code, answer.json()["ok"]) == (400, False)


async def test_down_answers_503_until_up_and_control_stays_reachable(node: Running) -> None:
    address = Keypair().pubkey()
    await node.order(down={"seconds": None})
    with pytest.raises(SolanaRpcException):
        await node.balance(address)
    assert (await node.http.get(f"{node.ready['rpc']}/health")).status_code == 503
    assert (await node.order(up={}))["down"] is False
    assert await node.balance(address) == 0


async def test_finality_follows_the_configured_depth() -> None:
    async with running("--slot-ms", "0", "--finality-depth", "3") as node:
        payer, to = await node.funded(), Keypair().pubkey()
        tx = await node.payment(payer, to, SOL)
        signature = await node.send(tx, TxOpts(preflight_commitment=Confirmed))
        seen = []
        for _ in range(4):
            seen.append(str((await node.status(signature)).confirmation_status).rpartition(".")[2])
            await node.order(advance={"slots": 1})
        assert seen == ["Processed", "Confirmed", "Confirmed", "Finalized"]
        newest = (await node.rpc.get_slot(Processed)).value
        assert (await node.rpc.get_slot(Confirmed)).value == newest - 1
        assert (await node.rpc.get_slot(Finalized)).value == newest - 3
        final = await node.rpc.get_latest_blockhash(Finalized)
        assert final.context.slot == newest - 3
        height = (await node.rpc.get_block_height(Finalized)).value
        assert final.value.last_valid_block_height == height + 150


async def test_slots_pass_by_themselves_when_timed(node: Running) -> None:
    before = (await node.rpc.get_slot()).value
    await node.order(slot_ms=5)
    async with asyncio.timeout(20):
        while (await node.rpc.get_slot()).value < before + 10:
            continue
    state = await node.order(slot_ms=0)
    assert (await node.rpc.get_slot()).value == state["slot"]


async def test_an_airdrop_arrives_and_is_not_counted_as_a_payment(node: Running) -> None:
    to = Keypair().pubkey()
    signature = (await node.rpc.request_airdrop(to, 2 * SOL)).value
    assert (await node.status(signature)).err is None
    assert await node.balance(to) == 2 * SOL
    assert await node.landed() == []


async def test_a_batch_gets_each_answer_and_each_error(node: Running) -> None:
    calls = [
        {"jsonrpc": "2.0", "id": 7, "method": "getHealth"},
        {"jsonrpc": "2.0", "id": 8, "method": "noSuchMethod", "params": []},
        {"jsonrpc": "2.0", "id": 9, "method": "getBalance", "params": ["not an address"]},
        {"jsonrpc": "2.0", "id": 10, "method": "getSlot", "params": [{"minContextSlot": 10**9}]},
        {
            "jsonrpc": "2.0",
            "id": 11,
            "method": "getMinimumBalanceForRentExemption",
            "params": [165],
        },
        {"jsonrpc": "2.0", "id": 12, "method": "getRecentPrioritizationFees", "params": [[]]},
    ]
    answers = {one["id"]: one for one in (await node.call(calls)).json()}
    assert answers[7]["result"] == "ok"
    assert [answers[n]["error"]["code"] for n in (8, 9, 10)] == [-32601, -32602, -32016]
    assert answers[11]["result"] == 2_039_280
    assert len(answers[12]["result"]) == 150


async def test_a_lying_genesis_and_a_foreign_host_are_possible_to_stage(node: Running) -> None:
    await node.order(genesis={"value": "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"})
    assert str((await node.rpc.get_genesis_hash()).value) in PUBLIC_GENESIS
    await node.order(genesis={"value": None})
    assert str((await node.rpc.get_genesis_hash()).value) == node.ready["genesis"]
    body = {"jsonrpc": "2.0", "id": 1, "method": "getHealth"}
    assert (await node.call(body, host="evil.example")).status_code == 400


@pytest.mark.parametrize("how", ["stdin", "SIGTERM", "SIGINT"])
async def test_it_ends_cleanly_and_at_once(node: Running, how: str) -> None:
    await node.order(latency={"ms": 60_000})
    waiting = asyncio.create_task(node.balance(Keypair().pubkey()))
    await node.order(advance={"slots": 0})
    if how == "stdin":
        assert node.process.stdin is not None
        node.process.stdin.close()
    else:
        node.process.send_signal(signal.Signals[how])
    async with asyncio.timeout(20):  # the slow answer would take a minute
        assert await node.process.wait() == 0
    with pytest.raises(SolanaRpcException):
        await waiting
