"""Rows of one template: compared by what is rare in them, with the results of comparing all."""

from __future__ import annotations

import random
from itertools import combinations
from sys import modules

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from runner.kernels.minhash import MinHashSettings, crowds, near_clusters, plan_of
from runner.kernels.minhash.clusters import NEIGHBOURS, _proposals, crowded
from runner.kernels.minhash.crowds import Neighbourhood, Refused, crowd_of, rare_pairs
from runner.kernels.minhash.engine import Engine
from runner.kernels.texts import gather
from tests.kernels import numpy_minhash

NEVER = 1 << 40


def rows_of_a_template(count: int, few: int, seed: int) -> list[str]:
    """A text that all share, and some words of `few` that tell them apart; some rows repeat
    another one but for a word."""
    draw = random.Random(seed)
    words = [f"w{number}" for number in range(few)]
    head, tail = (" ".join(f"{name}{n}" for n in range(14)) for name in ("head", "tail"))
    out = list[str]()
    for _ in range(count):
        inner = draw.choices(words, k=draw.randint(1, 6))
        if out and draw.random() < 0.2:
            out.append(draw.choice(out).replace("head1 ", "other "))
        else:
            out.append(" ".join([head, *inner, tail]))
    return out


def found(texts: list[str], threshold: float) -> list[tuple[int, list[tuple[int, float]]]]:
    return [
        (one.kept, [(near.row, near.score) for near in one.members])
        for one in near_clusters(texts, MinHashSettings(threshold=threshold))
    ]


@pytest.mark.parametrize("threshold", [0.5, 0.75, 0.8, 0.9])
@pytest.mark.parametrize("few", [3, 40, 5000])
def test_rare_shingles_change_nothing(
    few: int, threshold: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = rows_of_a_template(300, few, seed=few)
    results = []
    for often, work in ((NEVER, 0), (0, NEVER), (0, 0)):
        monkeypatch.setattr(modules["runner.kernels.minhash.clusters"], "OFTEN", often)
        monkeypatch.setattr(crowds, "WORK", work)
        results.append(found(texts, threshold))
    assert results[0] == results[1] == results[2]


def test_a_template_is_compared_by_what_is_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 124,750 pairs hardly any is compared."""
    compared, jaccard = [0], Engine.jaccard

    def counted(self: Engine, texts, left, others, right):  # type: ignore[no-untyped-def]
        compared[0] += len(left)
        return jaccard(self, texts, left, others, right)

    monkeypatch.setattr(Engine, "jaccard", counted)
    draw = random.Random(3)
    head = " ".join(f"head{number}" for number in range(40))
    texts = [f"{head} {' '.join(str(draw.random()) for _ in range(8))}" for _ in range(500)]
    assert len(near_clusters(texts, MinHashSettings())) == 0
    assert compared[0] <= (crowds.OFTEN + 2) * 500


TEXTS = st.lists(
    st.lists(st.sampled_from("abcdefgh"), min_size=0, max_size=12).map(" ".join),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60)
@given(texts=TEXTS, threshold=st.sampled_from([0.3, 0.5, 2 / 3, 0.8, 1.0]), size=st.integers(1, 3))
def test_every_pair_at_the_threshold_is_proposed(
    texts: list[str], threshold: float, size: int
) -> None:
    plan = plan_of(MinHashSettings(threshold=threshold, ngram=size, unit="word"))
    held, rows = gather(texts), np.arange(len(texts))
    pairs = rare_pairs(held, Engine(plan, 1), rows)
    if pairs is None:  # more than 32 a row
        return
    proposed = {tuple(sorted(pair)) for left, right in pairs for pair in zip(left, right)}  # noqa: B905
    left, right = np.triu_indices(len(texts), 1)
    score = numpy_minhash.jaccard(held, left, held, right, plan)
    wanted = {(a, b) for a, b, s in zip(left, right, score, strict=True) if s >= threshold}
    assert wanted <= proposed


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = gather(rows_of_a_template(120, 60, seed=1))
    engine, rows = Engine(plan_of(MinHashSettings()), 1), np.arange(120)
    monkeypatch.setattr(crowds, "WORK", NEVER)
    found = []
    for block in (1 << 22, 50, 1):
        monkeypatch.setattr(crowds, "BLOCK", block)
        pairs = rare_pairs(texts, engine, rows)
        assert pairs is not None
        found.append([pair for left, right in pairs for pair in zip(left, right, strict=True)])
    assert found[0] == found[1] == found[2]
    assert found[0]


def test_neighbours_are_those_that_buckets_propose() -> None:
    texts = gather(rows_of_a_template(200, 30, seed=2))
    engine = Engine(plan_of(MinHashSettings()), 1)
    keys = engine.band_keys(texts)
    bands = [crowded(band, engine.rivals(band)) for band in keys]
    rows = crowd_of(bands)
    left, right = np.array(list(combinations(rows.tolist(), 2))).T
    near = Neighbourhood.of(keys, bands).near(left, right, NEIGHBOURS)
    proposed = np.unique(np.concatenate(list(_proposals(bands, 200))))
    assert (left[near] * 200 + right[near]).tolist() == proposed.tolist()


@given(st.lists(st.lists(st.integers(0, 60), max_size=30), max_size=12))
def test_refused_pairs_are_remembered(parts: list[list[int]]) -> None:
    refused, known = Refused(), set[int]()
    everything = np.arange(61)
    for part in parts:
        fresh = np.array(sorted(set(part) - known), np.int64)
        refused.add(fresh)
        known |= set(part)
        assert refused.holds(everything).tolist() == [number in known for number in range(61)]
        assert refused.size == len(known)
