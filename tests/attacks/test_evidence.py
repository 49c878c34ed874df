"""What nodes, clocks and other processes may claim, and what money is given back on."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account

from tests.attacks.catalogue import scenario
from tests.attacks.test_sessions import answered, claims_of
from tests.attacks.test_stop import stop
from tests.support.chain import BLOCKHASH_LIFE, ETHER
from tests.support.house import House, tiers, window
from tests.support.sandbox import CHAINS, ETH, Chain, Sandbox, until
from tests.support.world import PAYEE

DAY = 86_400


@scenario("R-04", "R-05")
async def test_an_inclusion_that_vanishes_changes_no_spend(home: House) -> None:
    """A reorganisation takes the block back: the same bytes are sent again, nothing is given back."""
    token = await home.token(limits={"evm-local/native": str(ETHER)})
    row = await home.paid(token, ETHER // 2)
    await home.world.poll()
    assert (await home.sees(token, row))["status"] == "CONFIRMED"
    landed = (await home.world.row(row)).hash
    assert landed is not None

    home.world.chain.undo(landed)
    home.world.clock.advance(10)
    await home.world.poll()

    assert answered(await home.sends(token, ETHER // 2)) == (403, "SESSION_LIMIT_EXCEEDED")
    home.world.clock.advance(10)
    await home.world.poll()
    settled = await home.world.settled(row)
    assert (settled.status, settled.finalized_at is not None) == ("CONFIRMED", True)
    assert len({bytes(raw) for raw in home.world.chain.sent}) == 1
    assert home.world.chain.received(PAYEE) == ETHER // 2


@scenario("R-04")
async def test_nothing_is_given_back_before_a_failure_is_final(home: House) -> None:
    token = await home.token()
    home.world.chain.reverts = True
    row = await home.paid(token, ETHER // 2)
    await home.world.poll()

    assert (await home.sees(token, row))["status"] == "SUBMITTED"
    assert await home.world.reserved() > 0
    assert (await home.world.settled(row)).status == "FAILED"
    assert await home.world.reserved() == 0


@scenario("R-04", "S-7", "SEC-05-BLOCKHASH")
async def test_a_solana_payment_is_given_up_only_when_it_can_never_land(home: House) -> None:
    wallet = await home.new_wallet("solana", "sol-local")
    body = {
        "sol-local/native": {
            "instant_max": str(ETHER), "notify_max": str(ETHER), "delay_max": str(ETHER),
        }
    }  # fmt: skip
    await home.rule("SPENDING_LIMIT", {"assets": body, "delay_seconds": 900}, walletId=wallet.id)
    token = await home.token(wallet, ttlSeconds=604_800)
    chain = home.world.chains["sol-local"]
    chain.swallows = True
    row = await home.paid(token, ETHER // 2)
    await home.world.poll()
    last = chain.height + BLOCKHASH_LIFE

    chain.height = last + chain.final_lag
    home.world.clock.advance(60)
    await home.world.poll()
    assert (await home.sees(token, row))["status"] == "SUBMITTED"
    assert len(home.world.vault.signed) == 1
    assert await home.world.reserved() > 0

    chain.height += 1  # now it is proved: the first bytes can never land
    await home.world.poll()
    assert (await home.sees(token, row))["status"] == "SUBMITTED"
    assert len(home.world.vault.signed) == 2

    home.world.clock.advance(DAY)
    chain.height += BLOCKHASH_LIFE + chain.final_lag + 1
    await home.world.poll()
    assert (await home.sees(token, row))["status"] == "EXPIRED"
    assert len(home.world.vault.signed) == 2
    assert await home.world.reserved() == 0
    assert chain.received(PAYEE) == 0


@scenario("R-04")
async def test_a_nonce_that_somebody_else_used_gives_nothing_back_and_alarms(home: House) -> None:
    token = await home.token()
    home.world.chain.swallows = True
    row = await home.paid(token, ETHER // 2)
    nonce = (await home.world.attempts(row))[0].nonce
    assert nonce is not None

    home.world.chain.take_nonce(home.world.wallet.address, nonce)
    home.world.chain.finalize()
    await home.world.poll()

    assert (await home.sees(token, row))["status"] == "SUBMITTED"
    assert await home.world.reserved() > 0
    assert "NONCE_TAKEN" in await home.world.alerts()


@scenario("R-06")
async def test_the_tick_leaves_a_running_executor_alone(home: House) -> None:
    token = await home.token()
    home.world.chain.holding_build = asyncio.Event()
    sending = asyncio.ensure_future(home.sends(token, ETHER // 2))
    await home.world.chain.build_asked.wait()

    ticks = asyncio.ensure_future(home.world.app.upkeep.carry_on())
    await asyncio.sleep(0)
    home.world.chain.holding_build.set()
    await asyncio.gather(sending, ticks)
    await home.world.quiet()

    assert len(home.world.vault.signed) == 1
    assert home.world.chain.received(PAYEE) == ETHER // 2


@scenario("R-17")
async def test_a_reservation_counts_until_it_settles_and_spend_from_its_inclusion(
    home: House,
) -> None:
    """Held over the edge of the window: the sum of any day never exceeds the limit."""
    await home.rule("CUMULATIVE_LIMIT", window(ETHER))
    token = await home.token(ttlSeconds=604_800)
    home.world.chain.swallows = True
    row = await home.paid(token, ETHER // 2)
    home.world.clock.advance(DAY - 60)
    assert answered(await home.sends(token, ETHER // 2)) == (403, "CUMULATIVE_LIMIT_EXCEEDED")
    home.world.clock.advance(120)
    assert answered(await home.sends(token, ETHER // 2)) == (403, "CUMULATIVE_LIMIT_EXCEEDED")

    home.world.chain.swallows = False
    await home.world.poll()
    await home.world.settled(row)
    home.world.clock.advance(DAY - 600)
    assert answered(await home.sends(token, ETHER // 2)) == (403, "CUMULATIVE_LIMIT_EXCEEDED")
    home.world.clock.advance(1200)
    assert (await home.sends(token, ETHER // 2)).status_code == 201


@scenario("R-17", "SEC-05-CHAIN-2")
async def test_a_limit_over_all_wallets_is_one_limit(home: House) -> None:
    await home.rule("CUMULATIVE_LIMIT", window(ETHER, over="all_wallets"), walletId=None)
    tokens = [await home.token()]
    for number in range(3):
        wallet = await home.new_wallet(f"w{number}")
        await home.rule("SPENDING_LIMIT", tiers(ETHER, ETHER, ETHER), walletId=wallet.id)
        tokens.append(await home.token(wallet))

    passed = [await home.sends(token, ETHER // 3) for token in tokens]

    assert sorted(a.status_code for a in passed) == [201, 201, 403, 403]


@scenario("R-19")
async def test_what_the_owner_approved_counts_for_the_limit_and_not_for_the_tier(
    home: House,
) -> None:
    day = window(30 * ETHER)
    day["assets"]["evm-local/native"]["approval_above"] = str(2 * ETHER)
    await home.rule("CUMULATIVE_LIMIT", day)
    token = await home.token()
    row = await home.paid(token, 25 * ETHER)
    assert (await home.host("POST", f"/v1/transactions/{row}/approve", {})).is_success
    await home.world.settled(row)

    small = await home.sends(token, ETHER // 1000)
    large = await home.sends(token, 6 * ETHER)

    assert small.json()["tier"] == "INSTANT"
    assert answered(large) == (403, "CUMULATIVE_LIMIT_EXCEEDED")


@scenario("R-26")
@pytest.mark.parametrize("ended", [True, False], ids=["revoked", "expired"])
async def test_revoking_ends_what_waits_and_expiring_does_not(home: House, *, ended: bool) -> None:
    token = await home.token(ttlSeconds=300)
    row = await home.paid(token, 10 * ETHER)
    if ended:
        await home.holder("DELETE", f"/v1/sessions/{claims_of(token)['sid']}")
        assert (await home.world.row(row)).status == "CANCELLED"

    await home.world.passes(900)

    assert home.world.chain.received(PAYEE) == (0 if ended else 10 * ETHER)


@scenario("R-16")
async def test_a_stop_ends_claim_codes_and_questions_too(home: House) -> None:
    body = {
        "walletId": home.world.wallet.id,
        "name": "agent",
        "limits": {"evm-local/native": str(ETHER)},
    }
    code = (await home.host("POST", "/v1/sessions", body)).json()["claimCode"]
    row = await home.paid(await home.token(), 25 * ETHER)
    await stop(home)

    assert (await home.world.row(row)).status == "CANCELLED"
    refused = await home.agent.post("/v1/sessions/claim", json={"code": code})
    assert refused.status_code == 503
    status = (await home.host("POST", "/v1/recover")).status_code
    assert status in {200, 202}
    await home.world.passes(86_400)
    late = await home.agent.post("/v1/sessions/claim", json={"code": code})
    assert answered(late) == (401, "CLAIM_INVALID")


async def wider(home: House) -> dict[str, Any]:
    """Ask for a larger INSTANT bound, which an agent could use; what the host was answered."""
    rules = (await home.holder("GET", "/v1/policies")).json()["items"]
    rule = next(one for one in rules if one["type"] == "SPENDING_LIMIT")
    loose = tiers(4 * ETHER, 5 * ETHER, 20 * ETHER)
    body = {"walletId": home.world.wallet.id, "type": "SPENDING_LIMIT", "rules": loose}
    return dict((await home.host("PUT", f"/v1/policies/{rule['id']}", body)).json())


async def tier_of(home: House, token: str, amount: int) -> str:
    row = await home.paid(token, amount)
    return str((await home.sees(token, row))["tier"])


@scenario("R-16")
async def test_a_queued_loosening_dies_with_a_tightening_of_its_rule(home: House) -> None:
    token = await home.token()
    await home.loosenings_wait(3600)
    assert (await wider(home))["effect"] == "QUEUED"
    await home.rule("SPENDING_LIMIT", tiers(ETHER // 2, 5 * ETHER, 20 * ETHER))

    await home.world.passes(3600)
    assert (await home.holder("GET", "/v1/policies")).json()["queued"] == []
    assert await tier_of(home, token, ETHER) == "NOTIFY"
    assert "POLICY_LOOSENING_DROPPED" in await home.world.alerts()


@scenario("R-16")
async def test_a_stop_ends_queued_loosenings_before_they_ripen(home: House) -> None:
    await home.token()
    await home.loosenings_wait(3600)
    queued = (await wider(home))["queuedId"]
    await stop(home)

    assert (await home.holder("GET", "/v1/policies")).json()["queued"] == []
    late = await home.holder("DELETE", f"/v1/policies/queued/{queued}")
    assert answered(late) == (404, "POLICY_NOT_FOUND")
    await home.host("POST", "/v1/recover")
    await home.world.passes(86_400)
    await home.world.passes(3600)
    assert await tier_of(home, await home.token(), 2 * ETHER) == "NOTIFY"


@scenario("R-16")
async def test_whoever_holds_the_socket_keeps_a_rule_and_the_password_alone_loosens_none_at_once(
    home: House,
) -> None:
    token = await home.token()
    await home.loosenings_wait(3600)
    queued = (await wider(home))["queuedId"]
    assert await tier_of(home, token, 2 * ETHER) == "NOTIFY"
    assert (await home.holder("DELETE", f"/v1/policies/queued/{queued}")).is_success
    await home.world.passes(3600)
    assert await tier_of(home, token, 2 * ETHER) == "NOTIFY"


@pytest.mark.xdist_group("shared-sandbox")
@scenario("SEC-02-03", "SEC-01-09")
@pytest.mark.parametrize("chain", CHAINS)
def test_an_address_is_the_address_or_it_is_refused(shared: Sandbox, chain: str) -> None:
    agent = shared.agent(chain)
    right = agent.chain.stranger()
    other = shared.agent("solana" if chain == "ethereum" else "ethereum").chain.stranger()
    bent = right[:-1] + ("a" if right[-1] != "a" else "b")
    short = right[:-2]  # one letter less is still 32 bytes, and by chance somebody's address
    wrong = [other, short, right + "0", f" {right}", right + "\n"]
    if chain == "solana":
        wrong += [right.lower(), right.upper()]
    else:
        checksummed = agent.asks("0.001", to=right)["toAddress"]
        wrong += [checksummed.swapcase().replace("0X", "0x"), "0x" + "0" * 39]
        assert checksummed.lower() == right

    for address in wrong:
        answer = agent.sends("0.001", to=address)
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_ADDRESS"), address
    assert agent.chain.payments_to(bent) == []


@pytest.mark.xdist_group("shared-sandbox")
@scenario("R-27")
def test_the_keys_live_in_a_process_without_network(shared: Sandbox) -> None:
    daemon = shared.daemon_pids[-1]
    lists = Path(f"/proc/{daemon}/task").glob("*/children")
    children = [int(pid) for one in lists for pid in one.read_text().split()]
    signers = [
        pid for pid in children if "wallet.signer.main" in Path(f"/proc/{pid}/cmdline").read_text()
    ]
    assert len(signers) == 1

    inodes = {
        line.split()[9]
        for table in ("tcp", "tcp6", "udp", "udp6")
        for line in Path(f"/proc/{signers[0]}/net/{table}").read_text().splitlines()[1:]
    }
    held = {
        target[len("socket:[") : -1]
        for link in Path(f"/proc/{signers[0]}/fd").iterdir()
        if (target := str(link.readlink())).startswith("socket:[")
    }
    assert held  # its end of the pipe
    assert not held & inodes
    loaded = Path(f"/proc/{signers[0]}/maps").read_text()
    for library in ("aiohttp", "httptools", "uvloop", "pydantic_core"):
        assert library not in loaded


@pytest.mark.xdist_group("shared-sandbox")
@scenario("R-38")
def test_what_the_owner_typed_is_not_kept(shared: Sandbox) -> None:
    import sqlite3  # noqa: PLC0415 - the file, as a thief would read it

    typed = "987654 is my code"
    shared.owner.says(typed)
    shared.owner.says("/help")
    shared.owner.finds("What you can do here")
    database = Path(shared.facts["data_dir"]) / "waiaas.db"
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        bodies = connection.execute(
            "SELECT count(*) FROM telegram_updates WHERE handled_at IS NOT NULL AND body != ''"
        ).fetchone()
    connection.close()

    assert bodies == (0,)


@pytest.mark.xdist_group("shared-sandbox")
@scenario("R-02")
def test_the_socket_alone_releases_nothing(shared: Sandbox) -> None:
    """A program that can open the socket and read every file, without the password."""
    agent = shared.agent("ethereum")
    row = agent.asks("7")
    for headers in ({}, {"X-Master-Password": "guess"}, {"X-Ticket": "0" * 48}):
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=shared.host.socket), base_url="http://waiaas"
        ) as client:
            refused = client.post(
                f"/v1/transactions/{row['id']}/approve", json={}, headers=headers
            )
            assert refused.status_code == httpx.codes.UNAUTHORIZED
    shared.host.does("POST", f"/v1/transactions/{row['id']}/reject", json={})
    shared.host.does("POST", "/v1/ticket", json={})  # the right password clears the count


@pytest.mark.xdist_group("shared-sandbox")
@scenario("R-37")
def test_a_memo_never_becomes_a_contracts_input(shared: Sandbox) -> None:
    """A recipient with code gets no memo: there it would be a call."""
    agent = shared.agent("ethereum")
    contract = deployed(agent.chain)

    called = agent.asks("0.001", to=contract, memo="0xa9059cbb", wait=20)
    plain = agent.asks("0.001", to=contract, wait=20)

    assert (called["status"], called["error"]) == ("FAILED", "SIMULATION_FAILED")
    assert plain["status"] == "CONFIRMED"
    assert len(agent.chain.payments_to(contract)) == 1


def deployed(chain: Chain) -> str:
    """A contract that takes everything; its address."""
    keys = Account.create()
    chain.set_balance(keys.address, ETH)
    fields = {
        "chainId": int(chain.ask("eth_chainId"), 16),
        "nonce": 0,
        "value": 0,
        "gas": 500_000,
        "maxFeePerGas": 100 * 10**9,
        "maxPriorityFeePerGas": 10**9,
        "data": "0x6001600c60003960016000f300",  # one byte of code: STOP
    }
    raw = bytes(keys.sign_transaction(fields).raw_transaction)
    digest = chain.ask("eth_sendRawTransaction", "0x" + raw.hex())
    receipt = until(lambda: chain.ask("eth_getTransactionReceipt", digest), "it is deployed")
    return str(receipt["contractAddress"])
