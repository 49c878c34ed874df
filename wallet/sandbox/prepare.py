"""Fills a fresh sandbox through the same doors a person uses: wallets, rules, owner, money, sessions."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from wallet.domain.chains import ChainName
from wallet.domain.money import parse_human
from wallet.errors import Code, UnavailableError
from wallet.settings import Secret

Json = dict[str, Any]
SECONDS: Final = 30.0
POLL: Final = 0.03
WEEK: Final = 604_800
DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Coin:
    """One network of the sandbox: its tiers, what it is funded with and what a session may spend. In coins."""

    network: str
    chain: ChainName
    symbol: str
    decimals: int
    tiers: tuple[str, str, str]
    day: str
    funds: str
    session: str

    @property
    def asset(self) -> str:
        return f"{self.network}/native"

    def units(self, coins: str) -> str:
        return str(parse_human(coins, self.decimals, maximum=self.chain.max_amount))


COINS: Final = (
    Coin(
        "evm-local", ChainName.ETHEREUM, "ETH", 18, ("0.1", "1", "5"), "1000", "10000", "1000"
    ),
    Coin(
        "solana-localnet", ChainName.SOLANA, "SOL", 9, ("1", "10", "50"), "10000", "100000", "10000"
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """A wallet of the sandbox and the session an agent holds on it."""

    coin: Coin
    wallet: Json
    token: str = field(repr=False)


class OwnerClient:
    """The owner app over its socket; the password is exchanged for a ticket once."""

    def __init__(self, socket: Path, password: Secret) -> None:
        transport = httpx.AsyncHTTPTransport(uds=str(socket))
        self._http = httpx.AsyncClient(
            transport=transport, base_url="http://waiaas", timeout=SECONDS
        )
        self._password = password
        self._ticket: str | None = None

    async def close(self) -> None:
        await self._http.aclose()

    async def get(self, path: str, **query: Any) -> Json:
        return answer_of(await self._http.get(path, params=query))

    async def release(self, method: str, path: str, body: Json | None = None) -> Json:
        if self._ticket is None:
            headers = {"X-Master-Password": self._password.reveal()}
            found = await self._http.post("/v1/ticket", json={}, headers=headers)
            self._ticket = str(answer_of(found)["ticket"])
        headers = {"X-Ticket": self._ticket}
        return answer_of(await self._http.request(method, path, json=body or {}, headers=headers))


def answer_of(response: httpx.Response) -> Json:
    """The JSON of a good answer; UnavailableError with the daemon's words otherwise."""
    if response.is_success:
        return dict(response.json())
    raise UnavailableError(
        Code.INTERNAL_ERROR,
        f"The sandbox was refused {response.request.url.path}: {response.text}",
    )


@dataclass(frozen=True, slots=True)
class World:
    """The stand-ins by what they said, and the daemon's agent door."""

    agent_url: str
    telegram: Mapping[str, Any]
    controls: Mapping[ChainName, str]


async def prepare(owner: OwnerClient, world: World, delay_seconds: int) -> list[Held]:
    """Everything in order; about twenty calls."""
    async with httpx.AsyncClient(timeout=SECONDS) as http:
        wallets = [await _wallet(owner, coin, delay_seconds) for coin in COINS]
        for coin, wallet in zip(COINS, wallets, strict=True):
            await fund(http, world, coin, wallet["address"])
        held = [
            await _session(owner, http, world.agent_url, coin, wallet)
            for coin, wallet in zip(COINS, wallets, strict=True)
        ]
        # Last, because the bot takes the longest to come up.
        await _pair(owner, http, world)
        return held


async def renewed(owner: OwnerClient, agent_url: str, held: Sequence[Held]) -> list[Held]:
    """The same wallets, each with a new claimed session under the limits of the first one."""
    async with httpx.AsyncClient(timeout=SECONDS) as http:
        return [await _session(owner, http, agent_url, one.coin, one.wallet) for one in held]


async def _wallet(owner: OwnerClient, coin: Coin, delay_seconds: int) -> Json:
    body = {"name": f"{coin.symbol} wallet", "network": coin.network, "preset": "normal"}
    wallet = await owner.release("POST", "/v1/wallets", body)
    stored = (await owner.get("/v1/policies", walletId=wallet["id"]))["items"]
    ids = {rule["type"]: rule["id"] for rule in stored if rule["walletId"] == wallet["id"]}
    for rule_type, rules in sandbox_rules(coin, delay_seconds).items():
        rule = {"walletId": wallet["id"], "type": rule_type, "rules": rules}
        if rule_type in ids:
            rule["id"] = ids[rule_type]
        await owner.release("PUT", "/v1/policies", rule)
    return wallet


def sandbox_rules(coin: Coin, delay_seconds: int) -> dict[str, Json]:
    """The usual tiers with a delay short enough to watch, and a wide limit per day."""
    instant, notify, delay = (coin.units(amount) for amount in coin.tiers)
    tiers = {"instant_max": instant, "notify_max": notify, "delay_max": delay}
    return {
        "SPENDING_LIMIT": {"assets": {coin.asset: tiers}, "delay_seconds": delay_seconds},
        "CUMULATIVE_LIMIT": {
            "assets": {coin.asset: {"limit": coin.units(coin.day)}},
            "window_seconds": DAY,
            "over": "each_wallet",
            "otherwise": "deny",
        },
    }


async def fund(http: httpx.AsyncClient, world: World, coin: Coin, address: str) -> None:
    order = {"set_balance": {"address": address, "amount": coin.units(coin.funds)}}
    answer_of(await http.post(world.controls[coin.chain], json=order))


async def _pair(owner: OwnerClient, http: httpx.AsyncClient, world: World) -> None:
    """As a person would: the code goes to the bot in the chat, the host confirms who sent it."""
    code = (await owner.release("POST", "/v1/pairing"))["code"]
    message = {"text": f"/start {code}", "as": "owner"}
    answer_of(await http.post(f"{world.telegram['api']}/chat/messages", json=message))
    candidate = await _candidate(owner)
    await owner.release("POST", "/v1/pairing/confirm", {"userId": candidate["id"]})
    bands = {
        coin.asset: {"tapMax": str(coin.chain.max_amount), "codeMax": str(coin.chain.max_amount)}
        for coin in COINS
    }
    await owner.release("PUT", "/v1/bands", {"bands": bands})


async def _candidate(owner: OwnerClient) -> Json:
    try:
        async with asyncio.timeout(SECONDS):
            while (found := await owner.get("/v1/pairing"))["state"] != "CANDIDATE":  # noqa: ASYNC110
                await asyncio.sleep(POLL)
            return dict(found["candidate"])
    except TimeoutError:
        raise UnavailableError(
            Code.INTERNAL_ERROR, "The bot did not take the pairing code.", hint="See daemon.log."
        ) from None


async def _session(
    owner: OwnerClient, http: httpx.AsyncClient, agent_url: str, coin: Coin, wallet: Json
) -> Held:
    body = {
        "walletId": wallet["id"],
        "name": f"demo {coin.symbol}",
        "limits": {coin.asset: coin.units(coin.session)},
        "maxTransactions": 10_000,
        "ttlSeconds": WEEK,
    }
    made = await owner.release("POST", "/v1/sessions", body)
    claim = {"code": made["claimCode"]}
    claimed = answer_of(await http.post(f"{agent_url}/v1/sessions/claim", json=claim))
    return Held(coin, wallet, claimed["token"])
