# ruff: noqa: INP001 - a script beside its picture, not a package
"""Makes docs/pictures/chat.png: a conversation in a running sandbox, taken in Chromium.

Run `.venv/bin/python -m docs.pictures.make` in the repository's root; with `--dark` or `--width 390`
and a path it takes other views of the same conversation. Needs the Debian packages chromium, pngquant,
fonts-roboto-unhinted and fonts-noto-color-emoji.
"""

import argparse
import shutil
import subprocess
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.support.browser import ARGUMENTS, chromium_path
from tests.support.sandbox import Sandbox, sandbox

PICTURE = Path(__file__).with_name("chat.png")
WIDTH = 760
SCALE = 2
STORE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
CARDS = 4
# The paper's gradients and the shadow around the window would be most of the file.
FLAT = ":root { --page: %s } #app { background: %s; box-shadow: none }"
LIGHT, DARK = FLAT % ("#eef3ea", "#bcd6ae"), FLAT % ("#0a1017", "#0e1621")
NEEDED = """cards => {
  const shown = [...document.querySelectorAll('.message')].slice(-cards);
  const log = document.getElementById('log').getBoundingClientRect();
  const chrome = document.body.clientHeight - document.getElementById('scroll').clientHeight;
  return Math.ceil(chrome + log.bottom - shown[0].getBoundingClientRect().top + 4);
}"""


def talk(running: Sandbox) -> None:
    """One payment that was told, one approved, one on hold and one that waits for the owner."""
    eth, sol, owner = running.agent("ethereum"), running.agent("solana"), running.owner
    eth.asks("0.5", to=STORE, memo="API credits for March", wait=20)
    owner.finds("0.5 ETH", "Paid")
    approved = sol.asks("75", memo="Invoice 118, Northwind Hosting")
    owner.approves("75 SOL")
    sol.waits_for(approved["id"], "CONFIRMED")
    owner.finds("75 SOL", "Paid")
    sol.asks("20", memo="Two hours on eight GPUs")
    owner.finds("20 SOL", button="Cancel")
    eth.asks("8", to=STORE, memo="Yearly plan, 12 seats")
    owner.finds("8 ETH", button="Approve")


def take(page: Page, *, dark: bool, path: Path) -> None:
    """Fit the window to the last cards and take it."""
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    page.add_style_tag(content=DARK if dark else LIGHT)
    page.evaluate("document.fonts.ready.then(() => null)")
    height = page.evaluate(NEEDED, CARDS)
    page.set_viewport_size({"width": page.evaluate("innerWidth"), "height": height})
    expect(page.locator("#down.away")).to_have_count(1)
    page.screenshot(path=path, animations="disabled")
    fewer = [shutil.which("pngquant") or "pngquant", "--force", "--speed", "1", "--output"]
    subprocess.run([*fewer, str(path), "256", str(path)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", nargs="?", type=Path, default=PICTURE)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--width", type=int, default=WIDTH)
    chosen = parser.parse_args()
    with sandbox("--delay-seconds", "900") as running, sync_playwright() as playwright:
        talk(running)
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        page = browser.new_page(
            viewport={"width": chosen.width, "height": 1100},
            device_scale_factor=SCALE,
            color_scheme="dark" if chosen.dark else "light",
            bypass_csp=True,  # for the style above
        )
        page.goto(running.facts["telegram_url"])
        take(page, dark=chosen.dark, path=chosen.path)
        browser.close()


if __name__ == "__main__":
    main()
