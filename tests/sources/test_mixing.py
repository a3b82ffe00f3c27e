"""Several files: globs, weights, references, limits, ids and the digest of it all."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.base.errors import ConfigError, DataError
from runner.records import Row
from runner.sources import source_digest
from runner.sources.digest import load_known, save_known
from runner.sources.mix import draw, row_bytes
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
    first = source_digest(config, cache)
    known = load_known(cache)
    (entry,) = known.values()
    entry[2] = "remembered"
    save_known(cache, known)
    remembered = source_digest(config, cache)
    assert remembered != first
    for broken in ("not json", cache.read_text().replace("remembered", "damaged")):
        cache.write_text(broken)
        assert source_digest(config, cache) == first


def test_wrong_kind_of_file_for_turns(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match=r"source\.kind chat reads JSONL"):
        read(source(kind="chat", train=str(path)))


def texts(prefix: str, sizes: list[int]) -> list[dict[str, str]]:
    return [{"text": prefix + "x" * size, "target": "y"} for size in sizes]


def taken(got: list[Row]) -> dict[str, tuple[int, int, int]]:
    """File name to rows, bytes and the bytes of the longest row."""
    out: dict[str, tuple[int, int, int]] = {}
    for row in got:
        name, size = Path(row.origin.file).name, row_bytes(row)
        rows, total, longest = out.get(name, (0, 0, 0))
        out[name] = (rows + 1, total + size, max(longest, size))
    return out


SIZES = st.lists(st.integers(0, 400), min_size=1, max_size=60)
WEIGHT = st.floats(0.05, 20)


@given(st.lists(st.tuples(SIZES, WEIGHT), min_size=2, max_size=4), st.integers(0, 5))
def test_the_token_shares_come_out_within_a_row(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[list[int], float]], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("mix")
    train, sizes = [], []
    for at, (lengths, weight) in enumerate(entries):
        path = write_jsonl(folder / f"{at}.jsonl", texts("a", lengths))
        train.append({"path": str(path), "weight": weight})
        sizes.append([length + 2 for length in lengths])
    config = source(kind="files", train=train, weigh_by="tokens", id=None)
    got, faults = read(config, seed=seed)
    scale = min(sum(own) / weight for own, (_, weight) in zip(sizes, entries, strict=True))
    for at, (own, (_, weight)) in enumerate(zip(sizes, entries, strict=True)):
        _, total, _ = taken(got).get(f"{at}.jsonl", (0, 0, 0))
        assert abs(total - scale * weight) <= max(own) / 2 + 1e-6
    assert len({row.id for row in got}) == len(got)
    assert [told.rows for told in faults.mix] == [
        taken(got).get(f"{at}.jsonl", (0, 0, 0))[0] for at in range(len(entries))
    ]
    faults.tally().check()
    assert faults.tally().rows_in == sum(map(len, sizes))
    assert read(config, seed=seed) == (got, faults)


@given(st.lists(st.integers(1, 50), max_size=40), st.floats(0, 1), st.integers(0, 99))
def test_a_draw_is_nearest_to_its_budget(sizes: list[int], part: float, lot: int) -> None:
    every = np.array(sizes, np.int64)
    budget = part * float(every.sum())
    take = draw(every, budget, lot)
    assert abs(float(every[take].sum()) - budget) <= max(sizes, default=0) / 2


def test_rows_of_a_mix_are_weighed_against_each_other(tmp_path: Path) -> None:
    """The scarce file is whole, the head of the mix is mixed, globs are one entry."""
    write_jsonl(tmp_path / "a1.jsonl", rows("a", 10))
    write_jsonl(tmp_path / "a2.jsonl", rows("a", 20))
    few = write_jsonl(tmp_path / "few.jsonl", rows("b", 5))
    train = [{"path": str(tmp_path / "a?.jsonl"), "weight": 3}, str(few)]
    config = source(kind="files", train=train, weigh_by="rows")
    got, faults = read(config)
    names = [row.fields["text"][0] for row in got]
    assert (names.count("a"), names.count("b")) == (15, 5)
    assert 1 <= names[:6].count("b") <= 2
    assert dict(faults.tally().dropped) == {"weight": 15}
    assert [(told.rows_in, told.rows) for told in faults.mix] == [(30, 15), (5, 5)]
    head, _ = read(source(kind="files", train=train, weigh_by="rows", limit=8))
    assert [row.fields["text"][0] for row in head] == names[:8]
    other, _ = read(config, seed=3)
    assert {row.id for row in other} != {row.id for row in got}


def test_tokens_and_rows_differ_where_lengths_do(tmp_path: Path) -> None:
    long = write_jsonl(tmp_path / "long.jsonl", texts("l", [998] * 50))
    short = write_jsonl(tmp_path / "short.jsonl", texts("s", [98] * 500))
    train = [str(long), str(short)]
    got, _ = read(source(kind="files", train=train, weigh_by="tokens"))
    assert {name: found[:2] for name, found in taken(got).items()} == {
        "long.jsonl": (50, 50_000),
        "short.jsonl": (500, 50_000),
    }
    got, _ = read(source(kind="files", train=train, weigh_by="rows"))
    assert {name: found[0] for name, found in taken(got).items()} == {
        "long.jsonl": 50,
        "short.jsonl": 50,
    }


def test_an_empty_file_has_no_share_of_a_mix(tmp_path: Path) -> None:
    full = write_jsonl(tmp_path / "full.jsonl", rows("a", 3))
    empty = write_jsonl(tmp_path / "empty.jsonl", [])
    config = source(kind="files", train=[str(full), str(empty)], weigh_by="tokens")
    with pytest.raises(DataError, match=r"no usable row in .*empty\.jsonl"):
        read(config)


def test_a_mix_is_another_source(tmp_path: Path) -> None:
    one = write_jsonl(tmp_path / "1.jsonl", rows("a", 3))
    two = write_jsonl(tmp_path / "2.jsonl", rows("b", 3))
    digests = set()
    for by in ("file", "rows", "tokens"):
        config = source(kind="files", train=[str(one), str(two)], weigh_by=by)
        digests.add(source_digest(config, tmp_path / "cache.json"))
    merged = source(kind="files", train=[str(tmp_path / "?.jsonl")], weigh_by="rows")
    digests.add(source_digest(merged, tmp_path / "cache.json"))
    assert len(digests) == 4
