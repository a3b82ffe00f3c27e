"""Repeated spans in rows: cut, dropped with their row, or listed; evaluation keeps its text."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.records import Turn
from tests.prepare.making import Prepared, prepared, read_lines, rows_of


def words(seed: int, count: int) -> str:
    return " ".join(random.Random(seed).choices([f"w{n}" for n in range(900)], k=count))


BOILER, OWN = words(1, 20), [words(seed, 8) for seed in range(10, 14)]
TEXTS = [f"{OWN[0]} {BOILER}", f"{BOILER} {OWN[1]}", f"{OWN[2]} {BOILER} {OWN[3]}", words(2, 30)]


def run(out: Path, texts: list[str], test: list[str] | None = None, **substring: Any) -> Prepared:
    given_rows = {"train": rows_of([(text, "a") for text in texts])}
    if test:
        given_rows["test"] = rows_of([(text, "a") for text in test], "test")
    return prepared(
        out,
        given_rows,
        {
            "dedup": {"substring": {"tokens": 15, **substring}},
            "split": {"validation": 0, "test": 0},
            "leakage": {"max_share": 1},
        },
    )


def test_spans_are_cut_and_the_first_stays(tmp_path: Path) -> None:
    done = run(tmp_path / "out", TEXTS)
    assert done.texts() == [TEXTS[0], OWN[1], f"{OWN[2]} {OWN[3]}", TEXTS[3]]
    spans = read_lines(done.path / "spans.jsonl")
    assert [(s["id"], s["matched"], s["tokens"], s["fate"]) for s in spans] == [
        ("train-3", "train-2", 20, "cut"),
        ("train-4", "train-2", 20, "cut"),
    ]
    assert spans[0]["span"] == BOILER[:200]
    assert spans[1]["matched_origin"] == {"file": "train.csv", "line": 2}
    (dedup,) = [t for t in done.tallies if t.step == "dedup" and t.split == "train"]
    assert dedup.changed["repeated_span"] == 2


def test_without_a_first_place_every_copy_goes(tmp_path: Path) -> None:
    done = run(tmp_path / "out", TEXTS, keep_first=False)
    assert done.texts() == [OWN[0], OWN[1], f"{OWN[2]} {OWN[3]}", TEXTS[3]]


def test_rows_are_dropped_or_only_listed(tmp_path: Path) -> None:
    dropped = run(tmp_path / "drop", TEXTS, action="drop_row")
    assert dropped.texts() == [TEXTS[0], TEXTS[3]]
    assert dropped.reasons() == {"train-3": "repeated_span", "train-4": "repeated_span"}
    assert {(row["matched"], row["method"]) for row in dropped.dropped} == {
        ("train-2", "substring")
    }
    listed = run(tmp_path / "list", TEXTS, action="report")
    assert listed.texts() == TEXTS
    assert [s["fate"] for s in read_lines(listed.path / "spans.jsonl")] == ["kept", "kept"]


def test_a_row_of_which_nothing_new_is_left_is_dropped(tmp_path: Path) -> None:
    texts = [f"{OWN[0]} {BOILER}", f"{BOILER} x", f"{BOILER} X!", BOILER, OWN[1]]
    done = run(tmp_path / "out", texts, test=[f"{OWN[2]} {OWN[3]}"])
    assert done.texts() == [texts[0], "x", OWN[1]]
    assert set(done.reasons()) == {"train-4", "train-5"}


def test_a_cut_never_leaves_an_evaluation_row_in_train(tmp_path: Path) -> None:
    question = "what is the answer"
    texts = [f"{OWN[0]} {BOILER}", f"{BOILER} {question}", OWN[1]]
    done = run(tmp_path / "out", texts, test=[question, f"{BOILER} more"])
    assert done.texts() == [texts[0], OWN[1]]
    assert done.texts("test") == [question, f"{BOILER} more"]


def test_turns_are_cut_and_system_instructions_stay(tmp_path: Path) -> None:
    rows = [
        replace(
            row,
            fields={},
            system=BOILER,
            history=(
                Turn("user", f"hello {n}"),
                Turn("model", "hi"),
                Turn("user", row.fields["text"]),
            ),
        )
        for n, row in enumerate(rows_of([(text, "a") for text in TEXTS[:2]]))
    ]
    config = {"dedup": {"substring": {"tokens": 15}}, "split": {"validation": 0, "test": 0}}
    done = prepared(tmp_path / "out", {"train": rows}, config)
    assert [row.history[-1].text for row in done.splits["train"]] == [TEXTS[0], OWN[1]]
    assert {row.system for row in done.splits["train"]} == {BOILER}
    assert [row.history[0].text for row in done.splits["train"]] == ["hello 0", "hello 1"]


def test_copies_of_a_weight_share_the_cut(tmp_path: Path) -> None:
    first, second = rows_of([(TEXTS[0], "a"), (TEXTS[1], "a")])
    rows = [first, first, second, replace(second, id="again")]
    config = {"dedup": {"substring": {"tokens": 15}}, "split": {"validation": 0, "test": 0}}
    done = prepared(tmp_path / "out", {"train": rows}, config)
    assert done.texts() == [TEXTS[0], TEXTS[0], OWN[1], OWN[1]]


@pytest.mark.parametrize("action", ["drop_span", "drop_row"])
def test_rows_that_only_evaluation_repeats_are_left_alone(tmp_path: Path, action: str) -> None:
    done = run(tmp_path / "out", [TEXTS[0], OWN[1]], test=[f"{BOILER} {OWN[2]}"], action=action)
    assert done.texts() == [TEXTS[0], OWN[1]]
    assert read_lines(done.path / "spans.jsonl") == []
