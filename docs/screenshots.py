"""Take the pictures of MLflow's pages that the documentation shows.

    python docs/screenshots.py --home runs

Opens the newest experiment below `--home` in headless Chromium and writes
``docs/images/mlflow_leaderboard.png`` and ``docs/images/mlflow_curves.png``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from runner.tracking.ui import listed, running, view_page

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

IMAGES = Path(__file__).parent / "images"
SIZE = (1400, 800)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--hide-scrollbars --force-device-scale-factor=1"
)
PICTURES = {
    "mlflow_leaderboard.png": ("leaderboard", "", "[col-id='attributes.`Run Name`'] a"),
    "mlflow_curves.png": ("curves", "CHART", ".js-plotly-plot .scatterlayer .trace"),
}
"""File to (saved view, mode, what must be on the page before the picture is taken)."""
QUIET = """
localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');
localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false');
"""
"""MLflow opens its assistant over a third of the page on the first visit."""
TIDY = "document.querySelectorAll('.modebar, [data-assistant-ui]').forEach(e => e.remove())"
"""Buttons that a page without a mouse shows all the time."""


@contextmanager
def chromium() -> Iterator[Chrome]:
    """A headless browser with a profile of its own. Exits when there is none."""
    from selenium import webdriver

    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not binary or not driver:
        sys.exit("chromium and chromedriver are needed on the PATH")
    with tempfile.TemporaryDirectory(prefix="sft-browser-", ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = binary
        for flag in (*FLAGS.split(), f"--user-data-dir={profile}"):
            options.add_argument(flag)
        browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
        try:
            browser.set_window_size(*SIZE)
            lost = SIZE[1] - browser.execute_script("return window.innerHeight")
            browser.set_window_size(SIZE[0], SIZE[1] + lost)
            yield browser
        finally:
            browser.quit()


def wait_for(browser: Chrome, selector: str, seconds: float = 60.0) -> None:
    """Wait until the page has an element that matches the CSS selector."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, seconds).until(
        lambda page: page.find_elements("css selector", selector), f"no {selector} on the page"
    )


def open_page(browser: Chrome, url: str, selector: str) -> None:
    """Open a page of MLflow afresh and wait for an element of it."""
    browser.get("about:blank")
    browser.get(f"{url.partition('#')[0]}health")
    browser.execute_script(QUIET)
    browser.get(url)
    wait_for(browser, selector)


def take(base: str, browser: Chrome, images: Path) -> None:
    """Write the pictures of the newest experiment of the MLflow server at `base`."""
    pages = listed(base)
    if not pages:
        sys.exit(f"no experiment at {base}")
    experiment = pages[0][1].split("/")[2]
    for name, (view, mode, selector) in PICTURES.items():
        open_page(browser, f"{base}/{view_page(experiment, view, mode)}", selector)
        time.sleep(2)  # the charts move into place
        browser.execute_script(TIDY)
        file = images / name
        browser.save_screenshot(str(file))
        shrink(file)
        print(file, f"{file.stat().st_size // 1024} kB")


def shrink(file: Path) -> None:
    """Pack the file tightly; colours stay, they tell the arms apart."""
    from PIL import Image

    with Image.open(file) as image:
        image.convert("RGB").save(file, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("runs"), help="folder with the runs")
    home = parser.parse_args().home.resolve()
    uri = f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"
    with running(uri, home) as (base, _), chromium() as browser:
        take(base, browser, IMAGES)


if __name__ == "__main__":
    main()
