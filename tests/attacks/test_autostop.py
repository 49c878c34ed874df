"""Auto-stop in the real process: a failing agent is frozen, told of, and let go by the host only."""

import httpx

from tests.attacks.catalogue import scenario
from tests.attacks.test_owner import enrol
from tests.attacks.test_sessions import answered, claims_of
from tests.support.chain import ETHER
from tests.support.house import House
from tests.support.sandbox import sandbox
from tests.support.vault import PASSWORD, code_at
from tests.support.waiaas_sandbox import waiaas


@scenario("N-23")
def test_an_agent_that_keeps_failing_is_frozen_and_resumed_by_the_host() -> None:
    with sandbox("--delay-seconds", "60") as running:
        agent = running.agent("ethereum")
        wallet_id = agent.wallet["id"]
        other = running.host.new_agent(agent)
        where = ("--data-dir", running.facts["data_dir"])
        password = ("--password-file", running.facts["password_file"])
        running.host.does(
            "PUT",
            "/v1/autostop",
            proved=False,
            json={"type": "ANOMALY_PATTERN", "rules": {"enabled": True}, "walletId": wallet_id},
        )
        tight = {"same_address_warn": 2, "same_address_stop": 3}
        running.host.does(
            "PUT",
            "/v1/autostop",
            proved=False,
            json={"type": "ANOMALY_PATTERN", "rules": tight, "walletId": wallet_id},
        )
        loose = {"type": "ANOMALY_PATTERN", "rules": {"enabled": False}, "walletId": wallet_id}
        refused = running.host.request("PUT", "/v1/autostop", proved=False, json=loose)
        assert refused.json()["code"] == "MASTER_PASSWORD_REQUIRED"

        waiting = agent.asks("2")
        drain = agent.chain.stranger()
        for _ in range(2):
            agent.asks("0.01", to=drain)
        frozen = agent.sends("0.01", to=drain)
        assert (frozen.status_code, frozen.json()["code"]) == (403, "SESSION_FROZEN")
        assert frozen.json()["retryable"] is False

        assert agent.sees(waiting["id"])["error"] == "SESSION_FROZEN"
        assert other.asks("0.01", to=drain, wait=20)["status"] == "CONFIRMED"
        running.owner.finds("A session was frozen", "waiaas resume session")
        held = running.host.status()["held"]
        assert [(one["kind"], one["by"]) for one in held] == [("session", "ANOMALY_PATTERN")]

        running.kills_daemon()
        again = agent.sends("0.01")
        assert again.json()["code"] == "SESSION_FROZEN"

        session_id = held[0]["id"]
        path = f"/v1/sessions/{session_id}/resume"
        bare = running.host.request("POST", path, proved=False)
        assert bare.status_code == httpx.codes.UNAUTHORIZED
        done = waiaas("resume", "session", session_id, *where, *password)
        assert done.returncode == 0, done.stderr
        assert agent.asks("0.01", wait=20)["status"] == "CONFIRMED"
        running.owner.finds("A session may pay again")

        listed = waiaas("autostop", "list", "--wallet", wallet_id, *where)
        assert "ANOMALY_PATTERN" in listed.stdout
        off = waiaas(
            "autostop", "set", "anomaly_pattern", "--off", "--wallet", wallet_id, *where, *password
        )
        assert off.returncode == 0, off.stderr
        reset = waiaas(
            "autostop", "reset", "ANOMALY_PATTERN", "--wallet", wallet_id, *where, *password
        )
        assert reset.returncode == 0, reset.stderr


@scenario("R-16", "N-07")
async def test_an_auto_stop_rule_is_loosened_by_password_and_factor_together(home: House) -> None:
    token = await home.token()
    await enrol(home)
    strict = {"type": "CONSECUTIVE_FAILURES", "rules": {"threshold": 1}}
    off = {"type": "CONSECUTIVE_FAILURES", "rules": {"enabled": False}}
    reset = "/v1/autostop/CONSECUTIVE_FAILURES"
    assert (await home.holder("PUT", "/v1/autostop", strict)).is_success

    for method, path, body in (("PUT", "/v1/autostop", off), ("DELETE", reset, None)):
        socket = await home.holder(method, path, body)
        assert answered(socket) == (401, "MASTER_PASSWORD_REQUIRED")
        assert answered(await home.host(method, path, body)) == (403, "FACTOR_REQUIRED")
    home.world.chain.simulation_fails = True
    assert (await home.sends(token, ETHER // 100)).is_success
    await home.world.quiet()
    assert answered(await home.sends(token, ETHER // 100)) == (403, "SESSION_FROZEN")

    proofs = {"X-Master-Password": PASSWORD, "X-TOTP-Code": code_at(home.world.clock.now())}
    done = await home.owner.put("/v1/autostop", json=off, headers=proofs)
    assert done.json()["rules"]["enabled"] is False
    assert "AUTO_STOP_CHANGED" in await home.world.alerts()


@scenario("R-26", "N-15")
def test_the_host_freezes_and_suspends_by_hand() -> None:
    with sandbox() as running:
        agent = running.agent("solana")
        where = ("--data-dir", running.facts["data_dir"])
        password = ("--password-file", running.facts["password_file"])
        wallet = agent.wallet["id"]

        done = waiaas("wallet", "suspend", wallet, "--reason", "moving house", *where)
        assert done.returncode == 0, done.stderr
        assert agent.sends("0.01").json()["code"] == "WALLET_SUSPENDED"
        running.owner.finds("A wallet was suspended", "moving house")
        done = waiaas("resume", "wallet", wallet, *where, *password)
        assert done.returncode == 0, done.stderr
        assert agent.asks("0.01", wait=20)["status"] == "CONFIRMED"

        found = waiaas("clock", *where)
        assert "believed" in found.stdout


async def fails(home: House, token: str) -> None:
    home.world.chain.simulation_fails = True
    row = await home.paid(token, ETHER // 100)
    home.world.chain.simulation_fails = False
    assert (await home.sees(token, row))["status"] == "FAILED"


async def code_of(home: House, token: str) -> str:
    answer = await home.sends(token, ETHER // 100)
    return "" if answer.status_code == 201 else str(answer.json()["code"])


@scenario("SEC-03-04")
async def test_the_third_failure_in_a_row_freezes_and_a_success_between_starts_anew(
    home: House,
) -> None:
    token = await home.token()
    for _ in range(2):
        await fails(home, token)
    row = await home.paid(token, ETHER // 100)
    await home.world.settled(row)
    for _ in range(2):
        await fails(home, token)
    assert await code_of(home, token) == ""
    await home.world.poll()

    for _ in range(3):
        await fails(home, token)

    assert await code_of(home, token) == "SESSION_FROZEN"


@scenario("N-23")
async def test_one_agents_failures_leave_another_on_the_same_wallet_alone(home: House) -> None:
    mine, theirs = await home.token(), await home.token()
    for _ in range(3):
        await fails(home, mine)

    assert await code_of(home, mine) == "SESSION_FROZEN"
    assert await code_of(home, theirs) == ""


@scenario("N-16")
async def test_after_a_resume_one_failure_freezes_nothing(home: House) -> None:
    token = await home.token()
    for _ in range(3):
        await fails(home, token)
    path = f"/v1/sessions/{claims_of(token)['sid']}/resume"
    assert (await home.holder("POST", path)).status_code == 401
    assert (await home.host("POST", path)).is_success

    await fails(home, token)

    assert await code_of(home, token) == ""
