"""Banks of really trained runs, as score matrices: what `verdict_level.py` draws its sweeps from.

    python benchmarks/recipe_bank.py DATA [--out benchmarks/banks]

DATA holds ``banking77/`` (train.csv, test.csv) and ``e2e_clean/`` (devel.csv). Two light learners,
so that hundreds of runs take minutes; each run draws its own training rows and all are scored on
the same test rows:

- intents: TF-IDF and logistic regression on 20 intents of Banking77. Stored by row: whether the
  answer is right (0/1), and one over the rank of the right intent (graded).
- restaurants: the sentence of the nearest meaning representation in the training rows (TF-IDF)
  for each of 400 others, with all their references. Stored by row: BLEU's additive statistics.

A recipe is a number of training rows; what separates recipes is how many they have.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

INTENTS = {190: 160, 205: 90, 240: 90, 310: 90}
"""Training rows of the recipe to the number of runs."""
RESTAURANTS = {60: 160, 75: 90, 120: 90, 300: 90}
CLASSES, TEST_ROWS, TEST_MEANINGS = 20, 1600, 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "banks")
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    for name, build in (("intents", intents), ("restaurants", restaurants)):
        file = options.out / f"{name}.npz"
        np.savez_compressed(file, **build(options.data))
        print(f"{file}: {file.stat().st_size / 1e6:.2f} MB")


def intents(data: Path) -> dict[str, Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    rows = [
        row
        for name in ("train.csv", "test.csv")
        for row in csv.DictReader((data / "banking77" / name).open(encoding="utf-8"))
    ]
    names = sorted({row["category"] for row in rows})[:CLASSES]
    rng = np.random.default_rng(17)
    rows = [row for row in rows if row["category"] in names]
    rows = [rows[at] for at in rng.permutation(len(rows))]
    test, pool = rows[:TEST_ROWS], rows[TEST_ROWS:]
    truth = np.array([names.index(row["category"]) for row in test])
    labels = np.array([names.index(row["category"]) for row in pool])
    found: dict[str, Any] = {}
    for size, runs in INTENTS.items():
        right, ranks = [], []
        for _ in range(runs):
            drawn = rng.choice(len(pool), size=size, replace=False)
            vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
            seen = vectors.fit_transform([pool[at]["text"] for at in drawn])
            model = LogisticRegression(C=10, max_iter=300).fit(seen, labels[drawn])
            scores = np.full((len(test), CLASSES), -np.inf)
            scores[:, model.classes_] = model.predict_log_proba(
                vectors.transform([row["text"] for row in test])
            )
            own = scores[np.arange(len(test)), truth][:, None]
            # A class that was not drawn ranks last.
            rank = np.where(np.isinf(own[:, 0]), CLASSES, 1 + (scores > own).sum(axis=1))
            right.append(rank == 1)
            ranks.append(rank.astype(np.uint8))
        found[f"right_{size}"] = np.packbits(np.array(right), axis=1)
        found[f"rank_{size}"] = np.array(ranks)
        print(f"intents, {size} rows: {runs} runs, accuracy {np.mean(right):.4f}")
    return found


def restaurants(data: Path) -> dict[str, Any]:
    from sacrebleu.metrics import BLEU
    from sklearn.feature_extraction.text import TfidfVectorizer

    references: dict[str, list[str]] = defaultdict(list)
    for row in csv.DictReader((data / "e2e_clean" / "devel.csv").open(encoding="utf-8")):
        references[row["mr"]].append(row["ref"])
    rng = np.random.default_rng(17)
    meanings = [list(references)[at] for at in rng.permutation(len(references))]
    test, pool = meanings[:TEST_MEANINGS], meanings[TEST_MEANINGS:]
    vectors = TfidfVectorizer(token_pattern=r"\w+\[[^\]]+\]").fit(meanings)
    near = (vectors.transform(test) @ vectors.transform(pool).T).toarray()
    most = max(len(references[meaning]) for meaning in test)
    columns = [
        [references[meaning][at] if at < len(references[meaning]) else None for meaning in test]
        for at in range(most)
    ]
    bleu = BLEU(references=columns)
    said = {meaning: references[meaning][0] for meaning in pool}
    found: dict[str, Any] = {}
    for size, runs in RESTAURANTS.items():
        statistics, scores = [], []
        for _ in range(runs):
            drawn = np.sort(rng.choice(len(pool), size=size, replace=False))
            best = drawn[near[:, drawn].argmax(axis=1)]
            answers = [said[pool[at]] for at in best]
            # Private, but the only way to its row statistics: hypothesis and reference length,
            # matches and totals of 1 to 4 words.
            line = bleu._extract_corpus_statistics(answers, None)
            statistics.append(np.array(line, dtype=np.uint8))
            scores.append(bleu.corpus_score(answers, None).score)
        found[f"bleu_{size}"] = np.array(statistics)
        print(f"restaurants, {size} rows: {runs} runs, BLEU {np.mean(scores):.2f}")
    return found


if __name__ == "__main__":
    main()
