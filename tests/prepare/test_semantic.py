"""Evaluation rows near a train row in meaning: listed, never dropped, never refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from runner.base.errors import ConfigError
from runner.records import Row
from tests.prepare.making import Prepared, prepared, read_lines, rows_of

TRAIN = [
    "how do I get a refund for something I bought last week",
    "my top up is still not working on the phone",
    "what is the exchange rate for euros today please",
]
NEAR = "tell me how do I get a refund for something I bought last week"
FAR = "which animals sleep through the whole winter"


def rows(train: Sequence[str], test: Sequence[str] = ()) -> dict[str, list[Row]]:
    given = {"train": rows_of([(text, "x") for text in train])}
    return given | ({"test": rows_of([(text, "x") for text in test], "test")} if test else {})


def run(folder: Path, train: list[str], test: list[str], **asked: Any) -> Prepared:
    leakage = {"max_share": 0, "semantic": {"threshold": 0.7, **asked}}
    config = {"leakage": leakage, "split": {"validation": 0}}
    return prepared(folder / "out", rows(train, test), config)


def close(done: Prepared) -> list[tuple[str, str, str]]:
    lines = read_lines(done.path / "leaks.jsonl")
    assert all(line["fate"] == "" for line in lines if line["method"] == "semantic")
    return [
        (line["text"], line["matched_text"], line["against"])
        for line in lines
        if line["method"] == "semantic" and line["split"] == "train"
    ]


def test_near_rows_are_listed_and_stay(tmp_path: Path) -> None:
    done = run(tmp_path, TRAIN, [FAR, NEAR])
    assert close(done) == [(TRAIN[0], NEAR, "test")]
    assert done.texts() == TRAIN
    (note,) = [note for note in done.summary["notes"] if "mean" in note]
    assert "1 of test; nothing was dropped" in note
    assert done.summary["leakage"]["test_rows_nearly_in_train"] == 0


def test_the_most_similar_pair_comes_first(tmp_path: Path) -> None:
    less = "how do I get a refund for something I bought long ago in town"
    assert [pair[1] for pair in close(run(tmp_path, TRAIN, [less, NEAR], threshold=0.3))] == [
        NEAR,
        less,
    ]


def test_what_certainly_leaks_is_no_guess(tmp_path: Path) -> None:
    leakage = {"max_share": 1, "semantic": {"threshold": 0.7}}
    config = {"leakage": leakage, "split": {"validation": 0}}
    done = prepared(tmp_path / "out", rows([*TRAIN, NEAR], [NEAR]), config)
    assert close(done) == []
    assert done.texts() == TRAIN


def test_rows_cut_from_train_are_looked_at_too(tmp_path: Path) -> None:
    many = [f"{text} and then number {n} of them" for n in range(8) for text in TRAIN]
    config = {
        "leakage": {"semantic": {"threshold": 0.5}},
        "split": {"validation": 3, "test": 3},
    }
    done = prepared(tmp_path / "out", rows(many), config)
    found = close(done)
    assert {pair[2] for pair in found} == {"validation", "test"}
    assert {pair[1] for pair in found} <= set(done.texts("validation") + done.texts("test"))
    assert {pair[0] for pair in found} <= set(done.texts())


def test_evaluation_splits_are_held_against_each_other(tmp_path: Path) -> None:
    given = rows([FAR], [NEAR]) | {"validation": rows_of([(TRAIN[0], "x")], "validation")}
    leakage = {"semantic": {"threshold": 0.7}}
    done = prepared(tmp_path / "out", given, {"leakage": leakage})
    (line,) = read_lines(done.path / "leaks.jsonl")
    assert (line["split"], line["against"], line["method"]) == ("validation", "test", "semantic")
    assert (line["text"], line["matched_text"], line["fate"]) == (TRAIN[0], NEAR, "")


def test_an_unknown_encoder_is_named_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"prepare\.leakage\.semantic\.encoder\.name.*'minilm'"):
        run(tmp_path, TRAIN, [NEAR], encoder={"kind": "plugin", "name": "minilm"})
