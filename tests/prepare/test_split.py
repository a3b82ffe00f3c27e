"""Cutting and capping evaluation splits: disjoint, seeded by content, proportional."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.base.errors import ConfigError, DataError
from runner.records import Origin, Row
from tests.prepare.making import Prepared, prepared, rows_of


def labelled(count: int, labels: str = "aaaabbc") -> list[Row]:
    return rows_of([(f"text number {n}", labels[n % len(labels)]) for n in range(count)])


def cut(out: Path, rows: list[Row], **split: Any) -> Prepared:
    return prepared(out, {"train": rows}, {"split": split})


def ids(done: Prepared, split: str) -> set[str]:
    return {row.id for row in done.splits[split]}


def test_shares_and_proportions(tmp_path: Path) -> None:
    done = cut(tmp_path / "out", labelled(700), validation=0.1, test=0.2)
    assert done.summary["rows"] == {"train": 490, "validation": 70, "test": 140}
    assert done.summary["labels"]["test"] == {"a": 80, "b": 40, "c": 20}
    assert done.summary["labels"]["validation"] == {"a": 40, "b": 20, "c": 10}


def test_numbers_and_caps(tmp_path: Path) -> None:
    done = cut(tmp_path / "out", labelled(700), validation=300, test=50, max_validation=256)
    assert done.summary["rows"] == {"train": 394, "validation": 256, "test": 50}


@settings(max_examples=40)
@given(
    count=st.integers(10, 60),
    labels=st.text("abc", min_size=1, max_size=5),
    validation=st.floats(0, 0.3),
    test=st.integers(0, 5),
    cap=st.integers(1, 8),
    shuffle=st.randoms(use_true_random=False),
)
def test_laws_of_the_split(
    count: int,
    labels: str,
    validation: float,
    test: int,
    cap: int,
    shuffle: random.Random,
) -> None:
    rows = labelled(count, labels)
    mixed = rows[:]
    shuffle.shuffle(mixed)
    options = {"validation": validation, "test": test, "max_validation": cap}
    with TemporaryDirectory() as folder:
        one = cut(Path(folder, "one"), rows, **options)
        two = cut(Path(folder, "two"), mixed, **options)
    for split in ("train", "validation", "test"):
        assert ids(one, split) == ids(two, split)
    assert len(one.splits["validation"]) == min(cap, max(round(validation * count), validation > 0))
    assert len(one.splits["test"]) == test
    assert sum(len(rows) for rows in one.splits.values()) == count
    assert len(ids(one, "train") | ids(one, "validation") | ids(one, "test")) == count


def test_seed_decides(tmp_path: Path) -> None:
    from runner.config import Prepare
    from runner.prepare import prepare
    from tests.prepare.making import read_prepared, reader

    chosen = set()
    for seed in range(4):
        out = tmp_path / str(seed)
        out.mkdir()
        prepare({"train": reader(labelled(100))}, Prepare(), 0.05, seed, out)
        chosen.add(frozenset(ids(read_prepared(out), "test")))
    assert len(chosen) == 4


def test_asking_for_more_validation_leaves_test_alone(tmp_path: Path) -> None:
    few = cut(tmp_path / "few", labelled(200), validation=10, test=20)
    many = cut(tmp_path / "many", labelled(200), validation=60, test=20)
    assert ids(few, "test") == ids(many, "test")
    assert ids(few, "validation") < ids(many, "validation")


def grouped(sizes: list[int]) -> list[Row]:
    names = [name for name, size in enumerate(sizes) for _ in range(size)]
    return [
        Row(f"r{n}", {"text": f"row {n}"}, "ab"[n % 2], Origin("f", n), group=f"g{name}")
        for n, name in enumerate(names, start=1)
    ]


@settings(max_examples=40)
@given(sizes=st.lists(st.integers(1, 6), min_size=13, max_size=20))
def test_groups_never_straddle(sizes: list[int]) -> None:
    with TemporaryDirectory() as folder:
        done = cut(Path(folder, "out"), grouped(sizes), validation=6, test=6, stratify=None)
    where: dict[str, set[str]] = {}
    for split, rows in done.splits.items():
        for row in rows:
            where.setdefault(row.group, set()).add(split)
    assert all(len(splits) == 1 for splits in where.values())
    assert 0 < len(done.splits["validation"]) <= 6
    assert 0 < len(done.splits["test"]) <= 6


def test_groups_that_are_all_too_large_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="every group of train"):
        cut(tmp_path / "out", grouped([10, 10, 10]), validation=3, test=0)


def test_rows_with_one_input_become_one_evaluation_row(tmp_path: Path) -> None:
    pairs = [(f"fact {n % 20}", f"sentence {n}") for n in range(60)]
    done = prepared(
        tmp_path / "out",
        {"train": rows_of(pairs)},
        {"dedup": {"exact": False}, "split": {"validation": 4, "test": 6, "stratify": None}},
    )
    train = set(done.texts("train"))
    for split, size in (("validation", 4), ("test", 6)):
        rows = done.splits[split]
        assert len(rows) == size
        assert all(len(row.references) == 2 and row.target not in row.references for row in rows)
        assert not train & set(done.texts(split))
    assert done.summary["rows"]["train"] == 30


def test_given_splits_are_capped_in_proportion(tmp_path: Path) -> None:
    splits = {
        "train": labelled(10),
        "validation": rows_of([(f"v {n}", "aab"[n % 3]) for n in range(90)], "validation"),
        "test": rows_of([(f"t {n}", "a") for n in range(30)], "test"),
    }
    done = prepared(tmp_path / "out", splits, {"split": {"max_validation": 30, "max_test": 12}})
    assert done.summary["rows"] == {"train": 10, "validation": 30, "test": 12}
    assert Counter(row.target for row in done.splits["validation"]) == {"a": 20, "b": 10}
    assert Counter(done.reasons("validation").values()) == {"cap": 60}


def test_targets_that_are_no_labels_are_not_stratified(tmp_path: Path) -> None:
    rows = rows_of([(f"text {n}", f"answer {n}") for n in range(50)])
    done = cut(tmp_path / "out", rows, validation=5, test=5)
    assert done.summary["rows"]["train"] == 40
    assert done.summary["notes"] == [
        "prepare.split.stratify=target is ignored: 45 values for 45 rows",
        "prepare.split.stratify=target is ignored: 50 values for 50 rows",
    ]
    assert done.summary["labels"]["train"] is None


def test_stratify_by_a_slice(tmp_path: Path) -> None:
    rows = [
        Row(f"r{n}", {"text": f"t {n}"}, f"{n}", Origin("f", n), slices={"lang": "dee"[n % 3]})
        for n in range(1, 61)
    ]
    done = cut(tmp_path / "out", rows, validation=0, test=12, stratify="lang")
    assert Counter(row.slices["lang"] for row in done.splits["test"]) == {"e": 8, "d": 4}


def test_unknown_column_to_stratify_by_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"prepare\.split\.stratify.*\n.*did you mean text"):
        cut(tmp_path / "out", labelled(20), stratify="texts")


def test_cutting_more_than_there_is_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="10 test and 10 validation rows"):
        cut(tmp_path / "out", labelled(20), validation=10, test=10)
