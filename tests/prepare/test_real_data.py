"""Known facts of real and shipped data come out as they are known."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from runner.config import Normalizer, Prepare, Select, Source, Template
from runner.prepare import check_report, prepare, render
from runner.records import SPLITS
from runner.records.check_report import RowCounts
from runner.sources import open_split
from tests.conftest import CHECKOUT
from tests.prepare.making import Prepared, read_prepared

PLAIN: list[Normalizer] = ["case", "alphanumeric", "whitespace"]


def run(out: Path, config: dict[str, object], **source: object) -> Prepared:
    files: Source = TypeAdapter(Source).validate_python({"kind": "files", **source})
    out.mkdir()
    given = [split for split in SPLITS if source.get(split)]
    readers = {split: partial(open_split, files, split, 17) for split in given}
    prepare(readers, Prepare.model_validate(config), files.max_bad_share, 17, out)
    return read_prepared(out)


@pytest.mark.parametrize("conflicts", ["drop_later", "drop_all", "keep"])
@pytest.mark.parametrize("normalize", [PLAIN, ["unicode", *PLAIN]])
def test_banking77_counts(
    tmp_path: Path, shared_data: Path, normalize: list[str], conflicts: str
) -> None:
    """31 repeats in train, 25 test rows that stand in train, 1 text with two labels: whatever is
    then done about them."""
    folder = shared_data / "banking77"
    done = run(
        tmp_path / "prepared",
        {"dedup": {"normalize": normalize, "conflicts": conflicts}},
        train=str(folder / "train.csv"),
        test=str(folder / "test.csv"),
        input=["text"],
        target="category",
    )
    rendered = tmp_path / "rendered"
    rendered.mkdir()
    template = Template(name="intent", prompt="{{ text }}")
    render(done.path, template, Select(size=100), 2048, 17, rendered, lambda _: None)
    report = check_report(done.path, rendered)
    assert report.rows["train"].read == 10_003
    assert report.train.exact_duplicates == 31
    assert report.leakage["test_rows_in_train"] == 25
    assert report.conflicting_texts == 1
    (conflict,) = report.conflicts
    assert conflict.text == "Has my top up gone through?"
    assert [row.target for row in conflict.rows] == ["pending_top_up", "top_up_reverted"]
    assert report.rows["test"] == RowCounts(3080, 3080, 3080)
    assert report.rows["validation"].prepared == 256
    assert report.rows["train"].used == 100


def test_e2e_sentences_become_references(tmp_path: Path, shared_data: Path) -> None:
    done = run(
        tmp_path / "prepared",
        {
            "dedup": {"exact": False},
            "split": {"validation": 40, "test": 80, "stratify": None},
        },
        train=str(shared_data / "e2e_clean" / "devel.csv"),
        input=["mr"],
        target="ref",
        group="mr",
        references_by="mr",
    )
    train = {row.fields["mr"] for row in done.splits["train"]}
    for split, size in (("validation", 40), ("test", 80)):
        rows = done.splits[split]
        assert len(rows) == size
        assert len({row.fields["mr"] for row in rows} - train) == size
        assert sum(len(row.references) for row in rows) > size


def test_shipped_triage_faults_are_all_found(tmp_path: Path) -> None:
    """The faults its README plants; near-duplicates as it defines them (word 2-shingles)."""
    folder = CHECKOUT / "experiments" / "data" / "triage"
    done = run(
        tmp_path / "prepared",
        {"dedup": {"fuzzy": {"threshold": 0.75, "ngram": 2}}},
        train=str(folder / "train.jsonl"),
        validation=str(folder / "validation.jsonl"),
        test=str(folder / "test.jsonl"),
        id="id",
        input=["message"],
        target="record",
    )
    by_line = {row["origin"]["line"]: row["reason"] for row in done.dropped}
    assert by_line == {
        23: "bad_json",
        44: "missing_column",
        61: "leak_test",
        79: "bad_encoding",
        97: "exact_duplicate",
        112: "empty_input",
        133: "exact_duplicate",
        158: "near_duplicate",
        171: "empty_target",
        184: "exact_duplicate",
        206: "exact_duplicate",
        222: "leak_test",
        237: "near_duplicate",
        249: "conflict",
        271: "exact_duplicate",
        286: "duplicate_id",
        299: "exact_duplicate",
        310: "near_duplicate",
    }
    matched = {row["id"]: row["matched"] for row in done.dropped if "matched" in row}
    assert matched["t249"] == "t194"
    assert matched["t061"] == "e030"
    assert matched["t158"] == "t081"
    assert done.summary["rows"] == {"train": 300, "validation": 40, "test": 80}
