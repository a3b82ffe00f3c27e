"""No more validation rows than the service takes, in the proportions of their labels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.config import RowLimits, Select, Template
from runner.prepare import check_report, render
from runner.prepare.rendering import fitting
from runner.records import Row
from runner.records.check_report import RowCounts
from tests.prepare.making import prepared, rows_of


def labelled(count: int, labels: int) -> list[Row]:
    return rows_of([(f"text {n}", f"label {n % labels}") for n in range(count)], "validation")


@settings(max_examples=60)
@given(count=st.integers(0, 200), most=st.integers(0, 120), labels=st.integers(1, 5))
def test_shares_stay(count: int, most: int, labels: int) -> None:
    rows = labelled(count, labels)
    kept = fitting(rows, most, 17)
    if count <= most:
        assert kept is None
        return
    assert kept is not None
    assert sum(kept) == most
    if 2 * labels <= count:
        found = Counter(row.target for row, stays in zip(rows, kept, strict=True) if stays)
        for label, number in Counter(row.target for row in rows).items():
            assert abs(found[label] - number * most / count) < 1


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = labelled(90, 3)
    there, back = fitting(rows, 30, 17), fitting(rows[::-1], 30, 17)
    assert there is not None
    assert back is not None
    assert there == back[::-1]
    assert there != fitting(rows, 30, 18)


def test_validation_is_cut_to_the_services_rule(tmp_path: Path) -> None:
    train = rows_of([(f"train text {n}", f"label {n % 3}") for n in range(40)])
    given = labelled(60, 3)
    prepared(
        tmp_path / "p",
        {"train": train, "validation": given},
        {"split": {"test": 0}, "leakage": {"max_share": 1}},
    )
    out = tmp_path / "r"
    out.mkdir()
    limits = RowLimits(validation_free=10, validation_share=0.5)
    render(
        tmp_path / "p",
        Template(name="plain"),
        Select(),
        1000,
        17,
        out,
        lambda examples: None,
        limits=limits,
    )
    report = check_report(tmp_path / "p", out)
    assert report.rows["validation"] == RowCounts(60, 60, 20)
    assert report.dropped_by_reason["validation"]["service_limit"] == 40
    assert any("the service takes 20" in note for note in report.notes)
    dropped = [orjson.loads(line) for line in (out / "dropped.jsonl").read_bytes().splitlines()]
    assert sum(d["reason"] == "service_limit" for d in dropped) == 40
    left = Counter(
        orjson.loads(line)["target"]
        for line in (out / "validation.jsonl").read_bytes().splitlines()
    )
    assert sorted(left.values()) == [6, 7, 7]
