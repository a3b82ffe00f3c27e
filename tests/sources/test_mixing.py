"""Several files: globs, weights, references, limits, ids and the digest of it all."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from runner.errors import ConfigError
from runner.sources import source_digest
from tests.sources.reading import read, read_file, source, write_jsonl


def rows(prefix: str, count: int) -> list[dict[str, str]]:
    return [{"text": f"{prefix}{n}", "target": "x"} for n in range(count)]


def test_globs_are_sorted_and_ids_stay_unique(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "b.jsonl", rows("b", 2))
    write_jsonl(tmp_path / "a.jsonl", rows("a", 2))
    got, _ = read(source(kind="files", train=str(tmp_path / "*.jsonl")))
    assert [row.fields["text"] for row in got] == ["a0", "a1", "b0", "b1"]
    assert [row.id for row in got] == ["train-1", "train-2", "train2-1", "train2-2"]


def test_a_name_with_brackets_is_no_glob(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows[1].jsonl", rows("a", 1))
    assert len(read_file(path)[0]) == 1


@pytest.mark.parametrize("weight", [0.25, 0.5, 1.5, 3])
def test_weights_are_exact_seeded_and_keep_the_origin(tmp_path: Path, weight: float) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", rows("a", 100))
    config = source(kind="files", train=[{"path": str(path), "weight": weight}])
    got, faults = read(config)
    assert len(got) == 100 * weight
    assert read(config) == (got, faults)
    assert len({row.id for row in got}) == len(got)
    copies = Counter(row.origin.line for row in got)
    assert set(copies.values()) <= {int(weight), int(weight) + (weight % 1 > 0)}
    faults.tally().check()


def test_half_a_file_depends_on_the_seed(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", rows("a", 100))
    config = source(kind="files", train=[{"path": str(path), "weight": 0.1}])
    chosen = {tuple(row.id for row in read(config, seed=seed)[0]) for seed in range(20)}
    assert len(chosen) > 3


def test_references_are_merged_in_evaluation_only(tmp_path: Path) -> None:
    table = [
        {"mr": "a", "ref": "one"},
        {"mr": "b", "ref": "two"},
        {"mr": "a", "ref": "three"},
        {"mr": "a", "ref": "one"},
    ]
    path = str(write_jsonl(tmp_path / "rows.jsonl", table))
    config = source(
        kind="files", train=path, test=path, input=["mr"], target="ref", references_by="mr"
    )
    assert len(read(config, "train")[0]) == 4
    test, faults = read(config, "test")
    assert [(row.target, row.references) for row in test] == [("one", ("three",)), ("two", ())]
    tally = faults.tally()
    tally.check()
    assert (tally.rows_in, tally.kept, dict(tally.dropped)) == (4, 2, {"merged_reference": 2})


def test_groups_and_slices_travel(tmp_path: Path) -> None:
    path = write_jsonl(
        tmp_path / "rows.jsonl", [{"text": "a", "target": "b", "who": 7, "lang": "en"}]
    )
    (row,), _ = read_file(path, group="who", slices=["lang"])
    assert (row.group, dict(row.slices), dict(row.fields)) == ("7", {"lang": "en"}, {"text": "a"})


def test_limit_stops_reading(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", rows("a", 10))
    got, faults = read_file(path, limit=3)
    assert [row.id for row in got] == ["train-1", "train-2", "train-3"]
    assert faults.tally().rows_in == 3


def test_digest_follows_content_and_config(tmp_path: Path) -> None:
    cache = tmp_path / "home" / "digests.json"
    path = write_jsonl(tmp_path / "rows.jsonl", rows("a", 3))
    config = source(kind="files", train=str(path))
    first = source_digest(config, cache)
    assert source_digest(config, cache) == first
    moved = tmp_path / "elsewhere" / "rows.jsonl"
    moved.parent.mkdir()
    moved.write_bytes(path.read_bytes())
    assert source_digest(source(kind="files", train=str(moved)), cache) == first
    assert source_digest(source(kind="files", train=str(path), target="text"), cache) != first
    weighted = source(kind="files", train=[{"path": str(path), "weight": 2}])
    assert source_digest(weighted, cache) != first
    write_jsonl(path, rows("b", 3))
    os.utime(path, ns=(1, 1))
    assert source_digest(config, cache) != first


def test_unchanged_files_are_not_hashed_again(tmp_path: Path) -> None:
    cache = tmp_path / "digests.json"
    path = write_jsonl(tmp_path / "rows.jsonl", rows("a", 3))
    config = source(kind="files", train=str(path))
    source_digest(config, cache)
    known = json.loads(cache.read_text())
    (entry,) = known.values()
    entry[2] = "remembered"
    cache.write_text(json.dumps(known))
    remembered = source_digest(config, cache)
    cache.write_text("not json")
    assert source_digest(config, cache) != remembered


def test_wrong_kind_of_file_for_turns(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match=r"source\.kind chat reads JSONL"):
        read(source(kind="chat", train=str(path)))
