"""The page in a real browser: it sorts, filters, fits a phone, and asks nobody for anything."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no chromium with chromedriver on the path")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    session = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield session
    session.quit()


@pytest.fixture
def opened(browser: Any, page: Path) -> Any:
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(page.as_uri())
    return browser


def column(browser: Any, number: int) -> list[str]:
    """The sort values of a column of the arms table, top down."""
    script = """return [...document.querySelector("table.arms").tBodies].map(
        body => body.rows[0].cells[arguments[0]].dataset.value)"""
    found: list[str] = browser.execute_script(script, number)
    return found


def click_heading(browser: Any, number: int) -> str:
    """Click a heading of the arms table; return how it is sorted then."""
    heads = browser.find_elements("css selector", "table.arms thead th")
    heads[number].find_element("tag name", "button").click()
    return str(heads[number].get_attribute("aria-sort"))


def shown_samples(browser: Any) -> list[Any]:
    samples = browser.find_elements("css selector", "article.sample")
    return [sample for sample in samples if sample.is_displayed()]


def test_the_arms_table_sorts_by_any_column(opened: Any) -> None:
    assert click_heading(opened, 1) == "descending"
    values = column(opened, 1)
    scores = [float(value) for value in values if value]
    assert scores == sorted(scores, reverse=True)
    assert values[-1] == ""
    assert click_heading(opened, 1) == "ascending"
    values = column(opened, 1)
    assert [float(value) for value in values if value] == scores[::-1]
    assert values[-1] == ""
    assert click_heading(opened, 0) == "ascending"
    # Numbers in names count as numbers: 80 before 240.
    assert column(opened, 0).index("80 rows · lr 1") < column(opened, 0).index("240 rows · lr 1")
    sorted_now = opened.find_elements("css selector", "table.arms th[aria-sort]")
    assert len(sorted_now) == 1


def test_an_arms_error_moves_with_it(opened: Any) -> None:
    click_heading(opened, 0)
    body = opened.find_element("css selector", "table.arms tbody.failed")
    assert "240 rows · lr 40" in body.text
    assert "the loss became nan at step 7" in body.text


def test_samples_are_filtered_by_text_and_by_difference(opened: Any) -> None:
    assert len(shown_samples(opened)) == 10
    more = opened.find_element("id", "sample-more")
    more.click()
    assert len(shown_samples(opened)) == 60
    assert not more.is_displayed()
    field = opened.find_element("id", "sample-text")
    field.send_keys("RICE cooker asap")
    (only,) = shown_samples(opened)
    assert "e001" in only.text
    assert opened.find_element("id", "sample-count").text == "1 of 60 match"
    field.clear()
    field.send_keys("no such words anywhere")
    assert shown_samples(opened) == []
    field.clear()
    field.send_keys("e0")
    opened.find_element("id", "sample-differ").click()
    assert all("arms differ" in sample.text for sample in shown_samples(opened))


def test_changed_rows_are_filtered_by_kind_and_text(opened: Any) -> None:
    def shown() -> list[Any]:
        rows = opened.find_elements("css selector", "article.changed")
        return [row for row in rows if row.is_displayed()]

    assert len(shown()) == 10
    opened.find_element("css selector", "input[name=row-kind][value=regressed]").click()
    regressed = shown()
    assert regressed
    assert all("regressed" in row.text.split("\n")[0] for row in regressed)
    opened.find_element("css selector", "input[name=row-kind][value=fixed]").click()
    opened.find_element("id", "row-more").click()
    assert len(shown()) == 40
    opened.find_element("id", "row-text").send_keys("RICE cooker asap")
    (only,) = shown()
    assert "0 → 1" in only.text
    assert [mark.text for mark in only.find_elements("tag name", "mark")][-1] == "high"


def test_nothing_is_asked_of_the_network_and_nothing_is_logged(opened: Any, page: Path) -> None:
    click_heading(opened, 2)
    assert opened.get_log("browser") == []
    requests = [
        message
        for entry in opened.get_log("performance")
        if '"Network.requestWillBeSent"' in (message := entry["message"])
    ]
    assert all(page.name in message for message in requests)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 400, 768, 1400])
@pytest.mark.parametrize("name", ["report.html", "data_card.html"])
def test_nothing_sticks_out_at_any_width(
    browser: Any, page: Path, card: Path, name: str, width: int, theme: str
) -> None:
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 700}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    look = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", look)
    try:
        browser.get(page.with_name(name).as_uri())
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width
        ink = browser.execute_script("return getComputedStyle(document.body).color")
        assert ink == {"light": "rgb(27, 31, 36)", "dark": "rgb(232, 234, 237)"}[theme]
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_it_works_in_a_sandboxed_frame(browser: Any, page: Path, tmp_path: Path) -> None:
    """MLflow shows HTML artifacts in a frame that may run scripts and nothing else."""
    outer = tmp_path / "frame.html"
    outer.write_text(
        f'<meta charset="utf-8"><iframe sandbox="allow-scripts" width="1200" height="900" '
        f'src="{page.as_uri()}"></iframe>'
    )
    browser.get(outer.as_uri())
    browser.switch_to.frame(browser.find_element("tag name", "iframe"))
    try:
        assert click_heading(browser, 1) == "descending"
        assert len(shown_samples(browser)) == 10
    finally:
        browser.switch_to.default_content()


def test_everything_is_open_on_paper(opened: Any) -> None:
    opened.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    closed = opened.find_elements("css selector", "details:not([open])")
    assert closed == []
