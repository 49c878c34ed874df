"""Where anvil is, for the tests that want a second opinion on Ethereum."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ROOT / ".tools/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
HOW = (
    "npm install --prefix .tools --no-save --ignore-scripts @foundry-rs/anvil@1.7.1, "
    "or name a binary in WAIAAS_ANVIL"
)


def anvil_path() -> Path | None:
    """Return the anvil binary: WAIAAS_ANVIL, else PATH, else the one under `.tools`."""
    named = os.environ.get("WAIAAS_ANVIL")
    if named:
        return Path(named)
    on_path = shutil.which("anvil")
    if on_path:
        return Path(on_path)
    return INSTALLED if INSTALLED.is_file() else None


def require_anvil() -> Path:
    """Return the binary, or skip the test; with WAIAAS_TEST_REQUIRE=all, fail it instead."""
    found = anvil_path()
    if found is not None and found.is_file():
        return found
    reason = f"anvil is missing: {HOW}"
    if os.environ.get("WAIAAS_TEST_REQUIRE") == "all":
        pytest.fail(reason)
    pytest.skip(reason)
