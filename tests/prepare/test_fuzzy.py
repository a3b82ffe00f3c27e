"""Near-duplicates, held against comparing every pair."""

from __future__ import annotations

import random
from itertools import combinations
from pathlib import Path

import pytest

from runner.config import FuzzyDedup
from runner.prepare.fuzzy import bands, near_duplicates, near_matches
from tests.prepare.making import OPEN, prepared, rows_of

WORDS = [f"w{n}" for n in range(400)]


def shingles(text: str, size: int) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[at : at + size]) for at in range(max(1, len(words) - size + 1))}


def jaccard(left: str, right: str, size: int = 3) -> float:
    one, two = shingles(left, size), shingles(right, size)
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


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_scores_are_true_and_what_is_left_is_far_apart(seed: int, threshold: float) -> None:
    texts = corpus(seed)
    found = near_duplicates(texts, FuzzyDedup(threshold=threshold))
    dropped = {near.row for near in found}
    for near in found:
        assert near.matched < near.row
        assert near.matched not in dropped
        assert near.score == pytest.approx(jaccard(texts[near.row], texts[near.matched]))
        assert near.score >= threshold
    kept = [text for row, text in enumerate(texts) if row not in dropped]
    assert near_duplicates(kept, FuzzyDedup(threshold=threshold)) == []
    close = [pair for pair in combinations(kept, 2) if jaccard(*pair) >= threshold]
    # LSH proposes 95 % of the pairs right at the threshold, and nearly all above it.
    assert len(close) <= max(1, 0.1 * len(found))


def test_matches_in_a_corpus_are_the_most_similar() -> None:
    base = " ".join(WORDS[:40])
    closer, farther = base.replace("w7 ", "x "), base.replace("w7 ", "x ").replace("w30 ", "y ")
    (near,) = near_matches([base, "nothing like it"], [farther, closer], FuzzyDedup(threshold=0.6))
    assert (near.row, near.matched) == (0, 1)
    assert near.score == pytest.approx(jaccard(base, closer))


@pytest.mark.parametrize("permutations", [16, 64, 128, 256])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.8, 1.0])
def test_bands_fit_and_keep_the_recall(threshold: float, permutations: int) -> None:
    count, rows = bands(threshold, permutations)
    assert count * rows <= permutations
    assert 1 - (1 - threshold**rows) ** count >= 0.95 or rows == 1


def test_near_rows_leave_train_and_protected_rows_stay(tmp_path: Path) -> None:
    base, other = " ".join(WORDS[:30]), " ".join(WORDS[100:130])
    near = base.replace("w3 ", "changed ")
    train = rows_of([(base, "a"), (near, "a"), (other, "a"), (other.replace("w105", "z"), "b")])
    test = rows_of([(other.replace("w129", "last"), "a"), ("fresh words", "a")], "test")
    config = {**OPEN, "dedup": {"fuzzy": {"threshold": 0.6}}, "split": {"validation": 0}}
    done = prepared(tmp_path / "out", {"train": train, "test": test}, config)
    assert done.reasons() == {
        "train-3": "near_duplicate",
        "train-4": "leak_test",
        "train-5": "near_duplicate",
    }
    leak = next(row for row in done.dropped if row["reason"] == "leak_test")
    assert (leak["method"], leak["matched"]) == ("minhash", "test-2")
    assert 0.6 <= leak["score"] < 1
    assert done.texts("test") == [row.fields["text"] for row in test]
    assert done.summary["train"]["near_duplicates"] == 2
    assert done.summary["leakage"]["test_rows_nearly_in_train"] == 1
