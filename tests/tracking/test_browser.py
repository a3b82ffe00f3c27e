"""MLflow's own pages in a real browser: what a person sees of a synced experiment."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from runner.tracking import TrackingLinks, tracking_uri
from runner.tracking.ui import run_page, running, view_page
from tests.tracking import sample
from tests.tracking.conftest import TRACKING, tracker

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="chromium and chromedriver are not on the PATH",
    ),
]

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "screenshots.py"
RUN_NAME = "[col-id='attributes.`Run Name`'] a"
PRIMARY = "metrics.`test/exact_match`"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script that takes the documentation's pictures: it knows how to open a browser."""
    spec = importlib.util.spec_from_file_location("screenshots", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def shown(
    tmp_path_factory: pytest.TempPathFactory, migrated: Path
) -> Iterator[tuple[str, TrackingLinks]]:
    """The sample experiment on a running server: its address and links."""
    home = tmp_path_factory.mktemp("shown")
    (home / "mlflow").mkdir()
    shutil.copy(migrated, home / "mlflow" / "mlflow.db")
    report = home / "report.html"
    report.write_text("<!doctype html><meta charset=utf-8><h1 id=verdict>Tuned wins ✓</h1>")
    ours = tracker(home)
    links = ours.sync(sample.experiment(home / "artifacts"), report, {})
    ours.close()
    with running(tracking_uri(TRACKING, home), home) as (base, _):
        yield base, links


@pytest.fixture(scope="module")
def browser(script: ModuleType) -> Iterator[Any]:
    with script.chromium() as chrome:
        yield chrome


def test_the_leaderboard_lists_every_arm_with_its_score(
    shown: tuple[str, TrackingLinks], browser: Any, script: ModuleType
) -> None:
    base, links = shown
    script.open_page(browser, links.at(links.leaderboard, base), RUN_NAME)

    names = [cell.text for cell in browser.find_elements("css selector", RUN_NAME)]
    assert set(names) == {
        "zero-shot",
        "3-shot",
        "80 rows · lr 1",
        "240 rows · lr 1",
        "240 rows · lr 1.5",
    }
    heading = browser.find_element("css selector", f".ag-header-cell[col-id='{PRIMARY}']")
    assert heading.text.strip() == "test/exact_match"
    assert heading.is_displayed()
    cells = browser.find_elements("css selector", f".ag-cell[col-id='{PRIMARY}']")
    scores = [float(cell.text) for cell in sorted(cells, key=lambda cell: cell.location["y"])]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)


def test_the_report_renders_on_the_parent_run(
    shown: tuple[str, TrackingLinks], browser: Any, script: ModuleType
) -> None:
    base, links = shown
    page = run_page(links.experiment_id, links.parent_run_id, "report.html")
    script.open_page(browser, links.at(page, base), "iframe")

    browser.switch_to.frame(browser.find_element("css selector", "iframe"))
    script.wait_for(browser, "#verdict")
    assert browser.find_element("id", "verdict").text == "Tuned wins ✓"
    browser.switch_to.default_content()


def test_the_parent_run_opens_with_the_verdict_and_links_to_the_arms(
    shown: tuple[str, TrackingLinks], browser: Any, script: ModuleType
) -> None:
    base, links = shown
    script.open_page(browser, links.at(links.parent, base), "body")

    wait_for_text(browser, "wins: 0.450 above 3-shot")
    (arm, *_) = browser.find_elements("link text", "80 rows · lr 1")
    assert f"#/experiments/{links.experiment_id}/runs/" in arm.get_attribute("href")


def test_answers_of_all_arms_line_up_side_by_side(
    shown: tuple[str, TrackingLinks], browser: Any, script: ModuleType
) -> None:
    base, links = shown
    page = view_page(links.experiment_id, "leaderboard", "ARTIFACT")
    script.open_page(browser, links.at(page, base), "body")

    text = " ".join(wait_for_text(browser, "test-001").split())
    assert "Table: eval/test.json" in text
    assert "Compare: response" in text


def test_the_pictures_of_the_documentation_can_be_taken(
    shown: tuple[str, TrackingLinks], browser: Any, script: ModuleType, tmp_path: Path
) -> None:
    base, _ = shown
    script.take(base, browser, tmp_path)

    from PIL import Image

    for name in script.PICTURES:
        assert (tmp_path / name).stat().st_size < 300_000
        with Image.open(tmp_path / name) as image:
            assert image.size == script.SIZE


def wait_for_text(browser: Any, text: str) -> str:
    from selenium.webdriver.support.ui import WebDriverWait

    def body(page: Any) -> str:
        found: str = page.find_element("css selector", "body").text
        return found

    WebDriverWait(browser, 60).until(lambda page: text in body(page))
    return body(browser)
