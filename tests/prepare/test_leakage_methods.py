"""Leaks beyond equal inputs: n-grams, shared spans, external suites, between evaluation splits."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from runner.base.errors import ConfigError, DataError, GateError
from runner.config import Prepare, Source
from runner.prepare import prepare
from runner.records import FaultLog, Row
from runner.sources import open_suites, suites_digest
from tests.prepare.making import (
    SEED,
    Prepared,
    prepared,
    read_lines,
    read_prepared,
    reader,
    rows_of,
)

ALL: dict[str, Any] = {
    "fuzzy": {"threshold": 0.8, "ngram": 2},
    "ngrams": {"sizes": [13, 8]},
    "substring": 50,
    "max_share": 1,
}
NO_CUT = {"split": {"validation": 0, "test": 0}}


def words(seed: int, count: int) -> str:
    return " ".join(random.Random(seed).choices([f"w{n}" for n in range(500)], k=count))


def leaks(done: Prepared) -> dict[str, tuple[str, str, float]]:
    """Train row to the row it gives away, how, and how surely."""
    return {
        line["id"]: (line["matched"], line["method"], line["score"])
        for line in read_lines(done.path / "leaks.jsonl")
        if line["split"] == "train"
    }


def test_every_method_finds_its_own_kind(tmp_path: Path) -> None:
    short, long, passage = words(1, 30), words(2, 60), words(3, 50)
    test = [short, long, f"{words(4, 200)} {passage}", "alone in the world"]
    train = [
        short,
        short.upper() + "!",
        " ".join(["x0", *short.split()[1:]]),
        f"{words(5, 300)} {long} {words(6, 300)}",
        f"{words(7, 300)} {passage} {words(8, 300)}",
        words(9, 40),
    ]
    given_rows = {
        "train": rows_of([(text, "a") for text in train]),
        "test": rows_of([(text, "a") for text in test], "test"),
    }
    config = {**NO_CUT, "leakage": ALL, "dedup": {"exact": False}}
    done = prepared(tmp_path / "out", given_rows, config)
    found = leaks(done)
    assert {row: pair[:2] for row, pair in found.items()} == {
        "train-2": ("test-2", "exact"),
        "train-3": ("test-2", "normalised"),
        "train-4": ("test-2", "minhash"),
        "train-5": ("test-3", "13-gram"),
        "train-6": ("test-4", "substring"),
    }
    assert found["train-5"][2] == 1.0
    assert done.texts() == [train[-1]]
    assert set(done.reasons().values()) == {"leak_test"}
    by_id = {row["id"]: row for row in done.dropped}
    assert by_id["train-6"]["method"] == "substring"
    assert by_id["train-6"]["matched"] == "test-4"
    spans = {line["id"]: line["span"] for line in read_lines(done.path / "leaks.jsonl")}
    assert spans["train-6"] == passage[:200]
    assert done.summary["leakage"]["test_rows_in_train"] == 1
    assert done.summary["leakage"]["test_rows_nearly_in_train"] == 2
    assert len(done.splits["test"]) == len(test)


def test_validation_and_test_are_compared_and_stay(tmp_path: Path) -> None:
    given_rows = {
        "train": rows_of([("other", "a")]),
        "validation": rows_of([("The same", "a"), ("own", "a")], "validation"),
        "test": rows_of([("the same!", "b")], "test"),
    }
    done = prepared(tmp_path / "out", given_rows, {})
    (pair,) = read_lines(done.path / "leaks.jsonl")
    assert (pair["split"], pair["against"], pair["fate"]) == ("validation", "test", "")
    assert not pair["agrees"]
    assert read_lines(done.path / "conflicts.jsonl") == [pair]
    assert len(done.splits["validation"]) == 2


def test_suites_are_held_against_validation_and_test(tmp_path: Path) -> None:
    """What they share is listed, and stays."""
    suite = tmp_path / "trivia.csv"
    suite.write_text("text\nWho wrote it?\nWhat is six?\nWhat is nine?\n")
    source = TypeAdapter(Source).validate_python({"kind": "files", "train": "x", "input": ["text"]})
    files = {"trivia": str(suite)}
    config = Prepare.model_validate({"leakage": {"suites": files}})
    splits = {
        "train": rows_of([("other", "a"), ("another", "b")]),
        "validation": rows_of([("WHO wrote it", "a"), ("own", "a")], "validation"),
        "test": rows_of([("what is six", "a"), ("who wrote it?", "b")], "test"),
    }
    readers = {split: reader(rows) for split, rows in splits.items()}
    out = tmp_path / "out"
    out.mkdir()
    suites = partial(open_suites, source, files)
    prepare({**readers, "suites": suites}, config, 0.05, SEED, out)
    done = read_prepared(out)
    found = {
        (line["split"], line["id"], line["against"], line["matched"], line["fate"])
        for line in read_lines(out / "leaks.jsonl")
        if line["against"] == "trivia"
    }
    assert found == {
        ("validation", "validation-2", "trivia", "trivia/1", ""),
        ("test", "test-2", "trivia", "trivia/2", ""),
        ("test", "test-3", "trivia", "trivia/1", ""),
    }
    assert {split: len(rows) for split, rows in done.splits.items()} == {
        "train": 2,
        "validation": 2,
        "test": 2,
    }
    counts = done.summary["leakage"]
    assert counts["suite_trivia_rows_in_train"] == 0
    assert counts["suite_trivia_rows_in_validation"] == 1
    assert counts["suite_trivia_rows_in_test"] == 2


def with_suites(out: Path, train: list[Row], files: dict[str, str], **leakage: Any) -> Prepared:
    source = TypeAdapter(Source).validate_python(
        {"kind": "files", "train": "x.csv", "input": ["text"], "target": "y"}
    )
    config = Prepare.model_validate({**NO_CUT, "leakage": {"suites": files, **leakage}})
    suites = partial(open_suites, source, files)
    out.mkdir()
    prepare({"train": reader(train), "suites": suites}, config, 0.05, SEED, out)
    return read_prepared(out)


def test_external_suites_are_kept_out_of_train(tmp_path: Path) -> None:
    trivia, maths = tmp_path / "trivia.jsonl", tmp_path / "maths.csv"
    trivia.write_bytes(orjson.dumps({"text": "Who wrote it?", "answer": 42}) + b"\n")
    maths.write_text("question\nWhat is two and two\nWhat is six\n")
    train = rows_of([("who wrote it", "x"), ("what is two and TWO", "y"), ("else", "z")])
    files = {"trivia": str(trivia), "maths": str(maths)}
    done = with_suites(tmp_path / "out", train, files, max_share=1)
    assert done.reasons() == {"train-2": "leak_suite", "train-3": "leak_suite"}
    assert {row["matched"] for row in done.dropped} == {"trivia/1", "maths/1"}
    assert {row["against"] for row in read_lines(done.path / "leaks.jsonl")} == {"trivia", "maths"}
    assert done.summary["leakage"]["suite_trivia_rows_in_train"] == 1
    assert done.summary["leakage"]["suite_maths_rows_in_train"] == 1
    assert {tally.split for tally in done.tallies} <= {"train", "validation", "test"}
    with pytest.raises(GateError, match=r"1 of 1 suite trivia rows \(100.0%\)") as refused:
        with_suites(tmp_path / "two", train, files)
    assert "1 of 2 suite maths rows" in str(refused.value)


def test_a_suite_that_is_not_there_is_named(tmp_path: Path) -> None:
    source = TypeAdapter(Source).validate_python({"kind": "chat", "train": "x.jsonl"})
    missing = {"gone": str(tmp_path / "gone.jsonl")}
    with pytest.raises(ConfigError, match=r"gone\.jsonl"):
        list(open_suites(source, missing, FaultLog("suites")))


def test_the_digest_of_suites_follows_their_content(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("q\na\n")
    one = suites_digest({"s": str(file)}, tmp_path / "cache.json")
    file.write_text("q\nbb\n")
    assert suites_digest({"s": str(file)}, tmp_path / "cache.json") != one


sentences = st.lists(
    st.lists(st.sampled_from("abcdefgh"), min_size=3, max_size=12).map(" ".join),
    min_size=12,
    max_size=40,
)


@settings(max_examples=40)
@given(texts=sentences)
def test_clusters_never_straddle_a_cut(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    """No near-duplicate of a cut row is left in train, also where they are kept in train."""
    fuzzy = {"threshold": 0.5, "ngram": 1}
    texts = [f"{text} {n // 3}" for n, text in enumerate(texts)]
    rows = {"train": rows_of([(text, "x") for text in texts])}
    out = tmp_path_factory.mktemp("split")
    split = {"validation": 2, "test": 2, "cluster": fuzzy, "stratify": None}
    try:
        done = prepared(out / "a", rows, {"split": split})
    except (ConfigError, DataError) as error:  # every cluster is larger than what is asked for
        assume("has to stay together" not in str(error) and "different inputs" not in str(error))
        raise
    again = prepared(
        out / "b",
        {name: found for name, found in done.splits.items() if found},
        {"leakage": {"fuzzy": fuzzy, "max_share": 1}, "split": {"validation": 0, "test": 0}},
    )
    assert read_lines(again.path / "leaks.jsonl") == []


def test_banking77_firewall(tmp_path: Path, shared_data: Path) -> None:
    """The 25 rows that are equal but for case and punctuation, and near-duplicates beyond."""
    from tests.prepare.test_real_data import run

    folder = shared_data / "banking77"
    done = run(
        tmp_path / "out",
        {"leakage": ALL, "split": {"validation": 0}},
        train=str(folder / "train.csv"),
        test=str(folder / "test.csv"),
        input=["text"],
        target="category",
    )
    found = leaks(done)
    equal = [row for row, (_, method, _) in found.items() if method in ("exact", "normalised")]
    assert len(equal) == 25
    assert len(found) > 100
    assert done.summary["leakage"]["test_rows_in_train"] == 25
    assert len(done.splits["test"]) == 3080
