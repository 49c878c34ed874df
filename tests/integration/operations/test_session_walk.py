"""The life of a session, walked whole through both doors: every act in every state, and what it is afterwards."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.chain import ETHER
from tests.support.house import House, bearer, house
from tests.support.world import PAYEE

DAY = 86_400
SECONDS = {"HALF": DAY // 2, "EXPIRED": DAY}
ACTS = ("claim", "look", "pay", "renew", "freeze", "resume", "revoke")
INVALID, REFUSED = "INVALID_TOKEN", "INVALID_STATE_TRANSITION"
# state -> for each act the code of the refusal (empty: none), and what the session is afterwards. HALF is ACTIVE, in the
# second half of its life; whoever claims twice ends the session, because one of the two is a thief.
WALK = {
    "WAITING": [
        ("", "ACTIVE"), (INVALID, "WAITING"), (INVALID, "WAITING"), (INVALID, "WAITING"), ("", "FROZEN"),
        (REFUSED, "WAITING"), ("", "REVOKED"),
    ],
    "ACTIVE": [
        ("CLAIM_INVALID", "REVOKED"), ("", "ACTIVE"), ("", "ACTIVE"), ("RENEWAL_TOO_EARLY", "ACTIVE"), ("", "FROZEN"),
        (REFUSED, "ACTIVE"), ("", "REVOKED"),
    ],
    "HALF": [
        ("CLAIM_INVALID", "REVOKED"), ("", "ACTIVE"), ("", "ACTIVE"), ("", "ACTIVE"), ("", "FROZEN"),
        (REFUSED, "ACTIVE"), ("", "REVOKED"),
    ],
    "FROZEN": [
        ("CLAIM_INVALID", "REVOKED"), ("", "FROZEN"), ("SESSION_FROZEN", "FROZEN"), ("SESSION_FROZEN", "FROZEN"),
        (REFUSED, "FROZEN"), ("", "ACTIVE"), ("", "REVOKED"),
    ],
    "REVOKED": [
        ("CLAIM_INVALID", "REVOKED"), ("SESSION_REVOKED", "REVOKED"), ("SESSION_REVOKED", "REVOKED"),
        ("SESSION_REVOKED", "REVOKED"), (REFUSED, "REVOKED"), (REFUSED, "REVOKED"), ("", "REVOKED"),
    ],
    "EXPIRED": [
        ("CLAIM_INVALID", "REVOKED"), ("TOKEN_EXPIRED", "EXPIRED"), ("TOKEN_EXPIRED", "EXPIRED"),
        ("TOKEN_EXPIRED", "EXPIRED"), (REFUSED, "EXPIRED"), (REFUSED, "EXPIRED"), ("", "REVOKED"),
    ],
}  # fmt: skip


@pytest.fixture
async def home(tmp_path: Path) -> Any:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    async with house(folder) as made:
        yield made


class Walker:
    """One session, brought into a state."""

    def __init__(self, home: House, made: dict[str, Any]) -> None:
        self._home, self._code, self.id = home, made["claimCode"], made["id"]
        self._token = "none"

    async def is_brought_to(self, state: str) -> None:
        if state == "WAITING":
            return
        self._token = (await self.claim()).json()["token"]
        if state == "FROZEN":
            await self.freeze()
        elif state == "REVOKED":
            await self.revoke()
        elif state in SECONDS:
            self._home.world.clock.advance(SECONDS[state])
        assert await self.state() == ("ACTIVE" if state == "HALF" else state)

    async def state(self) -> str:
        found = await self._home.holder("GET", f"/v1/sessions/{self.id}")
        return str(found.json()["status"])

    async def claim(self) -> httpx.Response:
        return await self._home.agent.post("/v1/sessions/claim", json={"code": self._code})

    async def look(self) -> httpx.Response:
        return await self._home.agent.get("/v1/transactions", headers=bearer(self._token))

    async def pay(self) -> httpx.Response:
        return await self._home.sends(self._token, ETHER // 10)

    async def renew(self) -> httpx.Response:
        path = f"/v1/sessions/{self.id}/renew"
        return await self._home.agent.put(path, headers=bearer(self._token))

    async def freeze(self) -> httpx.Response:
        return await self._home.holder("POST", f"/v1/sessions/{self.id}/freeze")

    async def resume(self) -> httpx.Response:
        return await self._home.host("POST", f"/v1/sessions/{self.id}/resume")

    async def revoke(self) -> httpx.Response:
        return await self._home.holder("DELETE", f"/v1/sessions/{self.id}")


@pytest.mark.parametrize("state", WALK)
async def test_every_act_in_every_state(home: House, state: str) -> None:
    for act, (code, after) in zip(ACTS, WALK[state], strict=True):
        home.world.clock.advance(60)  # claims are counted by the minute
        body = {
            "walletId": home.world.wallet.id,
            "name": "walker",
            "ttlSeconds": DAY,
            "limits": {"evm-local/native": str(10 * ETHER)},
        }
        walker = Walker(home, (await home.host("POST", "/v1/sessions", body)).json())
        await walker.is_brought_to(state)
        paid = home.world.chain.received(PAYEE)

        answer = await getattr(walker, act)()

        assert (answer.json().get("code", ""), await walker.state()) == (code, after), act
        has_paid = home.world.chain.received(PAYEE) > paid
        assert has_paid is (act == "pay" and code == ""), act
