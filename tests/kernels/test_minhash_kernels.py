"""The compiled kernels, and what they reproduce: numpy, datasketch and the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.kernels.minhash import MinHashSettings, gather
from runner.kernels.minhash.clusters import crowded
from runner.kernels.minhash.engine import Engine
from runner.kernels.minhash.fingerprints import (
    fingerprint_keys,
    fingerprint_matches,
    fingerprints,
)
from runner.kernels.minhash.plan import FMIX64, MASK, ROLL, SEED, STEP, UNSPACED, plan_of
from runner.kernels.minhash.shingles import KEPT
from tests.kernels import numpy_minhash as oracle

ODD = "\x1c\x1f\x0b\x85\xa0\u1680\u2003\u200b\u2028\u202f\u205f\u3000\ufeff\x00é日本ไทยмир😀𠀀가"
TEXT = st.text(st.sampled_from("aAb .\t\n" + ODD) | st.characters(exclude_categories=["Cs"]))
UNIT = st.sampled_from(["word", "char", "auto"])


def fmix64(value: int) -> int:
    for factor in FMIX64:
        value = (value ^ value >> 33) * factor & MASK
    return value ^ value >> 33


def polynomial(values: list[int]) -> int:
    total = 0
    for value in values:
        total = (total * ROLL + value) & MASK
    return fmix64(total)


def shingles(text: str, config: MinHashSettings) -> list[int]:
    """The definition in `hashing`, letter by letter."""
    if by_characters(text, config):
        tokens, size = list(" ".join(text.split())), config.char_ngram
    else:
        tokens, size = text.split(), config.ngram
    hashes = [
        fmix64(sum((b + 1) * pow(STEP, n, MASK + 1) for n, b in enumerate(t.encode())) & MASK)
        for t in tokens
    ]
    runs = range(max(1, len(hashes) - size + 1))
    return [polynomial(hashes[at : at + size]) for at in runs]


def by_characters(text: str, config: MinHashSettings) -> bool:
    if config.unit != "auto":
        return config.unit == "char"
    letters = "".join(text.split())
    unspaced = sum(any(a <= ord(c) <= b for a, b in UNSPACED) for c in letters)
    return unspaced > 0 and unspaced * 10 >= len(letters)


@settings(max_examples=300)
@given(st.lists(TEXT, min_size=1, max_size=4), UNIT, st.integers(1, 5))
def test_texts_are_hashed_as_defined(texts: list[str], unit: str, size: int) -> None:
    config = MinHashSettings(unit=unit, ngram=size, char_ngram=size, permutations=16)
    plan, held = plan_of(config), gather(texts)
    for row, text in enumerate(texts):
        assert oracle.shingles(held[row], plan).tolist() == shingles(text, config)
    engine, values = Engine(plan, 1), oracle.sign(held, 0, len(held), plan)
    assert (engine.signatures(held, 0, len(held)) == values).all()
    assert (engine.band_keys(held) == oracle.band(values, plan)).all()
    rows = np.arange(len(held))
    left, right = np.repeat(rows, len(rows)), np.tile(rows, len(rows))
    similar = engine.jaccard(held, left, held, right)
    assert (similar == oracle.jaccard(held, left, held, right, plan)).all()
    for one, two, score in zip(left, right, similar, strict=True):
        mine, theirs = (set(shingles(texts[at], config)) for at in (one, two))
        assert score == len(mine & theirs) / len(mine | theirs)


@pytest.mark.parametrize("permutations", [16, 100, 128, 256])
def test_signatures_equal_datasketch(permutations: int) -> None:
    from datasketch import LeanMinHash, MinHash

    texts = ["one two three four five six", "short", "", "ein Satz mit Ümlaut und mehr"]
    config = MinHashSettings(permutations=permutations)
    held, plan = gather(texts), plan_of(config)
    rows = Engine(plan, 1).signatures(held, 0, len(held))
    for text, row in zip(texts, rows, strict=True):
        sketch = MinHash(permutations, SEED, hashfunc=lambda value: value & 0xFFFFFFFF)
        sketch.update_batch(shingles(text, config))
        assert (row == sketch.hashvalues).all()
        lean = LeanMinHash(seed=SEED, hashvalues=row, scheme="affine32")
        assert lean.jaccard(LeanMinHash(sketch)) == 1


def test_a_bucket_is_a_band_of_equal_values() -> None:
    """Two rows share a band key exactly when datasketch's LSH would put them in one bucket."""
    texts = [f"a b c d {n % 7} {n % 5} x y z" for n in range(60)]
    held, plan = gather(texts), plan_of(MinHashSettings(ngram=1))
    engine = Engine(plan)
    values, keys = engine.signatures(held, 0, len(held)), engine.band_keys(held)
    for number in range(plan.bands):
        part = values[:, number * plan.rows : (number + 1) * plan.rows]
        same = (part[:, None] == part[None]).all(axis=2)
        assert ((keys[number][:, None] == keys[number][None]) == same).all()


@given(st.integers(1, 12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11))))
def test_trees_join_the_same_way(size: int, pairs: list[tuple[int, int]]) -> None:
    edges = [(one % size, two % size) for one, two in pairs]
    left, right = (np.array([edge[side] for edge in edges], np.int64) for side in (0, 1))
    engine, found = Engine(plan_of(MinHashSettings()), 1), []
    for unite, roots in ((engine.unite, engine.roots), (oracle.unite, oracle.roots)):
        parent = np.arange(size)
        unite(parent, left, right)
        found.append(roots(parent, np.arange(size)).tolist())
    assert found[0] == found[1]
    group = {row: {row} for row in range(size)}
    for one, two in edges:
        for row in (joined := group[one] | group[two]):
            group[row] = joined
    assert found[0] == [min(group[row]) for row in range(size)]


VIEWS = "x" * 200
"""So much text behind another that all of it is read 64 bytes at a time."""


@settings(max_examples=300)
@given(st.lists(TEXT, min_size=1, max_size=4), st.integers(0, 70), UNIT, st.integers(1, 5))
def test_words_end_where_views_meet(texts: list[str], ahead: int, unit: str, size: int) -> None:
    """Words, and blanks of two and three bytes, lie across the borders of 64 bytes."""
    config = MinHashSettings(unit=unit, ngram=size, char_ngram=size, permutations=16)
    texts = ["y" * ahead + text for text in texts] + ["".join(texts) * 9, VIEWS]
    plan, held = plan_of(config), gather(texts)
    signed = Engine(plan, 1).signatures(held, 0, len(held))
    assert (signed == oracle.sign(held, 0, len(held), plan)).all()


@pytest.mark.parametrize(
    "blank", list(" \t\x1c\x85\xa0\u1680\u2003\u2028\u205f\u3000\u200b\ufeffé")
)
def test_every_place_of_a_blank_in_a_view(blank: str) -> None:
    config = MinHashSettings(unit="word", ngram=1, permutations=16)
    texts = ["y" * place + blank + "z" * 70 for place in range(130)] + [VIEWS]
    held = gather(texts)
    signed = Engine(plan_of(config), 1).signatures(held, 0, len(held))
    for text, row in zip(texts, signed, strict=True):
        hashes = np.array(shingles(text, config), np.uint64).astype(np.uint32)
        assert (row == oracle.minimum(hashes, plan_of(config))).all()


WORDS = st.one_of(st.integers(1, 30), st.integers(60, 70), st.integers(4000, 9000))


@settings(max_examples=80)
@given(
    st.lists(st.tuples(WORDS, st.integers(1, 3)), min_size=1, max_size=40),
    st.integers(1, 3),
    st.booleans(),
)
def test_words_are_whole_where_edges_are_used_up(
    sizes: list[tuple[int, int]], times: int, blank: bool
) -> None:
    text = "".join("ab"[n % 2] * size + " " * gap for n, (size, gap) in enumerate(sizes))
    text = "a b " * (KEPT // 2 * times - len(sizes)) + text
    text = text if blank else text.rstrip()
    plan = plan_of(MinHashSettings(unit="word", ngram=1, permutations=16))
    held = gather([text, VIEWS])
    engine = Engine(plan, 1)
    assert (engine.signatures(held, 0, 1) == oracle.sign(held, 0, 1, plan)).all()
    assert engine.jaccard(held, np.zeros(1, np.int64), held, np.zeros(1, np.int64)) == [1.0]


@given(keys=st.lists(st.integers(0, 9) | st.integers(0, MASK)), spread=st.booleans())
def test_rows_that_share_a_key_are_all_found(keys: list[int], spread: bool) -> None:
    band = np.array([fmix64(key) if spread else key for key in keys], np.uint64)
    rivals = Engine(plan_of(MinHashSettings()), 1).rivals(band)
    assert rivals.tolist() == sorted(set(rivals.tolist()))
    found_keys, found = crowded(band, rivals)
    alike = [row for row, key in enumerate(keys) if keys.count(key) > 1]
    assert found.tolist() == sorted(alike, key=lambda row: (int(band[row]), row))
    assert found_keys.tolist() == band[found].tolist()


def test_few_rows_without_a_rival_are_sorted() -> None:
    band = np.random.default_rng(0).integers(0, MASK, 100_000, np.uint64)
    rivals = Engine(plan_of(MinHashSettings()), 1).rivals(band)
    assert len(rivals) < len(band) / 8


@settings(max_examples=100)
@given(st.lists(TEXT, max_size=6), UNIT)
def test_fingerprints_give_the_keys_and_scores_of_their_texts(texts: list[str], unit: str) -> None:
    config = MinHashSettings(unit=unit, threshold=0.0, permutations=16)
    plan, held = plan_of(config), gather(texts)
    prints = fingerprints(held, plan)
    for print_, text in zip(prints, texts, strict=True):
        assert print_.tolist() == sorted({value & 0xFFFFFFFF for value in shingles(text, config)})
    keys = fingerprint_keys(prints, plan)
    assert (keys == Engine(plan, 1).band_keys(held)).all()
    for near in fingerprint_matches(prints, keys, prints, plan):
        assert near.score == 1.0
