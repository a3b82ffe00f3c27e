"""Near-duplicates, held against comparing every pair."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from runner.base.errors import ConfigError, DataError
from runner.config import FuzzyDedup
from runner.kernels.minhash import (
    MinHashSettings,
    bands,
    from_arrow,
    gather,
    near_clusters,
    near_components,
    near_duplicates,
    near_matches,
    proposed,
)
from runner.prepare.kernel_settings import minhash_settings
from tests.prepare.making import OPEN, Prepared, prepared, read_lines, rows_of

WORDS = [f"w{n}" for n in range(400)]
Stars = dict[int, set[int]]
SURE = {"permutations": 128, "bands": 128}
"""Every pair that shares anything worth speaking of becomes a candidate."""


@lru_cache(4000)
def shingles(text: str) -> frozenset[tuple[str, ...]]:
    words, size = text.split(), MinHashSettings().ngram
    return frozenset(tuple(words[at : at + size]) for at in range(max(1, len(words) - size + 1)))


def jaccard(left: str, right: str) -> float:
    one, two = shingles(left), shingles(right)
    return len(one & two) / len(one | two)


def corpus(seed: int, count: int = 120) -> list[str]:
    """Texts of which a third are edited copies of earlier ones."""
    draw = random.Random(seed)
    texts: list[str] = []
    for _ in range(count):
        if texts and draw.random() < 0.33:
            words = draw.choice(texts).split()
            for _ in range(draw.randint(0, 3)):
                words[draw.randrange(len(words))] = draw.choice(WORDS)
            texts.append(" ".join(words))
        else:
            texts.append(" ".join(draw.choices(WORDS, k=draw.randint(10, 40))))
    return texts


def components(texts: list[str], threshold: float) -> set[frozenset[int]]:
    """Clusters by comparing all pairs."""
    group = {row: {row} for row in range(len(texts))}
    for one, two in combinations(range(len(texts)), 2):
        if jaccard(texts[one], texts[two]) >= threshold and group[one] is not group[two]:
            group[one] |= group[two]
            for row in group[two]:
                group[row] = group[one]
    return {frozenset(rows) for rows in group.values() if len(rows) > 1}


def stars(texts: list[str], threshold: float, order: Sequence[int], stays: set[int]) -> Stars:
    """Each kept row with those it stands for, by comparing all pairs: in the `order` of their
    worth rows are kept, and what is like a kept row, and need not stay, goes with it."""
    kept: Stars = {}
    gone: set[int] = set()
    for row in sorted(order, key=lambda row: row not in stays):
        if row not in gone:
            like = (jaccard(texts[row], texts[other]) >= threshold for other in range(len(texts)))
            mine = {other for other, is_like in enumerate(like) if is_like}
            kept[row] = mine - gone - stays - kept.keys() - {row}
            gone |= kept[row]
    return {row: members for row, members in kept.items() if members}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("threshold", [0.5, 0.8])
@pytest.mark.parametrize("by_merit", [False, True])
def test_stars_are_those_of_comparing_all_pairs(
    seed: int, threshold: float, by_merit: bool
) -> None:
    texts, draw = corpus(seed), random.Random(seed)
    priority = np.array([draw.randrange(5) for _ in texts], float) if by_merit else None
    stays = np.array([draw.random() < 0.2 for _ in texts]) if by_merit else None
    found = list(
        near_clusters(texts, MinHashSettings(threshold=threshold, **SURE), priority, stays=stays)
    )
    rows = range(len(texts))
    order = rows if priority is None else sorted(rows, key=lambda row: -priority[row])
    wanted = stars(
        texts, threshold, order, set(np.flatnonzero(stays).tolist()) if by_merit else set()
    )
    assert {one.kept: {near.row for near in one.members} for one in found} == wanted
    firsts = [min(one.kept, *(near.row for near in one.members)) for one in found]
    assert firsts == sorted(firsts)
    for near in (near for one in found for near in one.members):
        assert near.score == pytest.approx(jaccard(texts[near.row], texts[near.matched]))


@settings(max_examples=60)
@given(
    bases=st.lists(st.lists(st.sampled_from(WORDS[:9]), min_size=2, max_size=9), max_size=14),
    edits=st.lists(st.tuples(st.integers(0, 13), st.integers(0, 8)), max_size=14),
    threshold=st.sampled_from([0.3, 0.5, 0.7]),
    data=st.data(),
)
def test_laws_of_what_stays(
    bases: list[list[str]], edits: list[tuple[int, int]], threshold: float, data: st.DataObject
) -> None:
    """Every row that goes is like the row that stays for it; and no two rows that stay are alike,
    unless both have to stay."""
    chosen = [(list(bases[which]), at) for which, at in edits if which < len(bases)]
    for words, at in chosen:
        words[at % len(words)] = "edited"
    texts = [" ".join(words) for words in [*bases, *(words for words, _ in chosen)]]
    fixed = data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts)))
    stays, config = np.array(fixed, bool), MinHashSettings(threshold=threshold, **SURE)
    found = [near for one in near_clusters(texts, config, stays=stays) for near in one.members]
    gone = {near.row for near in found}
    assert len(gone) == len(found)
    for near in found:
        assert near.matched not in gone
        assert not stays[near.row]
        assert jaccard(texts[near.row], texts[near.matched]) == near.score >= threshold
    for one, two in combinations(sorted(set(range(len(texts))) - gone), 2):
        assert jaccard(texts[one], texts[two]) < threshold or (stays[one] and stays[two])


@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_components_are_those_of_comparing_all_pairs(threshold: float) -> None:
    texts = corpus(1)
    root = near_components(texts, MinHashSettings(threshold=threshold, **SURE)).tolist()
    found = {frozenset(row for row in range(len(texts)) if root[row] == at) for at in root}
    assert {rows for rows in found if len(rows) > 1} == components(texts, threshold)
    assert all(root[at] == at for at in root)


@pytest.mark.parametrize("seed", range(3))
def test_a_second_pass_finds_nothing(seed: int) -> None:
    texts, config = corpus(seed), MinHashSettings(threshold=0.6)
    dropped = {near.row for near in near_duplicates(texts, config)}
    assert dropped
    assert near_duplicates([t for n, t in enumerate(texts) if n not in dropped], config) == []


def test_the_default_finds_nearly_all_pairs() -> None:
    texts = corpus(7, 800)
    truth = components(texts, 0.8)
    found = {near.row for near in near_duplicates(texts, MinHashSettings())}
    wanted = {row for rows in truth for row in rows if row != min(rows)}
    assert found <= wanted
    assert len(found) >= 0.98 * len(wanted)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_and_buckets_change_nothing(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of copies of one text, and rows that share its bands without being like it."""
    monkeypatch.setattr("runner.kernels.minhash.engine.TASK_ROWS", 50)
    monkeypatch.setattr("runner.kernels.minhash.engine.TASK_PAIRS", 20)
    draw = random.Random(3)
    base = draw.choices(WORDS, k=60)
    texts = [" ".join(base)] * 300 + [" ".join(base[:45] + draw.choices(WORDS, k=15))] * 200
    texts += [" ".join(base[: draw.randint(5, 60)]) for _ in range(500)] + corpus(1, 400)
    draw.shuffle(texts)
    config = MinHashSettings(threshold=0.7)
    alone = list(near_clusters(texts, config, threads=1))
    assert list(near_clusters(texts, config, threads=threads)) == alone
    assert max(len(one.members) for one in alone) >= 299


def test_the_row_of_most_merit_stays() -> None:
    base = " ".join(WORDS[:40])
    texts = ["alone", base, base.replace("w7 ", "x "), base.replace("w9 ", "y ")]
    config = MinHashSettings(threshold=0.7)
    (cluster,) = near_clusters(texts, config, np.array([9.0, 1.0, 2.0, 2.0]))
    assert (cluster.kept, [near.row for near in cluster.members]) == (2, [1, 3])
    (cluster,) = near_clusters(texts, config, np.array([0, -np.inf, -np.inf, -np.inf]))
    assert cluster.kept == 1


def test_scripts_without_blanks_are_read_by_characters() -> None:
    text = "日本語の文章には単語の間に空白がありません。だから文字で比べます。" * 2
    edited = text.replace("空白", "余白", 1)
    assert near_duplicates([text, edited], MinHashSettings(unit="word")) == []
    (near,) = near_duplicates([text, edited], MinHashSettings(threshold=0.7))
    size = MinHashSettings().char_ngram
    one, two = ({t[n : n + size] for n in range(len(t) - size + 1)} for t in (text, edited))
    assert near.score == pytest.approx(len(one & two) / len(one | two))


def test_matches_in_a_corpus_are_the_most_similar() -> None:
    base = " ".join(WORDS[:40])
    closer, farther = base.replace("w7 ", "x "), base.replace("w7 ", "x ").replace("w30 ", "y ")
    texts, config = [base, "nothing like it"], MinHashSettings(threshold=0.6)
    (near,) = near_matches(texts, [farther, closer, closer], config)
    assert (near.row, near.matched) == (0, 1)
    assert near.score == pytest.approx(jaccard(base, closer))
    assert near_matches(texts, [], config) == near_matches([], texts, config) == []


@pytest.mark.parametrize("seed", range(3))
def test_matches_are_those_of_comparing_all_pairs(seed: int) -> None:
    texts, others = corpus(seed, 150), corpus(seed, 100)[50:]
    found = near_matches(texts, others, MinHashSettings(threshold=0.5, **SURE))
    for near in found:
        scores = [jaccard(texts[near.row], other) for other in others]
        assert near.matched == scores.index(max(scores))
    wanted = [row for row, text in enumerate(texts) if max(jaccard(text, o) for o in others) >= 0.5]
    assert [near.row for near in found] == wanted


@pytest.mark.parametrize("permutations", [16, 64, 128, 256])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("recall", [0.5, 0.95, 0.999])
def test_bands_fit_and_keep_the_recall(threshold: float, permutations: int, recall: float) -> None:
    count, rows = bands(threshold, permutations, recall)
    assert count * rows <= permutations
    assert proposed(threshold, count, rows) >= recall or rows == 1


def test_the_recall_that_the_config_promises() -> None:
    count, rows = bands(0.8, 128, MinHashSettings().recall)
    assert (count, rows) == (18, 7)
    assert proposed(0.8, count, rows) > 0.98
    assert proposed(0.85, count, rows) > 0.998


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bands": 200}, "bands=200 needs at least as many permutations; there are 128"),
        ({"keep": "newest"}, "keep: newest needs keep_by: the column to compare by"),
        ({"keep_by": "date"}, "keep_by is for keep: newest or best; keep is first"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FuzzyDedup(**values)


def test_large_corpora_lie_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = corpus(5)
    monkeypatch.setattr("runner.kernels.texts.IN_MEMORY", 100)
    held = gather(texts, tmp_path)
    assert held.pages
    assert list(tmp_path.iterdir()) == []
    config = MinHashSettings(threshold=0.6)
    found = list(near_clusters(held, config))
    monkeypatch.undo()
    assert found == list(near_clusters(texts, config))
    assert [held[row].decode() for row in range(len(held))] == texts


def test_arrow_columns_are_taken_as_they_lie() -> None:
    import pyarrow as pa

    texts = [*corpus(6), ""]
    column = pa.array(texts, pa.large_string())
    held = from_arrow(column)
    assert held.data.ctypes.data == column.buffers()[2].address
    config = MinHashSettings(threshold=0.6)
    assert list(near_clusters(held, config)) == list(near_clusters(texts, config))
    pieces = pa.chunked_array(
        [pa.array(texts[:50]), pa.array(texts[50:-1]), pa.array([None], pa.string())]
    )
    assert [from_arrow(pieces)[row].decode() for row in range(len(texts))] == texts
    assert from_arrow(column.slice(3, 2))[0].decode() == texts[3]
    assert not list(near_clusters(from_arrow(pa.array([], pa.string())), config))


def test_what_the_config_says_by_itself_is_what_the_kernels_take() -> None:
    assert minhash_settings(FuzzyDedup()) == MinHashSettings()
    other = FuzzyDedup(threshold=0.7, unit="char", ngram=2, char_ngram=4, permutations=64, bands=8)
    told = minhash_settings(other)
    assert all(getattr(told, field.name) == getattr(other, field.name) for field in fields(told))


NOTHING_CUT = {"split": {"validation": 0, "test": 0}}
BASE, OTHER = " ".join(WORDS[:30]), " ".join(WORDS[100:130])


def test_near_rows_leave_train_and_protected_rows_stay(tmp_path: Path) -> None:
    near = BASE.replace("w3 ", "changed ")
    train = rows_of([(BASE, "a"), (near, "a"), (OTHER, "a"), (OTHER.replace("w105", "z"), "b")])
    test = rows_of([(OTHER.replace("w129", "last"), "a"), ("fresh words", "a")], "test")
    config = {**OPEN, "dedup": {"fuzzy": {"threshold": 0.6}}, "split": {"validation": 0}}
    done = prepared(tmp_path / "out", {"train": train, "test": test}, config)
    assert done.reasons() == {
        "train-3": "near_duplicate",
        "train-4": "leak_test",
        "train-5": "leak_test",
    }
    leak = next(row for row in done.dropped if row["reason"] == "leak_test")
    assert (leak["method"], leak["matched"]) == ("minhash", "test-2")
    assert 0.6 <= leak["score"] < 1
    assert done.texts("test") == [row.fields["text"] for row in test]
    assert done.summary["train"]["near_duplicates"] == 1
    assert done.summary["leakage"]["test_rows_nearly_in_train"] == 1


def test_cut_rows_are_the_same_whatever_is_done_about_near_duplicates(tmp_path: Path) -> None:
    draw = random.Random(3)
    texts = [" ".join(draw.choices(WORDS, k=20)) for _ in range(60)]
    texts += [text.replace(text.split()[0], "changed", 1) for text in texts[:40]]
    rows = rows_of([(text, "ab"[n % 2]) for n, text in enumerate(texts)])
    near = {"fuzzy": {"threshold": 0.5}}
    treatments: list[dict[str, Any]] = [{}, near, {"exact": False}, {"substring": {"tokens": 10}}]
    done = [
        prepared(tmp_path / str(number), {"train": rows}, {"dedup": dedup})
        for number, dedup in enumerate(treatments)
    ]
    for one in done[1:]:
        for split in ("validation", "test"):
            assert one.texts(split) == done[0].texts(split)
    assert done[1].summary["rows"]["train"] < done[0].summary["rows"]["train"]
    # No training row nearly repeats another one, or a row that was cut.
    kept = done[1].texts("train")
    everything = [*kept, *done[1].texts("validation"), *done[1].texts("test")]
    for cluster in near_clusters(everything, MinHashSettings(threshold=0.5)):
        assert all(row >= len(kept) for row in (cluster.kept, *(m.row for m in cluster.members)))
    # What repeats a cut row goes as a leak; where these are let be, as a near-duplicate.
    let_be = {"dedup": near, "leakage": {"fuzzy": False}}
    done.append(prepared(tmp_path / "let be", {"train": rows}, let_be))
    assert done[-1].texts() == done[1].texts()
    for one, splits in ((done[1], set[str]()), (done[-1], {"validation", "test"})):
        clusters = read_lines(one.path / "clusters.jsonl")
        told = [row for cluster in clusters for row in (cluster["kept"], *cluster["members"])]
        where = {row.id: split for split, rows in one.splits.items() for row in rows}
        assert all(row.get("stays") == where.get(row["id"]) for row in told)
        assert {row.get("stays") for row in told} == {None, "train", *splits}


def test_with_conflicts_kept_another_target_is_no_repeat(tmp_path: Path) -> None:
    near = BASE.replace("w3 ", "changed ")
    rows = rows_of([(BASE, "a"), (BASE.upper(), "b"), (near, "a"), (near.upper(), "b")])
    dedup = {"conflicts": "keep", "fuzzy": {"threshold": 0.6}}
    done = prepared(tmp_path / "out", {"train": rows}, {**NOTHING_CUT, "dedup": dedup})
    assert done.reasons() == {"train-4": "near_duplicate"}
    (cluster,) = read_lines(done.path / "clusters.jsonl")
    assert [row["target"] for row in cluster["members"]] == ["b", "a", "b"]
    assert [row.get("stays") for row in cluster["members"]] == ["train", None, "train"]


@pytest.mark.parametrize(
    ("conflicts", "gone"),
    [
        ("drop_later", {"train-2": "conflict", "train-3": "exact_duplicate"}),
        ("drop_all", {f"train-{n}": "conflict" for n in (2, 3, 4)}),
        ("keep", {"train-3": "exact_duplicate"}),
    ],
)
def test_the_rule_for_what_is_kept_holds_for_equal_rows(
    tmp_path: Path, conflicts: str, gone: dict[str, str]
) -> None:
    dated = [("same", "b", "2022"), ("Same!", "a", "2023"), ("SAME", "a", "2024")]
    rows = [
        replace(row, slices={"date": date})
        for row, (_, _, date) in zip(rows_of([d[:2] for d in dated]), dated, strict=True)
    ]
    fuzzy = {"keep": "newest", "keep_by": "date"}
    dedup = {"conflicts": conflicts, "fuzzy": fuzzy}
    other = [replace(rows_of([("something else", "a")])[0], id="other", slices={"date": "2020"})]
    done = prepared(tmp_path / "out", {"train": [*rows, *other]}, {**NOTHING_CUT, "dedup": dedup})
    assert done.reasons() == gone


def chain() -> list[str]:
    """Four rows, each like the next one; the first and the last are not alike."""
    words = WORDS[:40]
    return [" ".join(words[n * 3 :] + WORDS[200 : 200 + n * 3]) for n in range(4)]


def test_clusters_are_written_down_with_their_similarities(tmp_path: Path) -> None:
    texts = [*chain(), BASE.replace("w", "v"), BASE.replace("w", "v") + " more", "alone"]
    done = alone(tmp_path, texts, {"threshold": 0.7})
    large, small = read_lines(done.path / "clusters.jsonl")
    assert large["kept"]["id"] == "train-2"
    assert [member["id"] for member in large["members"]] == ["train-3", "train-4"]
    for member, text in zip(large["members"], texts[1:], strict=False):
        assert member["similarity"] == pytest.approx(jaccard(texts[0], text), abs=1e-4)
        assert member["similarity"] >= 0.7
    assert (small["kept"]["id"], small["members"][0]["origin"]["line"]) == ("train-6", 7)
    assert [row.id for row in done.splits["train"]] == ["train-2", "train-5", "train-6", "train-8"]
    assert done.summary["near_clusters"] == {
        "clusters": 2,
        "rows": 5,
        "largest": 3,
        "sizes": {"2": 1, "3": 1},
    }


def alone(out: Path, texts: list[str], fuzzy: dict[str, Any], **more: Any) -> Prepared:
    """Prepare texts as training rows, nothing split off."""
    dates = more.pop("dates", [None] * len(texts))
    rows = rows_of([(text, "a") for text in texts])
    rows = [
        type(row)(row.id, row.fields, row.target, row.origin, slices={"date": at} if at else {})
        for row, at in zip(rows, dates, strict=True)
    ]
    config = {"dedup": {"fuzzy": fuzzy}, **NOTHING_CUT}
    return prepared(out / "out", {"train": rows}, config)


@pytest.mark.parametrize(
    ("keep", "dates", "kept"),
    [
        ("first", ["1", "2", "3"], "train-2"),
        ("longest", ["1", "2", "3"], "train-3"),
        ("newest", ["2024-05-01", "2023-12-31T23:59:59+02:00", "2024-05-01T00:00:01Z"], "train-4"),
        ("newest", ["1700000000", None, "1600000000"], "train-2"),
        ("best", ["0.1", "0.30", "2e-1"], "train-3"),
        ("best", [None, "0.5", "0.5"], "train-3"),
    ],
)
def test_the_rule_says_which_row_stays(
    tmp_path: Path, keep: str, dates: list[str | None], kept: str
) -> None:
    texts = [BASE, BASE.replace("w7 ", "longer "), BASE.replace("w9 ", "y ")]
    by = {"keep_by": "date"} if keep in ("newest", "best") else {}
    done = alone(tmp_path, texts, {"threshold": 0.6, "keep": keep, **by}, dates=dates)
    assert [row.id for row in done.splits["train"]] == [kept]


def test_columns_that_cannot_be_compared_are_explained(tmp_path: Path) -> None:
    fuzzy = {"keep": "newest", "keep_by": "date"}
    with pytest.raises(ConfigError, match="no row has a slice or input column 'date'"):
        alone(tmp_path / "none", ["a b c", "d e f"], fuzzy)
    with pytest.raises(DataError) as caught:
        alone(tmp_path / "bad", ["a b c", "d e f"], fuzzy, dates=["soon", "2024-01-01"])
    assert "train.csv:2: date='soon'" in str(caught.value)
    with pytest.raises(DataError, match="not a number"):
        alone(tmp_path / "best", ["a"], {**fuzzy, "keep": "best"}, dates=["2024-01-01"])
