"""The page of leaks lists every pair, with what differs marked, and escapes all of it."""

from __future__ import annotations

from pathlib import Path

import orjson

from runner.report.leaks import leaks_page, write_leaks
from tests.report.tree import read

EVIL = "<script>alert(1)</script> top up"


def line(method: str, text: str, matched: str, **more: object) -> dict[str, object]:
    return {
        "split": "train",
        "id": "t1",
        "origin": {"file": "/data/train.csv", "line": 7},
        "text": text,
        "target": "a",
        "against": "test",
        "matched": "e1",
        "matched_origin": {"file": "/data/test.csv", "line": 9},
        "matched_text": matched,
        "matched_target": "a",
        "agrees": True,
        "method": method,
        "score": 1.0,
        "fate": "leak_test",
        **more,
    }


def folder(path: Path, pairs: list[dict[str, object]], conflicts: list[dict[str, object]]) -> Path:
    path.mkdir()
    for name, rows in (("leaks", pairs), ("conflicts", conflicts)):
        (path / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    (path / "summary.json").write_bytes(orjson.dumps({"leakage": {"test_rows_in_train": 2}}))
    return path


def test_pairs_stand_by_method_with_their_differences_marked(tmp_path: Path) -> None:
    near = line("minhash", "When will my card come", "When will a card come", score=0.83)
    pairs = [near, line("normalised", EVIL, "top-up", fate="")]
    torn = line("normalised", "same", "same", matched_target="b", agrees=False)
    out = tmp_path / "page.html"
    assert write_leaks(folder(tmp_path / "p", pairs, [torn]), "1", out)
    page = read(out)
    assert "<script>alert" not in out.read_text()
    headings = [found.text for found in page.all("h2")][1:]
    assert headings == [
        "train and test: equal but for case and marks 1",
        "train and test: near-duplicates 1",
        "One input, two answers 1",
    ]
    marks = [found.text for found in page.all("mark")]
    assert marks[:1] == ["marked"]
    assert {"my", "a"} <= set(marks)
    cells = [cell.text for cell in page.all("td")]
    assert "0.83" in cells
    assert {"stays", "dropped"} <= set(cells)
    assert any("train.csv:7" in cell for cell in cells)


def test_nothing_found_is_no_page(tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    assert not write_leaks(folder(tmp_path / "p", [], []), "1", out)
    assert not out.exists()


def test_the_page_stands_beside_its_card() -> None:
    assert leaks_page(Path("/r/data_card_ab12.html")) == Path("/r/leaks_ab12.html")
