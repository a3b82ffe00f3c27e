"""BLEU, chrF, chrF++ and TER: every number is sacreBLEU's own, through its public functions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.base.errors import ConfigError
from runner.base.scripts import has_unspaced
from runner.config import Suite
from tests.evaluation.make import scored, suite, values

ALL = {"kind": "sacrebleu", "scores": ["bleu", "chrf", "chrf++", "ter"], "tokenize": "13a"}
WORDS = ["the", "cat", "sat", "on", "a", "mat", ".", "Émile", "naïve-ish", "42,7", "(ok)", "\n"]
sentence = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join) | st.text(max_size=12)
# TER alone is given something else for scripts without blanks: see test_scripts.py.
sentence = sentence.filter(lambda text: not has_unspaced(text))


def metrics(**options: Any) -> dict[str, Any]:
    from sacrebleu.metrics import BLEU, CHRF, TER

    return {
        "bleu": BLEU(**options),
        "chrf": CHRF(),
        "chrf++": CHRF(word_order=2),
        "ter": TER(),
    }


def free() -> Suite:
    return suite(ALL, normalize=[], bootstrap={"samples": 100})


@settings(max_examples=60)
@given(st.lists(st.tuples(sentence, sentence, st.lists(sentence, max_size=2)), min_size=1))
def test_corpus_and_sentence_scores_are_sacrebleus(
    pairs: list[tuple[str, str, list[str]]],
) -> None:
    scores, rows = scored(pairs, free())
    most = max(len(more) for *_, more in pairs) + 1
    columns = [
        [[target, *more][index] if index < len(more) + 1 else None for target, _, more in pairs]
        for index in range(most)
    ]
    answers = [answer for _, answer, _ in pairs]
    for name, metric in metrics().items():
        expected = metric.corpus_score(answers, columns)
        assert scores.overall[name].value == expected.score, name
        assert scores.overall[name].signature == str(metric.get_signature())
    for name, metric in metrics(effective_order=True).items():
        for (target, answer, more), row in zip(pairs, rows, strict=True):
            expected = metric.sentence_score(answer, [target, *more])
            assert row.scores[name] == expected.score, name


def test_real_references(shared_data: Any) -> None:
    import csv

    with (shared_data / "e2e_clean" / "devel.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    by_input: dict[str, list[str]] = {}
    for row in rows:
        by_input.setdefault(row["mr"], []).append(row["ref"])
    pairs = [(texts[0], texts[-1], texts[1:-1]) for texts in by_input.values() if len(texts) > 3][
        :60
    ]
    scores, _ = scored(pairs, suite({"kind": "sacrebleu"}, normalize=[]))
    most = max(len(more) for *_, more in pairs) + 1
    columns = [
        [[target, *more][index] if index < len(more) + 1 else None for target, _, more in pairs]
        for index in range(most)
    ]
    expected = metrics()["bleu"].corpus_score([answer for _, answer, _ in pairs], columns)
    assert values(scores)["bleu"] == expected.score
    assert "nrefs:var" in scores.overall["bleu"].signature
    low, high = scores.overall["bleu"].low, scores.overall["bleu"].high
    assert 0 < low < values(scores)["bleu"] < high < 100


def test_slices_are_scored_as_a_corpus_of_their_own() -> None:
    from runner.evaluation import score
    from runner.records import Prediction
    from tests.evaluation.make import example

    texts = [("the cat sat on a mat", "the cat sat on mat"), ("a b c d e", "a b c d f")] * 4
    rows = [
        example(target, f"r{index}", slices={"kind": "even" if index % 2 == 0 else "odd"})
        for index, (target, _) in enumerate(texts)
    ]
    answers = [Prediction(f"r{index}", answer) for index, (_, answer) in enumerate(texts)]
    scores, _ = score(rows, answers, suite(ALL, normalize=[]), "test", 0)
    for start, label in ((0, "even"), (1, "odd")):
        part = texts[start::2]
        for name, metric in metrics().items():
            expected = metric.corpus_score([pair[1] for pair in part], [[p[0] for p in part]])
            assert scores.slices[f"kind={label}"][name].value == expected.score


def test_ter_on_long_texts_is_refused_before_it_starts() -> None:
    long = "word " * 300
    with pytest.raises(ConfigError, match=r"ter would take about .* hours"):
        scored([(long, long)] * 20, suite({"kind": "sacrebleu", "scores": ["ter"]}, primary="ter"))
