"""Leaks are the same whether a split was cut from train or given, and "none" is only said where
somebody looked; through `sft check`, as people see it."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.tiny import sft, write
from tests.prepare.making import prepared, read_lines, rows_of

WORDS = [f"w{n}" for n in range(3000)]
COUNTS = ("rows_in_train", "rows_nearly_in_train", "rows_in_train_with_another_target")


def repeating(seed: int = 1) -> list[tuple[str, str]]:
    """140 rows of 60 words, most with a near-copy or with 30 words of theirs inside other ones."""
    draw, rows = random.Random(seed), []
    for number in range(60):
        words, label = draw.choices(WORDS, k=60), ("refund", "delivery")[number % 2]
        rows.append((" ".join(words), label))
        if number < 40:
            changed = [*words]
            changed[draw.randrange(60)] = "changed"
            rows.append((" ".join(changed), label))
        if number < 20:
            rows.append((" ".join(["or", *words[:55], *draw.choices(WORDS, k=100)]), label))
        if number < 20:
            rows.append((" ".join(draw.choices(WORDS, k=9)), label))
    draw.shuffle(rows)
    return rows


def written(folder: Path) -> Path:
    yaml = write(folder, sizes=[8], shots="[]")
    csv = [f"{text},{label}\n" for text, label in repeating()]
    (folder / "rows.csv").write_text("text,label\n" + "".join(csv))
    return yaml


def checked(folder: Path, *words: str) -> dict[str, Any]:
    said = sft(folder, "check", *words, "--json")
    assert said.returncode == 0, said.stderr
    (report,) = json.loads(said.stdout)["treatments"]
    return dict(report)


def as_given(folder: Path, report: Mapping[str, Any]) -> list[str]:
    """The splits that were cut, as files, and the words that give them."""
    place = Path(report["dropped"]).parent
    words = []
    for split in ("train", "validation", "test"):
        rows = read_lines(place / f"{split}.jsonl")
        lines = [f"{row['fields']['text']},{row['target']}\n" for row in rows]
        (folder / f"{split}.csv").write_text("text,label\n" + "".join(lines))
        words.append(f"source.{split}={split}.csv")
    return words


@pytest.mark.parametrize("option", ["firewall", "strict"])
def test_a_split_that_is_cut_leaks_as_one_that_is_given(tmp_path: Path, option: str) -> None:
    yaml = str(written(tmp_path))
    sizes = ("prepare.split.validation=20", "prepare.split.test=20")
    given = as_given(tmp_path, checked(tmp_path, yaml, *sizes))
    wanted = (f"prepare/leakage={option}", *sizes)
    open_gate = ("prepare.leakage.max_share=1",)
    one, two = (checked(tmp_path, yaml, *w, *wanted, *open_gate) for w in ((), given))
    for split in ("validation", "test"):
        for name in COUNTS:
            assert one["leakage"][f"{split}_{name}"] == two["leakage"][f"{split}_{name}"]
        assert one["leakage"][f"{split}_rows_nearly_in_train"] > 5
    assert one["leak_looks"] == two["leak_looks"]
    assert one["rows"]["train"]["prepared"] == two["rows"]["train"]["prepared"]
    methods = {look["method"] for look in one["leak_looks"] if look.get("found")}
    assert {"minhash", "13-gram", "8-gram", "substring"} <= methods

    # The gate asks no more where a split came from.
    shut = [sft(tmp_path, "check", yaml, *words, *wanted) for words in ((), given)]
    assert [said.returncode for said in shut] == [4, 4]
    heads = [said.stderr.splitlines()[0] for said in shut]
    assert "validation rows" in heads[0]
    assert heads[0] == heads[1]
    assert "with prepare/split=cluster" in shut[0].stderr
    assert "take them out of the training file" in shut[1].stderr


def test_what_was_not_looked_at_is_said_with_its_reason(tmp_path: Path) -> None:
    yaml = str(written(tmp_path))
    report = checked(tmp_path, yaml, "prepare.split.test=0")
    looks = {(x["split"], x["against"], x["method"]): x for x in report["leak_looks"]}
    assert len(looks) == 3 * 5
    validation = report["rows"]["validation"]["prepared"]
    exact = looks["train", "validation", "exact"]
    assert (exact["against_rows"], exact["found"]) == (validation, 0)
    assert exact["rows"] == report["rows"]["train"]["prepared"]
    follows = "prepare.leakage.fuzzy follows prepare.dedup.fuzzy, which is off"
    assert looks["train", "validation", "minhash"]["not_looked"] == follows
    assert looks["train", "test", "exact"]["not_looked"] == "there are no test rows"
    shown = sft(tmp_path, "check", yaml, "prepare.split.test=0").stdout
    assert "leaks: none by equal inputs\n" in shown
    assert f"not looked at: near-duplicates: {follows}" in shown
    assert "not looked at: train and test, validation and test: there are no test rows" in shown
    card = Path(report["data_card"]).read_text()
    assert "equal inputs none" in card
    assert follows in card


def test_rows_too_short_for_a_method_are_not_looked_at(tmp_path: Path) -> None:
    rows = {
        "train": rows_of([(" ".join(WORDS[:20]), "a"), ("short one", "a")]),
        "test": rows_of([("just nine words of text are in this one", "a"), ("x", "a")], "test"),
    }
    leakage = {"ngrams": {"sizes": [13, 8]}, "max_share": 1}
    done = prepared(tmp_path / "out", rows, {"leakage": leakage, "split": {"validation": 0}})
    looks = {
        look["method"]: look
        for look in done.summary["leak_looks"]
        if (look["split"], look["against"]) == ("train", "test")
    }
    assert looks["13-gram"]["not_looked"] == "no row of one of them is long enough"
    assert (looks["8-gram"]["rows"], looks["8-gram"]["against_rows"]) == (1, 1)


def test_rows_with_one_input_leak_as_the_one_row_they_become(tmp_path: Path) -> None:
    """Where repeats stay, several rows are cut as one; none of them is held against itself."""
    pairs = [(f"fact {n % 20} and more", f"sentence {n}") for n in range(60)]
    config = {
        "dedup": {"exact": False},
        "split": {"validation": 4, "test": 6, "stratify": None},
        "leakage": {"fuzzy": {"threshold": 0.9}, "max_share": 0},
    }
    done = prepared(tmp_path / "out", {"train": rows_of(pairs)}, config)
    looked = {
        (look["split"], look["against"]): (look["rows"], look["against_rows"], look["found"])
        for look in done.summary["leak_looks"]
        if "not_looked" not in look and look["method"] == "minhash"
    }
    assert looked == {
        ("train", "validation"): (30, 4, 0),
        ("train", "test"): (30, 6, 0),
        ("validation", "test"): (4, 6, 0),
    }
    assert not any(path.name.startswith(".") for path in done.path.iterdir())


def test_what_dedup_is_to_drop_is_counted_and_no_reason_to_stop(tmp_path: Path) -> None:
    rows = {"train": rows_of(repeating())}
    config = {"dedup": {"fuzzy": {}}, "split": {"validation": 20, "test": 20}}
    done = prepared(tmp_path / "out", rows, config)
    counts = done.summary["leakage"]
    assert counts["validation_rows_nearly_in_train"] > 5
    gone = set(done.reasons().values())
    assert {"leak_validation", "leak_test", "near_duplicate"} <= gone
