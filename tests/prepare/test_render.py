"""Rendered folders: selection, limits, token counts, Gemini files, the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from runner.base.errors import DataError
from runner.gemini_format import validate_files
from runner.prepare import check_report
from runner.records import Example, record_json
from runner.records.check_report import DataReport, RowCounts
from runner.records.json_form import decoded
from tests.prepare.making import Prepared, prepared, read_lines, rendered, rows_of


def source(tmp_path: Path, count: int = 60) -> Prepared:
    rows = rows_of([(f"text number {n}", "ab"[n % 2]) for n in range(count)])
    test = rows_of([(f"test {n}", "a") for n in range(6)], "test")
    return prepared(tmp_path / "prepared", {"train": rows, "test": test}, {"split": {"test": 0}})


def words(examples: Sequence[Example]) -> list[tuple[int, int]]:
    """A tokenizer that counts words."""
    return [
        (len(f"{item.system} {item.prompt}".split()), len(item.target.split())) for item in examples
    ]


def test_smaller_selections_are_part_of_larger_ones(tmp_path: Path) -> None:
    data = source(tmp_path)
    chosen = []
    for size in (5, 20, None):
        done = rendered(tmp_path / str(size), data, size=size)
        chosen.append({example.id for example in done.splits["train"]})
        assert done.summary["rows"]["train"] == (size or 54)
    assert chosen[0] < chosen[1] < chosen[2]
    reasons = Counter(row["reason"] for row in read_lines(tmp_path / "5" / "dropped.jsonl"))
    assert reasons == {"not_selected": 49}


def test_selection_follows_content_not_place(tmp_path: Path) -> None:
    pairs = [(f"text number {n}", "a") for n in range(40)]
    texts = []
    for name, order in (("one", pairs), ("two", pairs[::-1])):
        config = {"split": {"validation": 0, "test": 0}}
        data = prepared(tmp_path / name, {"train": rows_of(order)}, config)
        done = rendered(tmp_path / f"{name}-rendered", data, size=7)
        texts.append({example.prompt for example in done.splits["train"]})
    assert texts[0] == texts[1]


def test_asking_for_more_rows_than_there_are_is_noted(tmp_path: Path) -> None:
    done = rendered(tmp_path / "out", source(tmp_path), size=500)
    assert done.summary["notes"] == ["prepare.select.size=500, and train has only 54 rows"]


def test_rows_beyond_the_context_leave_tuning_and_stay_in_test(tmp_path: Path) -> None:
    long = " ".join(["word"] * 30)
    splits = {
        split: rows_of([(f"{split} {n}" + f" {long}" * (n == 3), "a") for n in range(8)], split)
        for split in ("train", "validation", "test")
    }
    data = prepared(tmp_path / "prepared", splits)
    done = rendered(tmp_path / "out", data, context=20, count=words)
    assert done.summary["too_long"] == {"train": 1, "validation": 1, "test": 1}
    assert done.summary["rows"] == {"train": 7, "validation": 7, "test": 8}
    dropped = {(row["split"], row["reason"], row["score"]) for row in done.dropped}
    assert dropped == {("train", "too_long", 33.0), ("validation", "too_long", 33.0)}
    assert "test: 1 row longer than model.context_tokens=20:" in done.summary["notes"][0]


def test_exact_counts_and_the_estimate_around_them(tmp_path: Path) -> None:
    done = rendered(tmp_path / "out", source(tmp_path), system="Say it.", count=words)
    tokens = done.summary["tokens"]["train"]
    assert tokens["exact"] == 54 * (2 + 3 + 1)
    assert tokens["prompt"]["max"] == 5
    estimated = rendered(tmp_path / "two", source(tmp_path / "again")).summary["tokens"]["train"]
    assert estimated["exact"] is None
    assert 0 < estimated["low"] < estimated["high"]


def test_counts_without_rows_are_zero(tmp_path: Path) -> None:
    data = prepared(
        tmp_path / "prepared",
        {"train": rows_of([("a", "b")])},
        {"split": {"validation": 0, "test": 0}},
    )
    done = rendered(tmp_path / "out", data, count=words)
    assert done.summary["tokens"]["test"] == {
        "exact": 0,
        "low": 0,
        "high": 0,
        "prompt": {},
        "target": {},
    }
    assert (done.path / "gemini" / "validation.jsonl").read_bytes() == b""


def test_gemini_files_hold_the_same_rows_and_are_valid(tmp_path: Path) -> None:
    done = rendered(tmp_path / "out", source(tmp_path), system="Be brief.")
    for split in ("train", "validation"):
        path = done.path / "gemini" / f"{split}.jsonl"
        rows = [orjson.loads(line) for line in path.read_bytes().splitlines()]
        assert rows == [example.to_gemini() for example in done.splits[split]]
        assert validate_files({"train": path}, 1000).faults == []


def test_examples_that_say_nothing_go(tmp_path: Path) -> None:
    prompt = "{% if not text.endswith('7') %}{{ text }}{% endif %}"
    done = rendered(tmp_path / "out", source(tmp_path), prompt=prompt)
    assert {row["reason"] for row in done.dropped} == {"empty_prompt"}
    with pytest.raises(DataError, match="empty_target"):
        rendered(tmp_path / "two", source(tmp_path / "again"), target=" ")


def test_report_gathers_both_folders(tmp_path: Path) -> None:
    data = source(tmp_path)
    done = rendered(tmp_path / "out", data, size=10)
    report = check_report(data.path, done.path)
    assert report.rows["train"] == RowCounts(60, 54, 10)
    assert report.rows["test"] == RowCounts(6, 6, 6)
    assert report.dropped_by_reason == {"train": {"moved_to_validation": 6, "not_selected": 44}}
    assert report.labels == {"train": 2, "validation": 2, "test": 1}
    assert len(report.rendered) == 3
    told = orjson.loads(record_json(report))
    assert told["rows"]["train"] == {"read": 60, "prepared": 54, "used": 10}
    assert told["augmented"] == {}
    assert decoded(DataReport, told) == report
