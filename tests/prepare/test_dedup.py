"""Exact repeats and conflicts: what goes, what stays, and the laws that hold for any rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.base.text import normalize
from tests.prepare.making import Prepared, prepared, rows_of

NO_SPLIT = {"split": {"validation": 0, "test": 0}}
STEPS = ["unicode", "case", "alphanumeric", "whitespace"]


def deduplicated(out: Path, pairs: Sequence[tuple[str, str]], **dedup: Any) -> Prepared:
    return prepared(out, {"train": rows_of(pairs)}, {**NO_SPLIT, "dedup": dedup})


PAIRS = [
    ("Where is it?", "a"),
    ("WHERE  is it", "a"),
    ("where is it!", "b"),
    ("Something else", "a"),
    ("where is it", "b"),
    ("...", "a"),
    ("!!!", "a"),
]


@pytest.mark.parametrize(
    ("dedup", "gone"),
    [
        (
            {},
            {
                "train-3": "exact_duplicate",
                "train-4": "conflict",
                "train-6": "conflict",
            },
        ),
        (
            {"conflicts": "drop_all"},
            dict.fromkeys(["train-2", "train-3", "train-4", "train-6"], "conflict"),
        ),
        (
            {"conflicts": "keep"},
            {"train-3": "exact_duplicate", "train-6": "exact_duplicate"},
        ),
        ({"exact": False}, {}),
        ({"normalize": []}, {}),
        ({"normalize": ["case", "whitespace"]}, {"train-6": "conflict"}),
    ],
)
def test_what_goes(tmp_path: Path, dedup: dict[str, Any], gone: dict[str, str]) -> None:
    done = deduplicated(tmp_path / "out", PAIRS, **dedup)
    reasons = done.reasons()
    if dedup.get("conflicts") == "drop_all":
        assert reasons.keys() == gone.keys()
        assert set(reasons.values()) <= {"conflict", "exact_duplicate"}
    else:
        assert reasons == gone


def test_dropped_rows_name_what_they_match(tmp_path: Path) -> None:
    done = deduplicated(tmp_path / "out", PAIRS)
    dropped = {row["id"]: row for row in done.dropped}
    assert dropped["train-4"] == {
        "id": "train-4",
        "split": "train",
        "step": "dedup",
        "reason": "conflict",
        "origin": {"file": "train.csv", "line": 4},
        "matched": "train-2",
        "matched_origin": {"file": "train.csv", "line": 2},
        "method": "normalised",
        "span": "where is it!",
    }
    assert done.summary["train"] == {
        "rows": 7,
        "exact_duplicates": 3,
        "conflicting_rows": 2,
        "near_duplicates": 0,
    }
    assert done.summary["conflicting_texts"] == 1


def test_counts_do_not_depend_on_what_is_dropped(tmp_path: Path) -> None:
    configs: list[dict[str, Any]] = [{}, {"exact": False}, {"conflicts": "drop_all"}]
    counts = [
        deduplicated(tmp_path / str(n), PAIRS, **config).summary for n, config in enumerate(configs)
    ]
    assert len({str((c["train"], c["conflicting_texts"])) for c in counts}) == 1


def test_copies_of_a_weighted_file_are_not_repeats(tmp_path: Path) -> None:
    one, two = rows_of([("a b", "x"), ("A B", "x")])
    rows = [one, replace(one, id="train-2~2"), two, replace(two, id="train-3~2")]
    done = prepared(tmp_path / "out", {"train": rows}, NO_SPLIT)
    assert [row.id for row in done.splits["train"]] == ["train-2", "train-2~2"]
    assert done.summary["train"]["exact_duplicates"] == 1


def test_same_question_under_another_system_instruction_is_another_input(tmp_path: Path) -> None:
    from runner.records import Turn

    rows = [
        replace(row, fields={}, history=(Turn("user", "same"),), system=system)
        for row, system in zip(rows_of([("", "a"), ("", "a"), ("", "a")]), "xyx", strict=True)
    ]
    done = prepared(tmp_path / "out", {"train": rows}, NO_SPLIT)
    assert done.reasons() == {"train-4": "exact_duplicate"}


pairs = st.lists(
    st.tuples(st.text("aB ?é", min_size=1, max_size=4).filter(str.strip), st.sampled_from("xy")),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60)
@given(pairs=pairs, conflicts=st.sampled_from(["drop_later", "keep"]))
def test_laws_of_dedup(pairs: list[tuple[str, str]], conflicts: str) -> None:
    with TemporaryDirectory() as folder:
        done = deduplicated(Path(folder, "one"), pairs, conflicts=conflicts)
        again = prepared(
            Path(folder, "two"),
            {"train": done.splits["train"]},
            {**NO_SPLIT, "dedup": {"conflicts": conflicts}},
        )
    kept = [row.origin.line for row in done.splits["train"]]
    assert kept == sorted(kept)
    assert len(kept) + len(done.dropped) == len(pairs)
    assert again.splits["train"] == done.splits["train"]
    assert kept == expected_lines(pairs, conflicts)


def expected_lines(pairs: list[tuple[str, str]], conflicts: str) -> list[int]:
    """The lines a plain set of seen texts keeps (texts are cleaned of their blank ends first)."""
    seen = set()
    lines = []
    for line, (text, target) in enumerate(pairs, start=2):
        key = normalize(text.strip(), STEPS) or text.strip()
        mark = (key, target) if conflicts == "keep" else key
        if mark not in seen:
            lines.append(line)
        seen.add(mark)
    return lines
