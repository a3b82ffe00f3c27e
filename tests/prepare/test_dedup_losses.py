"""Near-duplicates never go along a chain, and what dedup takes away is said when it is much."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.base.errors import GateError
from runner.records import Origin, Row
from tests.acceptance.tiny import sft, write
from tests.prepare.making import Prepared, prepared, read_lines, rows_of

STEPS, LENGTH = 400, 40
NOTHING_CUT = {"split": {"validation": 0, "test": 0}}


def chain() -> list[tuple[str, str]]:
    """Rows that are each like the next ones, first and last with no word in common; three labels,
    a third of the chain each."""
    texts = (" ".join(f"w{at}" for at in range(n, n + LENGTH)) for n in range(STEPS))
    return [(text, "abc"[3 * n // STEPS]) for n, text in enumerate(texts)]


def alike(one: str, other: str) -> float:
    """Jaccard similarity of the sets of three words in sequence."""
    sets = []
    for words in (one.split(), other.split()):
        sets.append({tuple(words[at : at + 3]) for at in range(len(words) - 2)})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


@pytest.mark.parametrize("engine", ["local", "daft"])
def test_a_chain_keeps_what_is_like_nothing_that_is_kept(tmp_path: Path, engine: str) -> None:
    if engine == "daft":
        pytest.importorskip("daft", reason="the extra 'scale' is not installed")
    config = {**NOTHING_CUT, "dedup": {"fuzzy": {"engine": engine}}}
    done = prepared(tmp_path / "out", {"train": rows_of(chain())}, config)
    text = {row.id: row.fields["text"] for row in rows_of(chain())}
    kept = {row.id for row in done.splits["train"]}
    assert {row.target for row in done.splits["train"]} == set("abc")
    assert done.summary["labels"]["train"] is not None
    for row in done.dropped:
        assert row["matched"] in kept
        assert row["score"] == pytest.approx(alike(text[row["id"]], text[row["matched"]]))
        assert row["score"] >= 0.8
    # Four steps away 34 of 42 runs are shared (0.81), five steps away 33 of 43. LSH may miss one.
    assert STEPS // 5 <= len(kept) <= STEPS // 5 + 3
    assert all("no training row" not in line for line in done.summary["warnings"])


def test_check_says_what_a_chain_comes_to(tmp_path: Path) -> None:
    yaml = write(tmp_path, sizes=[8], shots="[]")
    rows = "".join(f"{text},{target}\n" for text, target in chain())
    (tmp_path / "rows.csv").write_text("text,label\n" + rows)
    words = ("check", str(yaml), "prepare/dedup=fuzzy", "prepare.split.validation=4")
    more = ("prepare.split.test=4", "prepare.leakage.fuzzy=false", "--json")
    said = sft(tmp_path, *words, *more)
    assert said.returncode == 0, said.stderr
    (report,) = json.loads(said.stdout)["treatments"]
    dropped = report["dropped_by_reason"]["train"]["near_duplicate"]
    (warning,) = report["warnings"]
    assert warning.startswith(f"dedup drops {dropped} of 400 training rows (")
    assert report["labels"]["train"] == 3
    refused = sft(tmp_path, *words, *more, "prepare.dedup.max_share=0.5")
    assert refused.returncode == 4
    assert f"dedup would drop {dropped} of 400 training rows (" in refused.stderr
    assert re.search(r"rows\.csv:\d+ repeats .*rows\.csv:\d+: w", refused.stderr)
    assert "prepare.dedup.max_share=0." in refused.stderr
    assert "Traceback" not in refused.stderr


def near(count: int, target: str, name: str, **more: Any) -> list[Row]:
    """Rows that nearly repeat each other."""
    base = [f"{name}{at}" for at in range(60)]
    texts = [" ".join([*base, f"end{n}"]) for n in range(count)]
    return [replace(row, **more) for row in rows_of([(text, target) for text in texts])]


def numbered(*parts: list[Row]) -> list[Row]:
    """All of them, with ids and lines of their own."""
    rows = [row for part in parts for row in part]
    return [replace(row, id=f"r{n}", origin=Origin("rows.csv", n)) for n, row in enumerate(rows, 1)]


def losses(folder: Path, rows: list[Row], **dedup: Any) -> Prepared:
    config = {**NOTHING_CUT, "dedup": {"fuzzy": {}, **dedup}}
    return prepared(folder / "out", {"train": rows}, config)


def test_a_label_or_slice_that_is_gone_is_a_warning(tmp_path: Path) -> None:
    some = near(1, "a", "x", slices={"lang": "en"})
    like = near(4, "b", "x", slices={"lang": "de"})
    others = (near(1, "ac"[n % 2], f"y{n}", slices={"lang": "en"}) for n in range(9))
    done = losses(tmp_path, numbered(some, like, *others))
    assert {row["id"] for row in done.dropped} == {"r2", "r3", "r4", "r5"}
    why = "(1 × conflict, 3 × near_duplicate)"
    assert done.summary["warnings"] == [
        f"dedup leaves no training row of 1 label: 'b' {why}",
        f"dedup leaves no training row of 1 slice: lang='de' {why}",
    ]


def test_equal_rows_take_nothing_away(tmp_path: Path) -> None:
    """They are said when they are many, and never refused."""
    done = losses(tmp_path, numbered(rows_of([("same", "a")] * 19), near(1, "b", "x")))
    (warning,) = done.summary["warnings"]
    assert warning == (
        "dedup drops 18 of 20 training rows (90%: 18 × exact_duplicate); "
        "prepare.dedup.warn_share is 30%"
    )


def test_too_much_is_refused_until_it_is_allowed(tmp_path: Path) -> None:
    rows = near(30, "a", "x")
    with pytest.raises(GateError, match=r"29 of 30 training rows \(96.7%\)") as refused:
        losses(tmp_path / "one", rows)
    assert refused.value.exit_code == 4
    done = losses(tmp_path / "two", rows, max_share=0.97)
    assert len(done.splits["train"]) == 1


def test_the_constant_column_is_found_out(tmp_path: Path) -> None:
    """The wrong column as input: one text with many answers."""
    rows = rows_of([("constant", f"answer {n}") for n in range(30)])
    with pytest.raises(GateError, match="29 × conflict"):
        losses(tmp_path, rows)


def test_a_cluster_that_swallows_the_rows_is_a_warning(tmp_path: Path) -> None:
    rows = numbered(rows_of(chain()[:60]), *(near(1, "a", f"y{n}") for n in range(40)))
    split = {"validation": 5, "test": 5, "cluster": {"threshold": 0.7}, "stratify": None}
    done = prepared(tmp_path / "out", {"train": rows}, {"split": split})
    (warning,) = done.summary["warnings"]
    assert "one cluster of near-duplicates holds 60 of 100 rows (60%)" in warning
    cut = {row.id for name in ("validation", "test") for row in done.splits[name]}
    assert len(cut) == 10
    assert not cut & {row.id for row in rows[:60]}
    quiet = prepared(tmp_path / "two", {"train": rows}, {"split": {**split, "warn_cluster": 0.7}})
    assert quiet.summary["warnings"] == []
    assert read_lines(quiet.path / "validation.jsonl") == read_lines(done.path / "validation.jsonl")


def test_run_says_the_warnings_before_it_tunes(tmp_path: Path) -> None:
    yaml = write(tmp_path, sizes=[8], shots="[]")
    with (tmp_path / "rows.csv").open("a") as rows:
        rows.write("the same question again,refund\n" * 40)
    said = sft(tmp_path, "run", str(yaml), "prepare.split.test=4", "tuning.epochs=1")
    assert said.returncode == 0, said.stderr
    assert "warning: dedup drops 39 of " in said.stderr
