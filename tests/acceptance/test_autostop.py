"""Auto-stop in the real process: a failing agent is frozen, told of, and let go by the host only."""

import httpx

from tests.support.sandbox import sandbox
from tests.support.waiaas_sandbox import waiaas


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
