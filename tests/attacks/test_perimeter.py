"""SEC-04, EX and what surrounds the daemon: files, hosts, bodies, secrets, second daemons."""

import json
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.attacks.catalogue import scenario
from tests.attacks.test_sessions import answered
from tests.support.production import PASSWORD, Installation, installation, relaxed
from tests.support.sandbox import CHAINS, Agent, Sandbox, until

pytestmark = pytest.mark.xdist_group("perimeter")
SMALL = {"ethereum": "0.01", "solana": "0.01"}


RPC_KEY = "key-of-the-node-8Kq2"


def with_a_key(config: str) -> str:
    """The endpoint's URL carries an access key, as those of providers do."""
    return re.sub(r'(rpc = \["http://[0-9.:]+)/?"', rf'\1/?key={RPC_KEY}"', relaxed(config))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Agent]]:
    """A production-kind installation with a paired owner, one funded wallet and one agent."""
    with installation(tmp_path_factory.mktemp("perimeter"), configure=with_a_key) as made:
        made.starts()
        made.pairs()
        wallet = made.says(
            "wallet", "create", "--name", "main", "--network", "evm-local", "--preset", "normal"
        )
        yield made, made.new_agent(wallet)


def running(made: Installation, agent: Agent) -> Agent:
    if made.daemon is None:
        made.starts()
    agent.url = made.facts["agent_url"]
    return agent


def keystore_files(made: Installation) -> list[Path]:
    return [path for path in (made.data_dir / "keystore").rglob("*") if path.is_file()]


@scenario("SEC-04-01", "R-21")
def test_a_locked_daemon_signs_nothing(installed: tuple[Installation, Agent]) -> None:
    made, agent = installed
    running(made, agent)
    made.stops()
    made.starts("--locked", proved=False)
    agent.url = made.facts["agent_url"]
    payee = agent.chain.stranger()

    row = agent.asks("0.01", to=payee)

    assert agent.sees(row["id"])["status"] == "PENDING"
    assert made.host.status()["locked"] is True
    assert agent.chain.payments_to(payee) == []
    made.says("unlock")
    agent.waits_for(row["id"], "CONFIRMED")


@scenario("SEC-04-02")
@pytest.mark.parametrize(("folder", "where"), [("wallets", "first"), ("secrets", "last")])
def test_one_bent_byte_of_a_key_file_is_noticed_and_nothing_is_touched(
    installed: tuple[Installation, Agent], folder: str, where: str
) -> None:
    """The start ends there; what was found is in the audit log, and in the chat once a daemon runs."""
    made, agent = installed
    running(made, agent)
    made.stops()
    victim = next((made.data_dir / "keystore" / folder).iterdir())
    whole = victim.read_bytes()
    sealed = json.loads(whole)
    text = max((v for v in sealed.values() if isinstance(v, str)), key=len)
    place = whole.index(text.encode()) + {"first": 0, "last": len(text) - 2}[where]
    other = b"A" if whole[place : place + 1] != b"A" else b"B"
    broken = whole[:place] + other + whole[place + 1 :]
    victim.write_bytes(broken)
    try:
        done = made.runs("start", "--port", "0", code=1)

        assert "KEYSTORE_CORRUPTED" in done.stdout + done.stderr
        assert victim.name in done.stdout + done.stderr
        assert victim.read_bytes() == broken
    finally:
        victim.write_bytes(whole)
    facts = made.says("audit", "list", proved=False)["items"]
    found = [row["details"]["file"] for row in facts if row["fact"] == "KEYSTORE_CORRUPTED"]
    assert found.count(str(victim)) == 1
    running(made, agent)
    made.owner.finds("The keystore was damaged or changed", victim.name)


@scenario("SEC-04-03")
def test_a_wrong_password_is_told_apart_from_damage_and_leaves_it_locked(
    installed: tuple[Installation, Agent],
) -> None:
    made, agent = installed
    running(made, agent)
    made.stops()
    wrong = made.data_dir.parent / "wrong"
    wrong.write_text("not the password")
    wrong.chmod(0o600)

    done = made.runs("start", "--port", "0", "--password-file", str(wrong), proved=False, code=4)

    assert "WRONG_PASSWORD" in done.stdout + done.stderr
    assert "not the password" not in done.stdout + done.stderr

    made.starts("--locked", proved=False)
    done = made.runs("unlock", "--password-file", str(wrong), proved=False, code=4)
    assert "INVALID_MASTER_PASSWORD" in done.stderr
    assert made.host.status()["locked"] is True
    made.says("unlock")
    assert made.host.status()["locked"] is False


@scenario("SEC-04-04", "SEC-04-06")
@pytest.mark.parametrize(
    "name", ["..%2F..%2Fetc%2Fpasswd", "%00", "....", "a" * 300, "x;rm", "\u00e9"]
)
def test_an_id_that_is_none_reaches_no_file(
    installed: tuple[Installation, Agent], name: str
) -> None:
    made, agent = installed
    running(made, agent)
    before = sorted(keystore_files(made))

    for path in ("wallets", "sessions", "transactions", "policies"):
        answer = made.host.request("GET", f"/v1/{path}/{name}", proved=False)
        assert answer.status_code == httpx.codes.NOT_FOUND, answer.text
    assert agent.request("GET", f"/v1/transactions/{name}").status_code == httpx.codes.NOT_FOUND
    assert sorted(keystore_files(made)) == before


@scenario("SEC-04-05")
def test_a_stop_ends_the_process_that_held_the_keys(shared_stop: Sandbox) -> None:
    """Wiping memory is not promised; ending the signer is, and it is what counts."""
    daemon = shared_stop.daemon_pids[-1]
    before = children(daemon)
    assert before

    shared_stop.host.does("POST", "/v1/kill-switch", json={"reason": "a test"})

    until(lambda: not set(before) & set(children(daemon)), "the signer is gone")


@pytest.fixture
def shared_stop() -> Iterator[Sandbox]:
    from tests.support.sandbox import sandbox  # noqa: PLC0415 - one of its own: it ends stopped

    with sandbox() as own:
        yield own


def children(pid: int) -> list[int]:
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for one in lists for child in one.read_text().split()]


@scenario("EX-01", "N-08")
@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize(
    "host",
    ["evil.com", "localhost.evil.com", "127.0.0.1:1", "127.0.0.1", "localhost", "", "[::1]"],
)
def test_another_host_is_refused_before_the_token_is_looked_at(
    installed: tuple[Installation, Agent], host: str, chain: str
) -> None:
    made, agent = installed
    running(made, agent)
    token = agent.token if chain == "ethereum" else "wai_sess_nonsense"

    answer = raw(agent.url, f"Host: {host}", f"Authorization: Bearer {token}")

    assert answer.startswith(("HTTP/1.1 403", "HTTP/1.1 400")), answer


def raw(url: str, *headers: str) -> str:
    """One GET written by hand: a client library would mend the headers."""
    address = url.removeprefix("http://").split(":")
    lines = ["GET /v1/wallet/address HTTP/1.1", *headers, "Connection: close", "", ""]
    with socket.create_connection((address[0], int(address[1])), timeout=10) as connection:
        connection.sendall("\r\n".join(lines).encode())
        return connection.makefile("rb").read().decode()


@scenario("EX-01", "N-08")
@pytest.mark.parametrize(
    "origin", ["http://evil.com", "null", "https://127.0.0.1:3100", "file://"]
)
def test_a_web_page_can_do_nothing(installed: tuple[Installation, Agent], origin: str) -> None:
    made, agent = installed
    running(made, agent)

    sent = agent.request(
        "POST",
        "/v1/transactions/send",
        json={"to": "x", "amount": "1"},
        headers={"Origin": origin},
    )
    form = agent.request(
        "POST",
        "/v1/transactions/send",
        content="to=x&amount=1",
        headers={"Content-Type": "text/plain"},
    )

    assert sent.status_code == httpx.codes.FORBIDDEN
    assert form.status_code in {httpx.codes.BAD_REQUEST, httpx.codes.UNSUPPORTED_MEDIA_TYPE}


@scenario("EX-02")
def test_every_file_with_a_secret_is_the_owners_alone(
    installed: tuple[Installation, Agent],
) -> None:
    made, agent = installed
    running(made, agent)
    private = [made.data_dir / "bot_token", made.data_dir / "waiaas.db", *keystore_files(made)]

    for path in private:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    for folder in {path.parent for path in private}:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    assert stat.S_IMODE(Path(made.facts["owner_socket"]).stat().st_mode) == 0o600


@scenario("EX-02")
def test_a_key_file_that_others_can_read_stops_the_start(
    installed: tuple[Installation, Agent],
) -> None:
    made, agent = installed
    running(made, agent)
    made.stops()
    victim = next((made.data_dir / "keystore" / "wallets").iterdir())
    victim.chmod(0o644)
    try:
        done = made.runs("start", "--port", "0", code=1)
        assert "KEYSTORE_PERMISSIONS" in done.stdout + done.stderr
    finally:
        victim.chmod(0o600)


@scenario("EX-03", "N-20")
def test_no_answer_and_no_log_holds_a_secret(installed: tuple[Installation, Agent]) -> None:
    made, agent = installed
    running(made, agent)
    bot_token = (made.data_dir / "bot_token").read_text().strip()
    fail_outwards(made, agent)
    answers = [
        httpx.get(f"{agent.url}/health").text,
        httpx.get(f"{agent.url}/openapi.json").text,
        agent.request("POST", "/v1/transactions/send", json={"to": agent.token}).text,
        agent.request("POST", "/v1/transactions/send", json=[agent.token]).text,
        agent.request("GET", f"/v1/transactions/{agent.token}").text,
        *(
            made.host.request(method, path, proved=False).text
            for method, path in [
                ("GET", "/v1/status"), ("GET", "/v1/doctor"), ("GET", "/v1/audit"),
                ("GET", "/v1/sessions"), ("GET", "/v1/wallets"), ("POST", "/v1/unlock"),
            ]
        ),
        made.log.read_text(),
    ]  # fmt: skip

    assert RPC_KEY in (made.data_dir / "config.toml").read_text()
    assert "Telegram" in answers[-1]
    for text in answers:
        for secret in (PASSWORD, bot_token, agent.token, RPC_KEY):
            assert secret not in text
        assert "Traceback" not in text


def fail_outwards(made: Installation, agent: Agent) -> None:
    """Calls to the node and to Telegram fail, each with a secret in its URL."""
    agent.chain.order(down={"seconds": None})
    httpx.post(f"{made.owner.url}/fault", json={"kind": "502", "count": 2}).raise_for_status()
    agent.asks("0.01")
    assert agent.request("GET", "/v1/wallet/balance").status_code == 503
    until(lambda: "Telegram" in made.log.read_text(), "the log tells of it")
    httpx.post(f"{made.owner.url}/fault", json={"kind": "clear"}).raise_for_status()
    agent.chain.order(up=True)


@scenario("S-20")
def test_a_second_daemon_on_the_directory_is_refused(
    installed: tuple[Installation, Agent],
) -> None:
    made, agent = installed
    running(made, agent)

    done = made.runs("start", "--port", "0", code=2)

    assert "DAEMON_ALREADY_RUNNING" in done.stdout + done.stderr
    assert agent.request("GET", "/v1/wallet/address").is_success


@scenario("R-15")
def test_a_sandbox_and_a_production_directory_are_never_mixed_up(
    installed: tuple[Installation, Agent], shared: Sandbox
) -> None:
    made, agent = installed
    running(made, agent)
    made.stops()

    mixed = made.runs("sandbox", "--no-demo", "--port", "0", proved=False, code=1)
    assert "DATA_DIRECTORY_KIND" in mixed.stdout + mixed.stderr
    other = Installation(
        Path(shared.facts["data_dir"]),
        Path(shared.facts["password_file"]),
        made.node,
        made.telegram,
    )
    started = other.runs("start", "--port", "0", code=1)
    assert "DATA_DIRECTORY_KIND" in started.stdout + started.stderr


@scenario("R-15")
def test_no_variable_moves_the_telegram_address(
    installed: tuple[Installation, Agent],
) -> None:
    made, agent = installed
    running(made, agent)
    made.stops()
    name = "WAIAAS_TELEGRAM_API_URL"

    done = made.runs("start", "--port", "0", code=1, environ={name: "http://127.0.0.1:9"})

    assert name in done.stdout + done.stderr


@scenario("EX-04")
@pytest.mark.parametrize("guesses", [120])
def test_guessing_tokens_is_slowed_down_and_shuts_nobody_else_out(
    installed: tuple[Installation, Agent], guesses: int
) -> None:
    made, agent = installed
    running(made, agent)
    with httpx.Client(base_url=agent.url, timeout=10) as client:
        found = [
            client.get("/v1/wallet/address", headers={"Authorization": f"Bearer wai_sess_a.b.{n}"})
            for n in range(guesses)
        ]

    assert answered(found[0]) == (401, "INVALID_TOKEN")
    assert answered(found[-1]) == (429, "RATE_LIMIT_EXCEEDED")
    assert agent.request("GET", "/v1/wallet/address").is_success


@scenario("R-31")
def test_a_refused_bot_token_ends_the_chat_and_nothing_else(
    installed: tuple[Installation, Agent],
) -> None:
    made, agent = installed
    running(made, agent)
    made.stops()
    token = made.data_dir / "bot_token"
    whole = token.read_text()
    token.write_text("123456:revoked")
    try:
        running(made, agent)
        until(lambda: made.host.status()["bot"]["state"] == "REFUSED", "the token is refused")
        row = agent.asks("0.01")
        agent.waits_for(row["id"], "CONFIRMED")
        made.stops()
    finally:
        token.write_text(whole)


@scenario("R-39")
def test_a_long_path_moves_the_socket_and_keeps_it_private(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    deep.mkdir(parents=True)
    with installation(deep) as made:
        made.starts()
        path = Path(made.facts["owner_socket"])

        assert len(str(path)) < 100
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert made.host.status()["locked"] is False
        made.stops()
        assert not path.exists()


@scenario("R-34", "N-24")
def test_an_endpoint_that_becomes_another_chain_is_refused(
    installed: tuple[Installation, Agent],
) -> None:
    made, agent = installed
    running(made, agent)
    payee = agent.chain.stranger()
    made.stops()
    agent.chain.order(chain_id={"value": 1})
    try:
        running(made, agent)
        row = agent.asks("0.01", to=payee)
        read = agent.request("GET", "/v1/wallet/balance")
        assert answered(read) == (502, "CHAIN_IDENTITY_MISMATCH")
        found = made.host.does("GET", "/v1/doctor", proved=False)["report"]["networks"]
        assert found["evm-local"]["code"] == "CHAIN_IDENTITY_MISMATCH"
        assert agent.sees(row["id"])["status"] in {"PENDING", "EXECUTING"}
        assert agent.chain.payments_to(payee) == []
    finally:
        agent.chain.order(chain_id={"value": None})
    agent.waits_for(row["id"], "CONFIRMED", seconds=60)
