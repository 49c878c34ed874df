"""SEC-03 and the stop's part of the N and S lists: stopping always works, leaving the stop is hard."""

import asyncio

import httpx
import pytest

from tests.attacks.catalogue import scenario
from tests.attacks.test_sessions import answered, claims_of
from tests.support.chain import ETHER
from tests.support.chat import Chat, data_of
from tests.support.house import House, bearer, tiers
from tests.support.vault import PASSWORD
from wallet.domain.facts import Fact

ADDRESS = "/v1/wallet/address"
OPEN = ("/health", "/ready")


async def stop(home: House) -> None:
    answer = await home.holder("POST", "/v1/kill-switch", {"reason": "a test"})
    assert answer.is_success, answer.text


async def state(home: House) -> str:
    return str((await home.holder("GET", "/v1/kill-switch")).json()["state"])


async def recover(home: House, password: str = PASSWORD) -> tuple[int, dict[str, object]]:
    headers = {"X-Master-Password": password}
    answer = await home.owner.post("/v1/recover", json={}, headers=headers)
    await home.world.quiet()
    return answer.status_code, answer.json()


async def recovered(home: House) -> None:
    status, body = await recover(home)
    assert status in {200, 202}, body
    await home.world.passes(86_400)
    assert await state(home) == "NORMAL"


@scenario("SEC-03-01")
async def test_while_stopped_agents_get_one_answer_and_the_owner_still_looks(home: House) -> None:
    token = await home.token()
    await stop(home)

    for headers in (bearer(token), bearer("wai_sess_nonsense"), {}):
        answer = await home.agent.get(ADDRESS, headers=headers)
        assert (*answered(answer), answer.json()["retryable"]) == (503, "SYSTEM_LOCKED", False)
    for path in OPEN:
        assert (await home.agent.get(path)).status_code == 200
    for path in (
        "/v1/status",
        "/v1/kill-switch",
        "/v1/wallets",
        "/v1/sessions",
        "/v1/transactions",
    ):
        assert (await home.holder("GET", path)).status_code == 200


@scenario("SEC-03-02")
async def test_five_wrong_passwords_close_the_door_for_half_an_hour(home: House) -> None:
    for _ in range(5):
        assert (await recover(home, "wrong"))[0] in (401, 409)
    assert (await home.owner.post("/v1/ticket", json={})).status_code == 401
    path, right = "/v1/ticket", {"X-Master-Password": PASSWORD}

    assert answered(await home.owner.post(path, json={}, headers=right)) == (
        429,
        "MASTER_PASSWORD_LOCKED",
    )
    await home.world.restart()
    home.world.clock.advance(1799)
    assert (await home.owner.post(path, json={}, headers=right)).status_code == 429
    home.world.clock.advance(1)
    assert (await home.owner.post(path, json={}, headers=right)).is_success
    wrong = {"X-Master-Password": "wrong"}
    assert (await home.owner.post(path, json={}, headers=wrong)).status_code == 401
    assert (await home.owner.post(path, json={}, headers=right)).is_success


@scenario("SEC-03-05")
async def test_a_second_stop_changes_nothing_of_the_first(home: House) -> None:
    await stop(home)
    before = (await home.holder("GET", "/v1/kill-switch")).json()
    facts = await home.world.facts()

    again = await home.holder("POST", "/v1/kill-switch", {"reason": "another reason"})

    assert answered(again) == (409, "KILL_SWITCH_ACTIVE")
    assert (await home.holder("GET", "/v1/kill-switch")).json() == before
    assert (await home.world.facts()).count(Fact.KILL_SWITCH_ACTIVATED) == facts.count(
        Fact.KILL_SWITCH_ACTIVATED
    )


@scenario("SEC-03-05")
async def test_stops_at_once_have_one_winner(home: House) -> None:
    answers = await asyncio.gather(
        *(home.holder("POST", "/v1/kill-switch", {"reason": f"{n}"}) for n in range(6))
    )

    assert sorted(a.status_code for a in answers) == [200] + [409] * 5
    assert (await home.world.facts()).count(Fact.KILL_SWITCH_ACTIVATED) == 1


@scenario("SEC-03-06", "SEC-05-CHAIN-4")
async def test_a_token_from_before_the_stop_is_dead_after_the_recovery(home: House) -> None:
    stolen = await home.token(limits={"evm-local/native": str(ETHER)})
    assert (await home.sends(stolen, ETHER // 2, "thief")).status_code == 201
    assert (await home.sends(stolen, ETHER, "thief")).status_code == 403
    await stop(home)
    assert answered(await home.sends(stolen, 1, "thief")) == (503, "SYSTEM_LOCKED")

    await recovered(home)

    assert answered(await home.sends(stolen, 1, "thief")) == (401, "SESSION_REVOKED")
    assert home.world.chain.received("thief") == ETHER // 2
    assert (await home.sends(await home.token(), 1)).status_code == 201


@scenario("SEC-03-07")
async def test_a_signer_that_cannot_be_killed_does_not_undo_the_stop(
    home: House, chat: Chat
) -> None:
    token = await home.token()
    row = await home.paid(token, 10 * ETHER)

    def broken() -> None:
        raise PermissionError("it does not die")

    home.world.vault.kill = broken  # type: ignore[method-assign]
    answer = await home.holder("POST", "/v1/kill-switch", {"reason": "a test"})

    assert answer.is_success
    assert await state(home) == "ACTIVATED"
    assert home.world.halt_file.exists()
    stored = await home.world.row(row)
    assert stored.status == "CANCELLED"
    assert not home.world.keyring.is_open
    assert answered(await home.sends(token, 1)) == (503, "SYSTEM_LOCKED")
    audit = (await home.holder("GET", "/v1/audit")).json()["items"]
    assert [row["fact"] for row in audit].count("SIGNER_NOT_KILLED") == 1
    await chat.finds("Stopped, but the signer process did not end", "On the host: waiaas stop")


@scenario("SEC-03-08")
async def test_a_running_recovery_is_as_closed_as_a_stop(home: House) -> None:
    """The kill switch itself answers 409: it is active, and saying so is not a lock-out."""
    token = await home.token()
    await stop(home)
    status, _ = await recover(home)
    assert status in (200, 202)
    assert await state(home) == "RECOVERING"

    assert answered(await home.sends(token, 1)) == (503, "SYSTEM_LOCKED")
    again = await home.holder("POST", "/v1/kill-switch", {"reason": "x"})
    assert answered(again) == (409, "KILL_SWITCH_ACTIVE")
    assert (await recover(home))[0] == 409
    created = await home.host("POST", "/v1/sessions", {
        "walletId": home.world.wallet.id, "name": "x", "limits": {"evm-local/native": "1"},
    })  # fmt: skip
    assert created.status_code == 503


@scenario("SEC-03-03")
async def test_nothing_but_the_password_begins_a_recovery(home: House) -> None:
    await stop(home)

    for headers in ({}, {"X-Master-Password": "wrong"}, {"X-Ticket": "guess"}):
        answer = await home.owner.post("/v1/recover", json={}, headers=headers)
        assert answer.status_code == 401
    assert (await home.agent.post("/v1/recover", json={})).status_code == 503
    assert await state(home) == "ACTIVATED"


@scenario("SEC-03-08")
async def test_a_recovery_without_a_stop_is_refused(home: House) -> None:
    status, body = await recover(home)

    assert (status, body["code"]) == (409, "KILL_SWITCH_NOT_ACTIVE")


@scenario("N-11", "N-12")
async def test_a_recovery_needs_the_guard_list_only_and_a_wrong_password_does_not_shorten_it(
    home: House,
) -> None:
    await stop(home)
    for path in ("/v1/status", "/v1/kill-switch"):
        assert (await home.holder("GET", path)).is_success
    status, body = await recover(home)
    assert status in (200, 202), body
    due = (await home.holder("GET", "/v1/kill-switch")).json()["recoveryAt"]

    await home.owner.post("/v1/recover", json={}, headers={"X-Master-Password": "wrong"})
    assert (await home.holder("GET", "/v1/kill-switch")).json()["recoveryAt"] == due
    await home.world.passes(60)
    assert await state(home) == "RECOVERING"
    assert (await home.holder("POST", "/v1/recover/cancel", {})).is_success
    assert await state(home) == "ACTIVATED"
    await recovered(home)


@scenario("S-9", "N-15")
@pytest.mark.parametrize("how", ["revoke", "freeze", "suspend", "stop", "tighten", "reject"])
async def test_what_the_owner_ends_during_a_delay_never_leaves(home: House, how: str) -> None:
    token = await home.token()
    row = await home.paid(token, 10 * ETHER)
    session = f"/v1/sessions/{claims_of(token)['sid']}"

    if how == "revoke":
        ended = await home.holder("DELETE", session)
    elif how == "freeze":
        ended = await home.holder("POST", f"{session}/freeze", {"reason": "a test"})
    elif how == "suspend":
        ended = await home.holder("POST", suspending(home), {"reason": "a test"})
    elif how == "stop":
        ended = await home.holder("POST", "/v1/kill-switch", {"reason": "a test"})
    elif how == "tighten":
        rules = {"allowed_addresses": ["Other"], "otherwise": "deny"}
        body = {"walletId": home.world.wallet.id, "type": "WHITELIST", "rules": rules}
        ended = await home.host("PUT", "/v1/policies", body)
    else:
        ended = await home.holder("POST", f"/v1/transactions/{row}/cancel", {})
    assert ended.is_success, ended.text
    if how != "tighten":  # which ends what it forbids when it is due
        assert (await home.world.row(row)).status == "CANCELLED"
    await home.world.passes(900)
    await home.world.passes(86_400)

    assert (await home.world.row(row)).status == "CANCELLED"
    assert home.world.chain.sent == []
    assert await home.world.reserved() == 0


@scenario("S-9", "N-15")
@pytest.mark.parametrize("how", ["revoke", "stop", "cancel"])
async def test_what_the_owner_ends_in_the_chat_during_a_delay_never_leaves(
    home: House, chat: Chat, how: str
) -> None:
    token = await home.token()
    row = await home.paid(token, 10 * ETHER)

    if how == "cancel":
        await chat.taps(await chat.finds("payee", button="Cancel payment"), "Cancel payment")
    elif how == "stop":
        await chat.taps(await chat.asks("/killswitch", button="Confirm"), "Confirm")
    else:  # the newest of the offers, one a session
        await chat.asks("/revoke", button="Revoke")
        await chat.asks("/help", "What you can do here")
        for offer in await chat.owner.messages():
            if data_of(offer, "Revoke"):
                await chat.taps(offer, "Revoke")
    await home.world.passes(900)
    await home.world.passes(86_400)

    assert (await home.world.row(row)).status == "CANCELLED"
    assert home.world.chain.sent == []
    assert await home.world.reserved() == 0


def suspending(home: House) -> str:
    return f"/v1/wallets/{home.world.wallet.id}/suspend"


@scenario("S-9", "N-15")
@pytest.mark.parametrize("resumed_after", [1, 900], ids=["before", "after"])
async def test_a_suspended_wallet_lets_nothing_due_leave(home: House, resumed_after: int) -> None:
    """Neither while it is suspended nor once it may pay again, before the payment is due or after."""
    token = await home.token()
    row = await home.paid(token, 10 * ETHER)
    assert (await home.holder("POST", suspending(home), {"reason": "moving house"})).is_success

    await home.world.passes(resumed_after)

    assert (await home.world.row(row)).status == "CANCELLED"
    assert answered(await home.sends(token, 1)) == (403, "WALLET_SUSPENDED")
    resuming = f"/v1/wallets/{home.world.wallet.id}/resume"
    assert (await home.holder("POST", resuming)).status_code == 401
    assert (await home.host("POST", resuming)).is_success
    await home.world.passes(900)
    assert home.world.chain.sent == []
    assert (await home.sends(token, 1)).status_code == 201


@scenario("S-10")
async def test_a_cancel_and_a_release_at_once_have_one_winner(home: House) -> None:
    token = await home.token()
    rows = [await home.paid(token, 6 * ETHER) for _ in range(6)]
    home.world.clock.advance(900)

    cancels = asyncio.gather(
        *(home.holder("POST", f"/v1/transactions/{row}/cancel", {}) for row in rows)
    )
    answers, _ = await asyncio.gather(cancels, home.world.tick())
    await home.world.quiet()

    paid = 0
    for row, answer in zip(rows, answers, strict=True):
        status = (await home.world.row(row)).status
        assert (status == "CANCELLED") is answer.is_success, (status, answer.text)
        paid += 0 if answer.is_success else 6 * ETHER
    assert home.world.chain.received("payee") == paid


@scenario("S-10")
async def test_two_approvals_at_once_pay_once(home: House, chat: Chat) -> None:
    """The owner's second tap, twice, and the host's word beside it."""
    token = await home.token()
    body = {"bands": {"evm-local/native": {"tapMax": str(25 * ETHER), "codeMax": str(25 * ETHER)}}}
    assert (await home.host("PUT", "/v1/bands", body)).is_success
    row = await home.paid(token, 25 * ETHER)
    await chat.taps(await chat.finds("payee", button="Approve"), "Approve")
    confirm = await chat.finds("payee", button="Confirm")

    *tapped, answers = await asyncio.gather(
        chat.taps(confirm, "Confirm"),
        chat.taps(confirm, "Confirm"),
        asyncio.gather(
            *(home.host("POST", f"/v1/transactions/{row}/approve", {}) for _ in range(3))
        ),
    )
    await home.world.quiet()

    won = [tap["answer"] == "Approved." for tap in tapped] + [a.is_success for a in answers]
    assert won.count(True) == 1
    assert home.world.chain.received("payee") == 25 * ETHER


@scenario("S-10")
async def test_an_approval_and_its_deadline_at_once_have_one_winner(home: House) -> None:
    """The time runs out as the first yes is stored: some are on their way then, some are said just then."""
    await home.rule("SPENDING_LIMIT", tiers(1, 2, 3))
    token = await home.token(ttlSeconds=604_800)
    rows = [await home.paid(token, ETHER) for _ in range(5)]
    deadline = (await home.world.row(rows[0])).expires_at
    assert deadline is not None
    home.world.clock.advance((deadline - 1 - home.world.clock.now()) / 1000)
    over = asyncio.Event()

    def runs_out() -> None:
        home.world.clock.advance(0.001)
        over.set()

    home.world.checkpoints.at["TAPPED"] = runs_out

    def approve(some: list[str]) -> asyncio.Future[list[httpx.Response]]:
        path = "/v1/transactions/{}/approve"
        return asyncio.gather(*(home.host("POST", path.format(row), {}) for row in some))

    async def at_the_deadline() -> list[httpx.Response]:
        await over.wait()
        before = await approve(rows[3:4])
        beside, _ = await asyncio.gather(approve(rows[4:]), home.world.tick())
        return before + beside

    early, late = await asyncio.gather(approve(rows[:3]), at_the_deadline())

    assert any(answer.is_success for answer in early)
    assert [answer.status_code for answer in late] == [410] * 2
    won = 0
    for row, answer in zip(rows, early + late, strict=True):
        status = (await home.world.settled(row)).status
        facts = set(await home.world.facts(row)) & {Fact.TX_APPROVED, Fact.TX_EXPIRED}
        if answer.is_success:
            assert (status, facts) == ("CONFIRMED", {Fact.TX_APPROVED})
            won += 1
        else:
            assert (status, facts) == ("EXPIRED", {Fact.TX_EXPIRED})
    assert home.world.chain.received("payee") == won * ETHER


@scenario("N-22", "R-10")
@pytest.mark.parametrize("halt_removed", [False, True])
async def test_a_stop_edited_out_of_the_database_is_still_a_stop(
    home: House, *, halt_removed: bool
) -> None:
    await stop(home)
    home.world.sql("UPDATE system_state SET state = 'NORMAL'")
    if halt_removed:
        home.world.halt_file.unlink()

    await home.world.restart(unlocked=False)
    unlocked = await home.host("POST", "/v1/unlock", {})

    assert not unlocked.is_success
    assert await state(home) == "ACTIVATED"
    assert not home.world.gate.is_normal
    assert answered(await home.agent.get(ADDRESS)) == (503, "SYSTEM_LOCKED")


@scenario("R-10")
async def test_removing_the_halt_file_is_no_recovery(home: House) -> None:
    await stop(home)
    home.world.halt_file.unlink()

    await home.world.restart()

    assert await state(home) == "ACTIVATED"
    assert answered(await home.agent.get(ADDRESS)) == (503, "SYSTEM_LOCKED")


@scenario("R-41")
async def test_the_chat_can_hold_a_recovery_up_once_and_no_longer(home: House, chat: Chat) -> None:
    """A thief of the account hoards buttons while they are offered: those of one recovery stop no other."""
    await stop(home)
    assert (await recover(home))[0] in {200, 202}
    told = await chat.finds(button="Cancel recovery")
    asked = [await chat.asks("/killswitch", button="Cancel recovery") for _ in range(2)]

    held_up = await chat.taps(asked[0], "Cancel recovery")
    assert "Recovery cancelled" in held_up["answer"]
    assert await state(home) == "ACTIVATED"
    assert (await recover(home))[0] in {200, 202}

    for message in (told, *asked):
        await chat.taps(message, "Cancel recovery")
        assert await state(home) == "RECOVERING"
    now = await chat.asks("/killswitch", "waiaas recover --cancel")
    announced = await chat.finds("Recovery started again")
    assert (now["buttons"], announced["buttons"]) == ([], [])
    await home.world.passes(86_400)
    assert await state(home) == "NORMAL"
