"""What an agent looks at: the shapes that public clients read."""

from typing import Any

import httpx
import pytest

from tests.support.doors import FakeDaemon
from tests.support.operations import NOW, SESSION, SOL, TOKEN, WALLET
from wallet.errors import ChainError, Code


def has(body: dict[str, Any], **kinds: type) -> None:
    """Every field is there, with its JSON type and not null."""
    for name, kind in kinds.items():
        assert type(body[name]) is kind, name


async def test_address_balance_and_assets_have_what_clients_require(
    agent: httpx.AsyncClient,
) -> None:
    address = (await agent.get("/v1/wallet/address")).json()
    balance = (await agent.get("/v1/wallet/balance")).json()
    assets = (await agent.get("/v1/wallet/assets?network=solana-devnet")).json()

    for body in (address, balance, assets):
        has(body, walletId=str, chain=str, network=str)
    assert (address["address"], address["encoding"]) == (WALLET.address, "base58")
    has(balance, address=str, balance=str, decimals=int, symbol=str)
    assert (balance["balance"], balance["formatted"]) == ("1500000000", "1.5 SOL")
    has(
        assets["assets"][0],
        mint=str,
        symbol=str,
        name=str,
        balance=str,
        decimals=int,
        isNative=bool,
    )


async def test_all_networks_answer_in_their_own_shape(agent: httpx.AsyncClient) -> None:
    balances = (await agent.get("/v1/wallet/balance?network=all")).json()
    assets = (await agent.get("/v1/wallet/assets?network=all")).json()

    has(balances, walletId=str, chain=str, environment=str, balances=list)
    has(balances["balances"][0], network=str, balance=str, decimals=int, symbol=str)
    has(assets, walletId=str, chain=str, environment=str, networkAssets=list)
    has(assets["networkAssets"][0], network=str, assets=list)


async def test_another_network_than_the_wallets_is_refused(agent: httpx.AsyncClient) -> None:
    answer = await agent.get("/v1/wallet/balance?network=solana-mainnet")

    assert (answer.status_code, answer.json()["code"]) == (400, "NETWORK_MISMATCH")


async def test_a_silent_chain_is_a_retryable_503(
    agent: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    daemon.wallets.fails["balance"] = ChainError(Code.CHAIN_UNAVAILABLE, "No.", retryable=True)

    answer = await agent.get("/v1/wallet/balance")

    assert (answer.status_code, answer.json()["retryable"]) == (503, True)


async def test_connect_info_tells_an_agent_all_it_needs(agent: httpx.AsyncClient) -> None:
    body = (await agent.get("/v1/connect-info")).json()

    has(
        body, session=dict, wallets=list, policies=dict, capabilities=list, daemon=dict, prompt=str
    )
    has(body["session"], id=str, expiresAt=int, source=str)
    has(body["wallets"][0], id=str, name=str, chain=str, environment=str, address=str)
    assert body["session"]["spent"] == {SOL.native.key: "7"}
    assert body["policies"][WALLET.id][0]["updatedAt"] == NOW // 1000
    assert body["daemon"] == {"version": "1.0", "baseUrl": "http://127.0.0.1:3100"}


async def test_a_session_sees_the_networks_of_its_own_wallet_only(
    agent: httpx.AsyncClient,
) -> None:
    own = await agent.get(f"/v1/wallets/{WALLET.id}/networks")
    other = await agent.get("/v1/wallets/0199-other/networks")

    assert own.json()["environment"] == "testnet"
    assert [line["network"] for line in own.json()["availableNetworks"]] == ["solana-devnet"]
    assert (other.status_code, other.json()["code"]) == (404, "WALLET_NOT_FOUND")


async def test_a_session_renews_itself_and_no_other(
    agent: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    own = await agent.put(
        f"/v1/sessions/{SESSION.id}/renew", headers={"Content-Type": "application/json"}
    )
    other = await agent.put("/v1/sessions/0199-other/renew")

    assert own.json() == {
        "id": SESSION.id,
        "token": "wai_sess_new",
        "expiresAt": SESSION.expires_at // 1000,
        "renewalCount": 1,
        "walletId": WALLET.id,
    }
    assert (other.status_code, other.json()["code"]) == (403, "SESSION_RENEWAL_MISMATCH")
    assert [call for call in daemon.sessions.calls if call[0] == "renew"] == [
        ("renew", SESSION.id, TOKEN)
    ]


async def test_a_claim_code_is_exchanged_without_a_token(stranger: httpx.AsyncClient) -> None:
    right = await stranger.post("/v1/sessions/claim", json={"code": "ABCDE12345"})
    wrong = await stranger.post("/v1/sessions/claim", json={"code": "WRONG"})

    assert (right.status_code, right.json()["token"]) == (200, TOKEN)
    assert (wrong.status_code, wrong.json()["code"]) == (401, "CLAIM_INVALID")


@pytest.mark.parametrize(
    ("changes", "word", "ready"),
    [
        ({}, "ok", 200),
        ({"ready": False}, "starting", 503),
        ({"locked": True}, "locked", 200),
        ({"degraded": True}, "degraded", 200),
    ],
)
async def test_the_probes_say_how_the_daemon_is(
    stranger: httpx.AsyncClient,
    daemon: FakeDaemon,
    changes: dict[str, bool],
    word: str,
    ready: int,
) -> None:
    daemon.facts = type(daemon.facts)(
        **{"started_at": NOW - 65_000, "version": "1.0", "ready": True, "locked": False, **changes}  # type: ignore[arg-type]
    )

    health, probe = await stranger.get("/health"), await stranger.get("/ready")

    assert health.status_code == 200
    assert health.json() == {
        "status": word, "version": "1.0", "uptime": 65, "timestamp": NOW // 1000
    }  # fmt: skip
    assert (probe.status_code, probe.json()["status"]) == (ready, word)
