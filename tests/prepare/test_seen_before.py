"""Fingerprints of past datasets, and what they say about a new one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runner.base.errors import ConfigError
from runner.config import Dedup, Prepare
from runner.prepare import past_digest
from runner.prepare.seen_before import seen_before, write_fingerprints
from tests.kernels.test_minhash import BASE, OTHER, corpus, jaccard
from tests.prepare.making import prepared, read_lines, rows_of

NOTHING_SPLIT = {"validation": 0, "test": 0}


def config(index: Path | None = None, **fuzzy: Any) -> Dedup:
    at = {"index": str(index)} if index else {}
    return Dedup.model_validate({"fuzzy": {"threshold": 0.6, **fuzzy, **at}})


@pytest.mark.parametrize("permutations", [64, 256])
def test_what_is_found_is_as_similar_as_it_says(tmp_path: Path, permutations: int) -> None:
    """One file serves any number of permutations, and the most similar row is named."""
    old, new = corpus(1, 200), corpus(1, 220)[100:]
    for name, texts in (("early", old[:120]), ("late", old[120:])):
        rows = rows_of([(text, "a") for text in texts], name)
        assert write_fingerprints(rows, config(), tmp_path / f"{name}.parquet") == len(texts)
    found = seen_before(
        rows_of([(text, "a") for text in new]),
        config(tmp_path, permutations=permutations, recall=0.999),
    )
    texts_by_id = {f"early-{n}": text for n, text in enumerate(old[:120], start=2)}
    texts_by_id |= {f"late-{n}": text for n, text in enumerate(old[120:], start=2)}
    for seen in found:
        assert seen.score == pytest.approx(jaccard(new[seen.row], texts_by_id[seen.id]))
        assert seen.score == pytest.approx(max(jaccard(new[seen.row], text) for text in old))
        assert seen.id.startswith(seen.dataset)
    wanted = [n for n, text in enumerate(new) if max(jaccard(text, o) for o in old) >= 0.6]
    assert [seen.row for seen in found] == wanted


def test_a_run_reports_the_rows_and_keeps_them(tmp_path: Path) -> None:
    base = {"dedup": {"fuzzy": {"threshold": 0.6}}, "split": NOTHING_SPLIT}
    past = prepared(tmp_path / "past", {"train": rows_of([(BASE, "a"), (OTHER, "b")])}, base)
    index = tmp_path / "index" / "mails.parquet"
    told = subprocess.run(
        [sys.executable, "-m", "runner.prepare.seen_before", str(past.path), str(index)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout == f"2 fingerprints in {index}\n"
    fuzzy = {"threshold": 0.6, "index": str(index.parent)}
    new = rows_of([("something else entirely here", "a"), (BASE.replace("w7 ", "x "), "a")])
    done = prepared(
        tmp_path / "new", {"train": new}, {"dedup": {"fuzzy": fuzzy}, "split": NOTHING_SPLIT}
    )
    assert len(done.splits["train"]) == 2
    (seen,) = read_lines(done.path / "seen_before.jsonl")
    assert (seen["id"], seen["dataset"], seen["matched"]) == ("train-3", "mails", "train-2")
    assert seen["similarity"] == pytest.approx(jaccard(BASE, new[1].fields["text"]), abs=1e-4)
    assert done.summary["notes"] == [
        "1 of 2 training rows nearly repeat a row of a past dataset (mails: 1); they stay, and "
        "stand in seen_before.jsonl"
    ]


def test_an_index_that_cannot_serve_is_explained(tmp_path: Path) -> None:
    rows = rows_of([(BASE, "a")])
    with pytest.raises(
        ConfigError, match=r"no fingerprints at .*python -m runner.prepare.seen_before"
    ):
        seen_before(rows, config(tmp_path / "none"))
    write_fingerprints(rows, config(ngram=5), tmp_path / "five.parquet")
    with pytest.raises(ConfigError, match=r"made otherwise \(ngram: 5 there, 3 here\)"):
        seen_before(rows, config(tmp_path))
    (tmp_path / "five.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(ConfigError, match="is no file of fingerprints"):
        seen_before(rows, config(tmp_path))


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    def digest() -> str:
        return past_digest(Prepare(dedup=config(tmp_path)))

    assert past_digest(Prepare(dedup=config())) == past_digest(Prepare()) == ""
    write_fingerprints(rows_of([(BASE, "a")]), config(), tmp_path / "a.parquet")
    first = digest()
    write_fingerprints(rows_of([(OTHER, "a")]), config(), tmp_path / "b.parquet")
    assert digest() != first
    (tmp_path / "b.parquet").unlink()
    assert digest() == first
