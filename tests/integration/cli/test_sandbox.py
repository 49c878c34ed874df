"""`waiaas sandbox`: one line when it is ready, a daemon that comes back, and nothing left behind."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.support.waiaas_sandbox import (
    RunningSandbox,
    bare_environment,
    descendants,
    is_alive,
    running_sandbox,
    waiaas,
)

pytestmark = pytest.mark.xdist_group("cli_sandbox")

SHOP = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def _until(is_so: Callable[[], bool], seconds: float = 20) -> float:
    begun = time.monotonic()
    while not is_so():
        assert time.monotonic() < begun + seconds
        time.sleep(0.05)
    return time.monotonic() - begun


def _is_ready(sandbox: RunningSandbox) -> bool:
    try:
        return httpx.get(f"{sandbox.ready['agent_url']}/ready").is_success
    except httpx.HTTPError:
        return False


def test_a_sandbox_is_ready_to_use_private_and_gone_afterwards(tmp_path: Path) -> None:
    # Settings meant for a real daemon must not reach the sandbox's.
    with running_sandbox(WAIAAS_DAEMON_PORT="1", WAIAAS_DATA_DIR=str(tmp_path)) as sandbox:
        ready = sandbox.ready
        assert ready["ready"] is True
        assert [one["network"] for one in ready["wallets"]] == ["evm-local", "solana-localnet"]
        assert {one["walletId"] for one in ready["sessions"]} == {
            one["id"] for one in ready["wallets"]
        }
        home = Path(ready["data_dir"])
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert stat.S_IMODE(Path(ready["password_file"]).stat().st_mode) == 0o600
        with sandbox.http(0) as http:
            assert http.get("/v1/wallet/balance").json()["formatted"].startswith("10000")
        with sandbox.http(1) as http:
            assert http.get("/v1/wallet/balance").json()["formatted"].startswith("100000")
        children = descendants(sandbox.process.pid)
        assert len(children) >= 5

        sandbox.process.send_signal(signal.SIGINT)
        assert sandbox.process.wait(20) == 0

    assert not any(is_alive(pid) for pid in children)
    assert not home.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_daemon_that_dies_comes_back_on_the_same_port_and_pays_once() -> None:
    with running_sandbox(WAIAAS_SANDBOX_KILL_AT="STORED") as sandbox:
        with sandbox.http(0) as http:
            body = {"to": SHOP, "humanAmount": "0.05"}
            with suppress(httpx.HTTPError):  # the daemon may die before it has answered
                http.post("/v1/transactions/send", json=body)
        told = sandbox.line()
        assert told["daemon_restarted"] is True
        assert told["daemon_pid"] != sandbox.ready["daemon_pid"]
        _until(lambda: _is_ready(sandbox))
        with sandbox.http(0) as http:
            path = "/v1/transactions"
            _until(lambda: http.get(path).json()["items"][0]["status"] == "CONFIRMED")

        # A crash point is for the first daemon only, and a kill is answered by a restart every time.
        os.kill(told["daemon_pid"], signal.SIGKILL)
        again = sandbox.line()
        assert again["daemon_restarted"] is True
        mined = httpx.get(sandbox.ready["evm_control"]).json()["mined"]
        assert len(mined) == 1


def test_when_the_parent_is_killed_nothing_survives(tmp_path: Path) -> None:
    home = tmp_path / "box"
    with running_sandbox("--data-dir", str(home)) as sandbox:
        children = descendants(sandbox.process.pid)
        sandbox.process.kill()
        _until(lambda: not any(is_alive(pid) for pid in children), 10)

    # The directory is an earlier sandbox's now, and may be used again; anything else may not.
    with running_sandbox("--data-dir", str(home)) as sandbox:
        assert sandbox.ready["data_dir"] == str(home)
        second = waiaas("sandbox", "--json", "--data-dir", str(home))
        assert json.loads(second.stdout)["code"] == "DAEMON_ALREADY_RUNNING"
        assert second.returncode == 2
    (tmp_path / "diary.txt").write_text("mine")
    refused = waiaas("sandbox", "--data-dir", str(tmp_path))
    assert refused.returncode == 1
    assert "nothing was touched" in refused.stderr
    assert (tmp_path / "diary.txt").read_text() == "mine"


def test_a_person_reads_what_runs_what_to_paste_and_where_the_chat_is() -> None:
    command = [sys.executable, "-m", "wallet", "sandbox", "--port", "0", "--delay-seconds", "1"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=bare_environment()
    ) as process:
        lines: list[str] = []
        try:
            assert process.stdout is not None
            while not lines or not lines[-1].endswith("/chat"):
                lines.append(process.stdout.readline().rstrip("\n"))
                assert lines[-1] or process.poll() is None
        finally:
            process.terminate()
            process.communicate(timeout=10)

    text = "\n".join(lines)
    assert lines[-1].startswith("http://127.0.0.1:")
    for tier in ("INSTANT", "NOTIFY", "DELAY", "APPROVAL"):
        assert text.count(tier) == 2
    assert "0.05 ETH: paid, 0x" in text
    assert " recover --data-dir " in text
    assert " send --to " in text
    assert "wai_sess_" not in text
