"""Nothing that data, models or users wrote becomes markup, script or a terminal command."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.report import leaderboard, write_data_card, write_report
from tests.report.hostile import dump, experiment, folders, rows
from tests.report.tree import Element, read, shape

NASTY = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "</title></head><body onload=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "' onclick='alert(1)",
    "<!-- ",
    "]]><svg/onload=alert(1)>",
    "</svg><a href=javascript:alert(1)>x</a>",
    "javascript:alert(1)",
    "{{ 7*7 }}{% raw %}",
    "&lt;b&gt; &amp; &#60;script&#62;",
    "\x1b[2J\x1b]0;owned\x07 \x00 \x9b31m \r",
    "\u202eevil\u2066\u200b",
    "label=f1 = 1",
    "[red]markup[/red] [link=http://example.org]x[/link]",
    "../../etc/passwd",
    "日本語 العربية 🙂",
    "nan",
    "x" * 20_000,
]


def pages(text: str, folder: Path) -> list[Element]:
    result = experiment(text, folder)
    report, card = folder / "report.html", folder / "card.html"
    write_report(result, report)
    write_data_card(folder / "prepare", folder / "render", card)
    return [read(report), read(card)]


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> list[list[tuple[str, tuple[str, ...]]]]:
    """The markup of the same pages around a text that nobody could mistake for any."""
    return [shape(page) for page in pages("plain", tmp_path_factory.mktemp("plain"))]


def check(text: str, harmless: list[list[tuple[str, tuple[str, ...]]]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        found = pages(text, Path(name))
    assert [shape(page) for page in found] == harmless
    for page in found:
        for link in page.all("a"):
            assert re.match(r"[#.]", link.attributes["href"] or "")


@pytest.mark.parametrize("text", NASTY, ids=[repr(text[:24]) for text in NASTY])
def test_hostile_text_adds_no_markup(
    text: str, harmless: list[list[tuple[str, tuple[str, ...]]]]
) -> None:
    check(text, harmless)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_any_text_adds_no_markup(
    harmless: list[list[tuple[str, tuple[str, ...]]]], text: str
) -> None:
    check(f"a{text}z", harmless)


def test_lone_surrogates_in_rows_are_shown_as_replacements(tmp_path: Path) -> None:
    """Results cannot hold them, pydantic sees to that; the rows of the data can."""
    result = experiment("plain", tmp_path)
    folders("\ud800", tmp_path)
    dump(tmp_path / "rows.jsonl", rows("\ud800 lone"))
    write_report(result, tmp_path / "report.html")
    write_data_card(tmp_path / "prepare", tmp_path / "render", tmp_path / "card.html")
    for name in ("report.html", "card.html"):
        assert "\ufffd" in read(tmp_path / name).text


def test_control_characters_reach_neither_page_nor_terminal(tmp_path: Path) -> None:
    text = "\x1b[31mred\x07\x00\x9b\u202e"
    result = experiment(text, tmp_path)
    write_report(result, tmp_path / "report.html")
    for shown in ((tmp_path / "report.html").read_text(encoding="utf-8"), leaderboard(result)):
        assert not set(shown) & {"\x1b", "\x07", "\x00", "\x9b", "\u202e"}
        assert "␛[31mred" in shown


def test_long_texts_are_cut_and_say_so(tmp_path: Path) -> None:
    result = experiment("x" * 50_000, tmp_path)
    write_report(result.model_copy(update={"primary": "p"}), tmp_path / "report.html")
    page = read(tmp_path / "report.html")
    prompt = next(page.all("pre", "prompt")).text
    assert prompt.startswith("x" * 1500 + "…")
    assert "48,500 more characters" in prompt


def test_the_policy_allows_no_network_and_no_foreign_script(page: Path, card: Path) -> None:
    for path in (page, card):
        root = read(path)
        policy = next(
            item.attributes["content"] or ""
            for item in root.all("meta")
            if item.attributes.get("http-equiv") == "Content-Security-Policy"
        )
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        names = {element.name for element in root.all()}
        assert not names & {"img", "link", "iframe", "object", "embed", "base", "form", "video"}
        assert not any(e.attributes.get("src") or e.attributes.get("style") for e in root.all())
        assert not any(name.startswith("on") for e in root.all() for name in e.attributes)
