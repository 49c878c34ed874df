"""SEC-02 and the boundary part of SEC-05: what the rules must hold, request by request."""

import asyncio
from datetime import UTC, datetime

import pytest

from tests.attacks.catalogue import scenario
from tests.attacks.test_sessions import answered, claims_of
from tests.support.chain import ETHER
from tests.support.chat import Chat
from tests.support.house import SEND, House, bearer, tiers, window

FEE_CEILING = 10**15
DAY = 86_400


async def tier_of(home: House, token: str, amount: int) -> str:
    answer = await home.sends(token, amount)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["tier"])


@scenario("SEC-02-01", "SEC-05-CONCURRENCY", "SEC-05-CHAIN-2")
async def test_payments_at_once_never_exceed_a_limit_together(home: House) -> None:
    await home.rule("CUMULATIVE_LIMIT", window(ETHER + 3 * FEE_CEILING))
    tokens = [await home.token() for _ in range(2)]
    bodies = [{"to": "payee", "amount": str(ETHER // 3)} for _ in range(8)]

    answers = await asyncio.gather(
        *(
            home.agent.post(SEND, json=body, headers=bearer(tokens[number % 2]))
            for number, body in enumerate(bodies)
        )
    )
    await home.world.quiet()

    assert sorted(a.status_code for a in answers) == [201] * 3 + [403] * 5
    assert home.world.chain.received("payee") == 3 * (ETHER // 3)


@scenario("SEC-05-CONCURRENCY")
async def test_the_last_payment_of_a_session_is_given_once(home: House) -> None:
    token = await home.token(maxTransactions=2)
    await home.paid(token, 1)
    body = {"to": "payee", "amount": "1"}

    answers = await asyncio.gather(
        *(home.agent.post(SEND, json=body, headers=bearer(token)) for _ in range(5))
    )
    await home.world.quiet()

    assert sorted(a.status_code for a in answers) == [201] + [403] * 4


@scenario("SEC-02-02", "SEC-05-AMOUNTS")
@pytest.mark.parametrize(
    "bounds",
    [(ETHER // 10, ETHER, 5 * ETHER), (1, 2, 3), (ETHER, 10 * ETHER, 50 * ETHER)],
    ids=["preset", "units", "wide"],
)
async def test_each_bound_belongs_to_the_lower_tier(
    home: House, bounds: tuple[int, int, int]
) -> None:
    await home.rule("SPENDING_LIMIT", tiers(*bounds))
    token = await home.token()
    names = ["INSTANT", "NOTIFY", "DELAY", "APPROVAL"]

    for bound, below, above in zip(bounds, names, names[1:], strict=False):
        assert await tier_of(home, token, bound) == below
        assert await tier_of(home, token, bound + 1) == above
        if bound > 1 and bound - 1 not in bounds:
            assert await tier_of(home, token, bound - 1) == below


@scenario("SEC-05-AMOUNTS", "S-4")
@pytest.mark.parametrize(
    "amount",
    ["-5", "0", "00", "1e3", " 5", "5 ", "\u0665", "1_000", "0x10", "+1", "", "1.0", "9" * 79,
     str(2**256), 5, 1.5, True, None, ["5"], {"a": 1}],
)  # fmt: skip
async def test_what_is_no_amount_leaves_no_trace(home: House, amount: object) -> None:
    token = await home.token()
    facts, reserved = len(await home.world.facts()), await home.world.reserved()

    answer = await home.agent.post(
        SEND, json={"to": "payee", "amount": amount}, headers=bearer(token)
    )

    assert answered(answer) == (400, "INVALID_AMOUNT")
    assert len(await home.world.facts()) == facts
    assert await home.world.reserved() == reserved


@scenario("SEC-02-04")
async def test_hours_begin_with_their_first_second_and_end_before_their_last(home: House) -> None:
    hours = {
        "allowed_hours": {"start": 9, "end": 18},
        "allowed_days": list(range(7)),
        "timezone": "UTC",
    }
    await home.rule("TIME_RESTRICTION", hours)
    token = await home.token(ttlSeconds=604_800)
    clock = home.world.clock
    today = datetime.fromtimestamp(clock.now() / 1000, UTC)
    evening = today.replace(hour=17, minute=59, second=59, microsecond=0)
    wait = (evening - today).total_seconds() % DAY
    clock.advance(wait)

    assert (await home.sends(token, 1)).status_code == 201
    clock.advance(1)
    refused = await home.sends(token, 1)
    assert answered(refused) == (403, "TIME_RESTRICTED")
    opens = refused.json()["details"]["resetsAt"]
    assert datetime.fromtimestamp(opens, UTC).hour == 9
    clock.advance(15 * 3600 - 1)
    assert answered(await home.sends(token, 1)) == (403, "TIME_RESTRICTED")
    clock.advance(1)
    assert clock.now() // 1000 == opens
    assert (await home.sends(token, 1)).status_code == 201


@scenario("SEC-02-05")
async def test_the_rate_is_a_sliding_window(home: House) -> None:
    rate = {"max_tx_per_hour": 10, "max_tx_per_day": 100, "over": "each_wallet"}
    await home.rule("RATE_LIMIT", rate)
    token = await home.token()
    for _ in range(10):
        row = await home.paid(token, 1)
        await home.world.settled(row)

    refused = await home.sends(token, 1)
    assert answered(refused) == (403, "TX_RATE_EXCEEDED")
    resets = refused.json()["details"]["resetsAt"] * 1000
    home.world.clock.advance((resets - home.world.clock.now()) / 1000 - 1)
    assert answered(await home.sends(token, 1)) == (403, "TX_RATE_EXCEEDED")
    home.world.clock.advance(1)
    assert (await home.sends(token, 1)).status_code == 201


@scenario("SEC-02-06", "SEC-05-CHAIN-5")
async def test_a_delay_ends_when_it_ends_and_not_a_second_earlier(home: House) -> None:
    token = await home.token()
    row = await home.paid(token, 10 * ETHER)

    await home.world.passes(899)
    assert (await home.sees(token, row))["status"] == "QUEUED"
    assert home.world.chain.received("payee") == 0
    hasten = await home.host("POST", f"/v1/transactions/{row}/approve", {})
    assert hasten.status_code in (403, 409)
    await home.world.tick()
    assert home.world.chain.received("payee") == 0

    await home.world.passes(1)
    assert home.world.chain.received("payee") == 10 * ETHER


@scenario("SEC-02-07", "TG-d")
async def test_an_answer_after_the_question_lapsed_changes_nothing(
    home: House, chat: Chat
) -> None:
    """The time runs from when the card reached the owner; neither his tap nor the host is a second late."""
    await home.rule("SPENDING_LIMIT", tiers(1, 2, 3, approval_timeout=3600))
    token = await home.token()
    early, late = [await home.paid(token, 4 * ETHER, payee) for payee in ("Early", "Late")]
    cards = [await chat.finds(payee, button="Approve") for payee in ("Early", "Late")]
    await chat.told_all()

    home.world.clock.advance(3599)
    assert (await chat.approves("Early"))["answer"] == "Approved."
    home.world.clock.advance(1)
    tapped = await chat.taps(cards[1], "Approve")
    refused = await home.host("POST", f"/v1/transactions/{late}/approve", {})

    assert tapped["answer"] == "This button is out of date."
    assert (refused.status_code, refused.json()["retryable"]) == (410, False)
    await home.world.tick()
    assert (await home.sees(token, late))["status"] == "EXPIRED"
    again = await home.host("POST", f"/v1/transactions/{late}/approve", {})
    assert again.status_code == 410
    assert (await home.sees(token, early))["status"] != "EXPIRED"
    assert home.world.chain.received("Early") == 4 * ETHER
    assert home.world.chain.received("Late") == 0


@scenario("SEC-02-08")
async def test_a_wallets_rule_and_a_global_one_both_hold(home: House) -> None:
    """The stricter of the two decides, whichever it is."""
    token = await home.token()
    other = await home.token(await home.new_wallet("other"))
    await home.rule("SPENDING_LIMIT", tiers(10, 20, 30), walletId=None)

    assert await tier_of(home, token, 15) == "NOTIFY"
    assert await tier_of(home, token, 31) == "APPROVAL"
    assert await tier_of(home, other, 15) == "NOTIFY"

    await home.rule("SPENDING_LIMIT", tiers(10, 20, 30))
    await home.rule("SPENDING_LIMIT", tiers(ETHER, 5 * ETHER, 20 * ETHER), walletId=None)

    assert await tier_of(home, token, 15) == "NOTIFY"
    assert await tier_of(home, token, 31) == "APPROVAL"
    assert await tier_of(home, token, 10) == "INSTANT"


@scenario("SEC-02-09", "S-12")
async def test_no_rule_means_no(home: House) -> None:
    token = await home.token()
    for rule in (await home.holder("GET", "/v1/policies")).json()["items"]:
        assert (await home.host("DELETE", f"/v1/policies/{rule['id']}")).is_success

    refused = await home.sends(token, 1)

    assert answered(refused) == (403, "POLICY_DENIED")
    assert home.world.chain.sent == []


@scenario("S-12")
@pytest.mark.parametrize(
    ("rule_type", "rules"),
    [
        ("SPENDING_LIMIT", {"assets": {}, "delay_seconds": 900}),
        ("SPENDING_LIMIT", {}),
        ("WHITELIST", {"allowed_addresses": [], "otherwise": "deny"}),
        ("WHITELIST", {"otherwise": "deny"}),
        ("CUMULATIVE_LIMIT", {"assets": {}, "window_seconds": 60, "over": "each_wallet", "otherwise": "deny"}),
        ("TIME_RESTRICTION", {"allowed_hours": {"start": 9, "end": 18}, "allowed_days": [], "timezone": "UTC"}),
        ("RATE_LIMIT", {}),
    ],
)  # fmt: skip
async def test_an_emptied_rule_is_refused_when_it_is_written(
    home: House, rule_type: str, rules: dict[str, object]
) -> None:
    body = {"walletId": home.world.wallet.id, "type": rule_type, "rules": rules}

    answer = await home.host("PUT", "/v1/policies", body)

    assert answered(answer) == (400, "POLICY_INVALID")
    assert await tier_of(home, await home.token(), ETHER) == "INSTANT"


@scenario("S-12")
async def test_an_emptied_list_that_is_taken_allows_nothing(home: House) -> None:
    """Where an empty list says something, it says that nothing is listed."""
    token = await home.token()
    await home.rule("ALLOWED_NETWORKS", {"networks": ["evm-local"]})
    assert await tier_of(home, token, 1) == "INSTANT"

    await home.rule("ALLOWED_NETWORKS", {"networks": []})

    assert answered(await home.sends(token, 1)) == (403, "NETWORK_DENIED")
    assert home.world.chain.received("payee") == 1


@scenario("SEC-02-03", "SEC-01-09")
async def test_another_spelling_of_a_recipient_is_another_recipient(home: House) -> None:
    await home.rule("WHITELIST", {"allowed_addresses": ["Listed"], "otherwise": "deny"})
    token = await home.token()

    assert (await home.sends(token, 1, "Listed")).status_code == 201
    for other in ("listed", "LISTED", "Listed1", "payee"):
        assert answered(await home.sends(token, 1, other)) == (403, "WHITELIST_DENIED")


@scenario("SEC-02-09")
async def test_the_strictest_denial_names_its_rule(home: House) -> None:
    rule = await home.rule("WHITELIST", {"allowed_addresses": ["Listed"], "otherwise": "deny"})

    refused = await home.sends(await home.token(), 1, "payee")

    assert refused.json()["details"]["ruleId"] == rule
    assert refused.json()["details"]["ownerCanHelp"] is True


@scenario("S-5", "SEC-05-CHAIN-1")
async def test_many_small_payments_stop_at_the_window(home: House) -> None:
    await home.rule("CUMULATIVE_LIMIT", window(10 * ETHER))
    token = await home.token()
    passed = 0
    for _ in range(20):
        answer = await home.sends(token, ETHER)
        if answer.status_code == 201:
            assert answer.json()["tier"] == "INSTANT"
            passed += 1
            await home.world.settled(answer.json()["id"])

    assert passed == 9  # the tenth would need ten and a fee
    assert home.world.chain.received("payee") == 9 * ETHER


@scenario("S-5")
async def test_splitting_a_payment_raises_its_tier(home: House) -> None:
    day = window(100 * ETHER)
    day["assets"]["evm-local/native"]["approval_above"] = str(3 * ETHER)
    await home.rule("CUMULATIVE_LIMIT", day)
    token = await home.token()

    found = [await tier_of(home, token, ETHER) for _ in range(4)]

    assert found == ["INSTANT", "INSTANT", "APPROVAL", "APPROVAL"]


@scenario("S-13")
async def test_a_token_is_never_measured_by_the_bounds_of_the_coin(home: House) -> None:
    """Neither a payment nor a rule can name an asset that the wallet does not know."""
    token = await home.token()

    paid = await home.sends(token, 1, type="TOKEN_TRANSFER", token={"address": "0xToken"})
    rules = {"evm-local/0xToken": {"instant_max": "9", "notify_max": "9", "delay_max": "9"}}
    body = {
        "walletId": home.world.wallet.id,
        "type": "SPENDING_LIMIT",
        "rules": {"assets": rules, "delay_seconds": 900},
    }
    ruled = await home.host("PUT", "/v1/policies", body)

    assert answered(paid) == (400, "UNSUPPORTED_TYPE")
    assert answered(ruled) == (400, "POLICY_INVALID")
    assert home.world.chain.sent == []


@scenario("SEC-05-CHAIN-3")
async def test_what_nobody_approves_expires_and_gives_back_what_it_held(home: House) -> None:
    token = await home.token(ttlSeconds=604_800)
    small = await home.paid(token, ETHER // 10)
    delayed = await home.paid(token, 15 * ETHER)
    asked = await home.paid(token, 55 * ETHER)
    assert await home.world.reserved() > 70 * ETHER

    await home.world.passes(900)
    await home.world.passes(DAY)

    assert (await home.sees(token, asked))["status"] == "EXPIRED"
    for row in (small, delayed):
        assert (await home.world.settled(row)).status == "CONFIRMED"
    assert await home.world.reserved() == 0
    assert home.world.chain.received("payee") == 15 * ETHER + ETHER // 10


@scenario("SEC-05-CHAIN-5")
async def test_neither_a_dead_token_nor_a_new_one_nor_denials_hasten_anything(home: House) -> None:
    """The last second of one session, a delay of the next, and limits that it runs against meanwhile."""
    first = await home.token(ttlSeconds=300)
    home.world.clock.advance(299)
    assert (await home.sends(first, ETHER // 10)).status_code == 201
    home.world.clock.advance(1)
    assert answered(await home.sends(first, ETHER // 10)) == (401, "TOKEN_EXPIRED")

    await home.rule("CUMULATIVE_LIMIT", window(20 * ETHER))
    second = await home.token()
    delayed = await home.paid(second, 10 * ETHER, "later")
    await home.world.passes(899)
    for _ in range(5):
        denied = await home.sends(second, 20 * ETHER)
        assert answered(denied) == (403, "CUMULATIVE_LIMIT_EXCEEDED")
    assert home.world.chain.received("later") == 0
    assert (await home.sends(second, ETHER // 10)).status_code == 201  # denials freeze nobody
    sid = claims_of(second)["sid"]
    assert (await home.holder("POST", f"/v1/sessions/{sid}/freeze", {"reason": "odd"})).is_success

    await home.world.passes(1)

    assert answered(await home.sends(second, 1)) == (403, "SESSION_FROZEN")
    assert (await home.sees(second, delayed))["status"] == "CANCELLED"
    assert home.world.chain.received("later") == 0
    assert home.world.chain.received("payee") == 2 * (ETHER // 10)
