"""One JSON line per figure, with the machine it was taken on."""

import json
import os
import platform
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.load import Load


def _model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


MACHINE = {"cpus": os.cpu_count(), "model": _model(), "python": platform.python_version()}


def figure(name: str, unit: str, note: str, **values: Any) -> None:
    """Print a figure. ``values`` hold `value`, or `p50` and `p95`, and whatever explains them."""
    rounded = {k: round(v, 2) if isinstance(v, float) else v for k, v in values.items()}
    line = {"figure": name, **rounded, "unit": unit, "note": note, "machine": MACHINE}
    print(json.dumps(line), flush=True)


def percentiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {"p50": median(ordered), "p95": ordered[(len(ordered) * 95 - 1) // 100]}


def rate(name: str, runs: list[Load], note: str) -> None:
    """A rate: the median run, with its latencies."""
    run = sorted(runs, key=lambda load: load.rate)[len(runs) // 2]
    figure(
        name,
        "per second",
        note,
        value=run.rate,
        p50_ms=run.p50,
        p95_ms=run.p95,
        cpu_ms_each=run.cpu_seconds * 1000 / run.answers,
        answers=sum(one.answers for one in runs),
        statuses=run.statuses,
        unexpected=sum(one.unexpected for one in runs),
        runs=[round(one.rate, 1) for one in runs],
    )
