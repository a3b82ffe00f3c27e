"""ROUGE: bit-equal to the rouge-score package, and what it warns about."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.evaluation.metrics.rouge import rouge
from tests.evaluation.make import scored, suite, values

TYPES = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
WORDS = ["running", "runs", "run", "The", "cat", "cats", "generalization", "b2b", "ünï", ".", "\n"]
text = st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join) | st.text(max_size=30)


@cache
def reference(stem: bool) -> Callable[[str, str], dict[str, Any]]:
    from rouge_score.rouge_scorer import RougeScorer

    score: Callable[[str, str], dict[str, Any]] = RougeScorer(TYPES, use_stemmer=stem).score
    return score


def assert_equal(expected: str, given_: str, stem: bool) -> None:
    scores = reference(stem)(expected, given_)
    for name in TYPES:
        assert rouge(name, expected, given_, stem) == scores[name].fmeasure, (name, stem)


@settings(max_examples=300)
@given(text, text, st.booleans())
def test_bit_equal_on_noise(expected: str, given_: str, stem: bool) -> None:
    assert_equal(expected, given_, stem)


def test_bit_equal_on_real_answers(shared_data: Path) -> None:
    rows = json.loads((shared_data / "pandalm" / "testset-v1.json").read_text(encoding="utf-8"))
    pairs = [(str(row["response1"]), str(row["response2"])) for row in rows]
    assert len(pairs) > 900
    assert any(left.count("\n") > 2 for left, _ in pairs), "Lsum needs texts of several lines"
    for left, right in pairs[::3]:
        if len(left) + len(right) < 2000:
            assert_equal(left, right, stem=False)
    for left, right in pairs[::30]:
        assert_equal(left[:1000], right[:1000], stem=True)


def test_best_or_mean_over_references() -> None:
    pairs = [("a b c d", "a b", ["a b", "x"])]
    for aggregate, expected in (("max", 1.0), ("mean", (2 / 3 + 1 + 0) / 3)):
        metric = {"kind": "rouge", "types": ["rouge1"], "aggregate": aggregate}
        scores, _ = scored(pairs, suite(metric))
        assert values(scores)["rouge1"] == pytest.approx(expected)
        assert f"refs:{aggregate}" in scores.overall["rouge1"].signature


def test_warns_of_letters_it_cannot_see(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        scored([("the cat sat", "the cat")], suite("rouge"))
        assert not caplog.records
        scored([("кошка sat", "кошка")], suite({"kind": "rouge", "tokenize": "rouge-score"}))
    assert "ignores every letter outside a-z" in caplog.text


def test_warns_when_lsum_has_no_sentences(caplog: pytest.LogCaptureFixture) -> None:
    metric = {"kind": "rouge", "types": ["rougeL", "rougeLsum"]}
    with caplog.at_level(logging.WARNING):
        scores, _ = scored([("a b. c d", "c d. a b")], suite(metric, primary="rougeL"))
    assert values(scores)["rougeL"] == values(scores)["rougeLsum"]
    assert "no reference has one" in caplog.text


def test_nltk_is_loaded_for_stems_only() -> None:
    code = """
import sys
from runner.evaluation.metrics.rouge import rouge
assert rouge("rougeLsum", "cats run", "cat runs", stem=False) == 0
assert "nltk" not in sys.modules
assert rouge("rouge1", "cars run", "cars runs", stem=True) > 0
assert "nltk" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
