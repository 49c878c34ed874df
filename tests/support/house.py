"""Both HTTP doors over a real pipeline and a real database, with clock, chain and vault in the test's hands."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from tests.support.chain import ETHER, EVM
from tests.support.vault import PASSWORD
from tests.support.world import World, built
from wallet.api.agent import Door, agent_app
from wallet.api.limits import Limits
from wallet.api.operations import DaemonFacts
from wallet.api.owner import HOST, owner_app
from wallet.domain.wallets import Wallet

AGENT_HOST = "127.0.0.1:3100"
SEND = "/v1/transactions/send"


@dataclass
class House:
    """``agent`` and ``owner`` are the two apps; every restart of the world is seen by them at once."""

    world: World
    agent: httpx.AsyncClient = field(init=False)
    owner: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        agent_door, owner_door = self._door(AGENT_HOST), self._door(HOST)
        self.agent = _client(agent_app(agent_door), AGENT_HOST)
        self.owner = _client(owner_app(owner_door), HOST)

    # ---- the agent's door

    async def sends(
        self, bearer_token: str, amount: int, to: str = "payee", **more: Any
    ) -> httpx.Response:
        """Ask for a payment; what it starts is waited for."""
        headers = bearer(bearer_token) | more.pop("headers", {})
        body = {"to": to, "amount": str(amount), **more}
        answer = await self.agent.post(SEND, json=body, headers=headers)
        await self.world.quiet()
        return answer

    async def paid(self, token: str, amount: int, to: str = "payee", **more: Any) -> str:
        """A payment that must be admitted; its id."""
        answer = await self.sends(token, amount, to, **more)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def sees(self, token: str, transaction_id: str) -> dict[str, Any]:
        answer = await self.agent.get(f"/v1/transactions/{transaction_id}", headers=bearer(token))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    # ---- the owner's door

    async def host(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A call by somebody who has the socket and the master password."""
        headers = {"X-Master-Password": PASSWORD}
        answer = await self.owner.request(
            method, path, json={} if body is None else body, headers=headers
        )
        await self.world.quiet()
        return answer

    async def holder(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A call by somebody who can open the socket and knows nothing."""
        return await self.owner.request(method, path, json={} if body is None else body)

    async def new_wallet(self, name: str, network: str = EVM.name) -> Wallet:
        body = {"name": name, "network": network, "preset": "normal"}
        made = await self.host("POST", "/v1/wallets", body)
        assert made.status_code == 201, made.text
        wallet_id = made.json()["id"]
        found = await self.world.database.read(lambda unit: unit.wallets.get(wallet_id))
        assert found is not None
        return found

    async def token(self, wallet: Wallet | None = None, **limits: Any) -> str:
        """A new session's token, claimed over the agent's door. Generous unless told otherwise."""
        wallet = wallet or self.world.wallet
        body = {
            "walletId": wallet.id,
            "name": "agent",
            "limits": {f"{wallet.network}/native": str(10**30)},
        } | limits
        made = await self.host("POST", "/v1/sessions", body)
        assert made.status_code == 201, made.text
        claim = {"code": made.json()["claimCode"]}
        claimed = await self.agent.post("/v1/sessions/claim", json=claim)
        assert claimed.is_success, claimed.text
        return str(claimed.json()["token"])

    async def rule(self, rule_type: str, rules: Mapping[str, Any], **more: Any) -> str:
        """Set a rule of the wallet, replacing the one of its type; its id."""
        body = {"walletId": self.world.wallet.id, "type": rule_type, "rules": rules} | more
        known = (await self.holder("GET", "/v1/policies")).json()["items"]
        same = [
            rule["id"]
            for rule in known
            if (rule["type"], rule["walletId"]) == (rule_type, body["walletId"])
        ]
        if same:
            body["id"] = same[0]
        answer = await self.host("PUT", "/v1/policies", body)
        assert answer.is_success, answer.text
        return str(answer.json()["id"])

    async def loosenings_wait(self, seconds: int) -> None:
        """From now on, as after a restart with that setting."""
        world = self.world
        policy = replace(world.settings.policy, loosening_wait_seconds=seconds)
        world.settings = replace(world.settings, policy=policy)
        await world.restart()

    # ----

    def _door(self, host: str) -> Door:
        world = self.world
        return Door(
            version="1.0",
            hosts=frozenset({host}),
            facts=lambda: DaemonFacts(
                world.clock.now(), "1.0", ready=True, locked=world.app.unlocking.is_locked
            ),
            operations=lambda: world.app.operations,
            clock=world.clock,
            ids=world.ids,
            limits=Limits(),
        )


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def tiers(instant: int, notify: int, delay: int, **more: Any) -> dict[str, Any]:
    """A SPENDING_LIMIT over the local EVM coin; bounds in base units."""
    bounds = {
        "instant_max": str(instant),
        "notify_max": str(notify),
        "delay_max": str(delay),
    }
    return {"assets": {"evm-local/native": bounds}, "delay_seconds": 900, **more}


def window(limit: int, **more: Any) -> dict[str, Any]:
    """A CUMULATIVE_LIMIT of a day over the local EVM coin; ``limit`` in base units."""
    return {
        "assets": {"evm-local/native": {"limit": str(limit)}},
        "window_seconds": 86_400,
        "over": "each_wallet",
        "otherwise": "deny",
        **more,
    }


@asynccontextmanager
async def house(folder: Path, *, paired: bool = True) -> AsyncIterator[House]:
    """An unlocked wallet, with an owner unless not ``paired``, one EVM wallet of 100 ETH and wide rules."""
    async with built(folder, paired=paired) as world:
        made = House(world)
        await made.rule("SPENDING_LIMIT", tiers(ETHER, 5 * ETHER, 20 * ETHER))
        await made.rule("CUMULATIVE_LIMIT", window(10**30))
        try:
            yield made
        finally:
            await made.agent.aclose()
            await made.owner.aclose()


def _client(app: Any, host: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{host}")
