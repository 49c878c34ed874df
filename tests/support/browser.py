"""Where Chromium is, for the tests that look at pages."""

import os
import shutil

import pytest

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def chromium_path() -> str:
    """Return the browser, or skip the test; with WAIAAS_TEST_REQUIRE=all, fail it instead."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found:
        return found
    reason = "Chromium is missing: apt-get install chromium"
    if os.environ.get("WAIAAS_TEST_REQUIRE") == "all":
        pytest.fail(reason)
    pytest.skip(reason)
