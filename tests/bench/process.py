"""Figures of the process: start, memory, install."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.bench.load import run
from tests.bench.report import figure
from tests.bench.world import ROOT, Bench, age, answers_health, is_polling, payment, read
from tests.support.sandbox import until

STARTS = 5
SETTLE_SECONDS = 3.0


def cold_start(found: Bench) -> None:
    health, ready, polling = [], [], []
    for _ in range(STARTS):
        os.kill(found.daemon, signal.SIGTERM)
        line = found.running.lines.get(timeout=30)
        pid = line["daemon_pid"]
        found.running.daemon_pids.append(pid)
        until(lambda: answers_health(found.url), "/health answers")
        health.append(age(pid))
        found.running.is_ready()
        ready.append(age(pid))
        is_polling(found)
        polling.append(age(pid))
    for name, times in (("health", health), ("ready", ready), ("polling", polling)):
        figure(
            f"start_to_{name}",
            "seconds",
            "from the birth of the process; looked at every 30 ms",
            value=median(times),
            runs=[round(one, 2) for one in times],
        )


def memory(found: Bench) -> None:
    found.restarts()
    is_polling(found)
    time.sleep(SETTLE_SECONDS)
    note = "PSS of daemon and signer, the bot polling"
    figure("memory_idle", "MB", note, value=found.memory())
    agents = found.agents("ethereum", 16)
    run(found.url, [[payment(a, "0.0001") for _ in range(50)] for a in agents], 8)
    run(found.url, [[read(agents[0])]] * 16, 4)
    figure(
        "memory_loaded", "MB", f"{note}; after 8 s of payments, 4 s of reads", value=found.memory()
    )


def install() -> None:
    """A fresh environment with what production needs."""
    with tempfile.TemporaryDirectory(prefix="waiaas-install-") as folder:
        venv = Path(folder) / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
        site = next((venv / "lib").glob("python*")) / "site-packages"
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        lock = ["--require-hashes", "-r", str(ROOT / "requirements.lock")]
        subprocess.run([*pip, "--no-compile", "--target", str(site), *lock], check=True)
        used = sum(p.lstat().st_blocks * 512 for p in site.rglob("*") if p.is_file())
        packages = len(list(site.glob("*.dist-info")))
    note = "requirements.lock in a fresh environment, before byte code"
    figure("install_size", "MB", note, value=used / 1e6)
    figure("install_packages", "packages", note, value=packages)
