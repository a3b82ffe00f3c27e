"""Records are written field by field and read back by their types; what does not fit is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.base.errors import DataError
from runner.records import (
    Dropped,
    Origin,
    SplitFault,
    Tally,
    read_record,
    read_record_list,
    read_records,
    record_file,
    record_line,
)
from runner.records.clusters import ClusterRow, NearCluster
from runner.records.leaks import LeakPair
from runner.records.summaries import (
    NewRow,
    NewRows,
    PreparedSummary,
    RenderedSummary,
    SplitTokens,
    Spread,
    read_prepared,
    read_rendered,
    read_train_tokens,
)

HERE = Origin("train.csv", 3)
RECORDS = [
    Dropped("a", "train", "dedup", "near_duplicate", HERE, "b", HERE, "minhash", 0.5, "text"),
    Dropped("a", "train", "read", "bad_json", HERE),
    SplitFault("train", "train.csv", 3, "bad_json", "no end", "target"),
    LeakPair(
        split="train", id="a", origin=HERE, against="test", method="exact", score=1.0, span=""
    ),
    LeakPair(split="train", id="a", origin=HERE, against="train", method="normalised"),
    NearCluster(
        ClusterRow("a", HERE, "x", "y", "train"),
        (ClusterRow("b", HERE, "x", "", None, 0.5),),
    ),
    NewRow("a+typos1", "a", "typos", "hello", "helo"),
    NewRow("a+swap1", "a", "entity_swap", "lamp", "radio", "l", ""),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_line_comes_back_as_the_record_it_was(tmp_path: Path, record: object) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(record_line(record) * 2)
    assert list(read_records(path, type(record))) == [record, record]


def test_what_is_absent_is_left_out_and_what_is_empty_is_kept() -> None:
    assert b"target_before" not in record_line(RECORDS[6])
    assert b'"target_after":""' in record_line(RECORDS[7])
    assert json.loads(record_line(RECORDS[4])).keys() & {"score", "span"} == set()
    rendered = RenderedSummary(
        tokens={"train": SplitTokens(None, 1, 2, Spread(1.0, 1.0, 1.0, 1.0, 1))}
    )
    told = json.loads(record_file(rendered))
    assert told["augmented"] == {}
    assert told["tokens"]["train"]["exact"] is None
    assert told["tokens"]["train"]["target"] == {}


def test_a_summary_comes_back_as_it_was(tmp_path: Path) -> None:
    spread = Spread(1.5, 1.0, 2.0, 2.0, 3)
    rendered = RenderedSummary(
        rows={"train": 3},
        tokens={"train": SplitTokens(9, 7, 12, spread, None)},
        augmented=NewRows({"typos": 1}, 0.25, (NewRow("a", "b", "typos", "x", "y"),)),
        notes=("one",),
    )
    (tmp_path / "summary.json").write_bytes(record_file(rendered))
    assert read_rendered(tmp_path) == rendered
    assert read_train_tokens(tmp_path).most == 9


def test_an_older_summary_may_lack_keys_and_a_newer_one_may_have_more(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text('{"rows": {"train": 3}, "of_tomorrow": [1]}')
    assert read_prepared(tmp_path) == PreparedSummary(rows={"train": 3})
    (tmp_path / "tally.json").write_text('[{"step": "read", "split": "train", "in": 2, "kept": 2}]')
    assert read_record_list(tmp_path / "tally.json", Tally) == [Tally("read", "train", 2, 2)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"rows": {"train": 3', "cannot be read"),
        ('{"rows": {"train": "many"}}', "rows: 'many' is not of type int"),
        ('{"mix": {"train": [{"weight": 1}]}}', "mix: MixedSource lacks name"),
        ("[]", "is not an object"),
        ('{"notes": "one"}', "notes: 'one' is not a list"),
    ],
)
def test_a_file_that_is_no_such_record_is_named_with_what_to_do(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "summary.json"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_record(path, PreparedSummary)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)
    assert f"delete the folder {tmp_path}" in str(caught.value)


def test_a_bad_line_is_named_by_its_number_and_a_missing_file_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "dropped.jsonl"
    path.write_bytes(record_line(RECORDS[0]) + b'{"id": "b", "split": "train"}\n')
    with pytest.raises(DataError, match=r"dropped.jsonl:2 cannot be read: there is no 'origin'"):
        list(read_records(path, Dropped))
    (tmp_path / "tally.json").write_text('[{"step": "read"}]')
    with pytest.raises(DataError, match="there is no 'split'"):
        read_record_list(tmp_path / "tally.json", Tally)
    with pytest.raises(DataError, match=r"gone.jsonl cannot be read: No such file"):
        list(read_records(tmp_path / "gone.jsonl", Dropped))


def test_what_is_paid_is_never_worked_out_from_tokens_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(DataError, match="no token counts of train"):
        read_train_tokens(tmp_path)
