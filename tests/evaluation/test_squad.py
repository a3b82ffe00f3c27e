"""SQuAD's official exact match and F1, against the functions of its two scripts."""

from __future__ import annotations

import random
import re
import string
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config import Suite
from tests.evaluation.make import scored, suite

STEPS = ["lower", "ascii_punctuation", "articles", "whitespace"]
texts = st.text(st.sampled_from("aAnNtThHeE .,-–$ß«É1"), max_size=12)


# The functions of evaluate-v1.1.py and evaluate-v2.0.py (SQuAD's site), as they are there.


def normalize_answer(s: str) -> str:
    def remove_articles(text: str) -> str:
        return re.sub(r"\b(a|an|the)\b", " ", text)

    def white_space_fix(text: str) -> str:
        return " ".join(text.split())

    def remove_punc(text: str) -> str:
        exclude = set(string.punctuation)
        return "".join(ch for ch in text if ch not in exclude)

    return white_space_fix(remove_articles(remove_punc(s.lower())))


def compute_exact(a_gold: str, a_pred: str) -> float:
    return float(normalize_answer(a_gold) == normalize_answer(a_pred))


def compute_f1(a_gold: str, a_pred: str, variant: str) -> float:
    gold_toks, pred_toks = normalize_answer(a_gold).split(), normalize_answer(a_pred).split()
    if variant == "v2.0" and (len(gold_toks) == 0 or len(pred_toks) == 0):
        return float(gold_toks == pred_toks)
    num_same = sum((Counter(gold_toks) & Counter(pred_toks)).values())
    if num_same == 0:
        return 0.0
    precision, recall = num_same / len(pred_toks), num_same / len(gold_toks)
    return (2 * precision * recall) / (precision + recall)


def official(answer: str, golds: list[str], variant: str) -> dict[str, float]:
    if variant == "v2.0":
        golds = [text for text in golds if normalize_answer(text)] or [""]
    return {
        "token_f1": max(compute_f1(text, answer, variant) for text in golds),
        "exact_match": max(compute_exact(text, answer) for text in golds),
    }


@pytest.mark.parametrize("variant", ["v1.1", "v2.0"])
@given(answer=texts.filter(str.strip), reference=texts.filter(str.strip))
def test_equal_to_the_official_scripts(variant: str, answer: str, reference: str) -> None:
    _, rows = scored([(reference, answer)], squad(variant))
    assert rows[0].scores == official(answer, [reference], variant)


@pytest.mark.parametrize("variant", ["v1.1", "v2.0"])
def test_equal_to_the_official_scripts_over_several_references(variant: str) -> None:
    rng = random.Random(7)
    words = ["the", "a", "An", ".", "-", "red", "green", "Blue", "ß", "red-green", "«", "1,000"]

    def text() -> str:
        return " ".join(rng.choices(words, k=rng.randint(1, 3)))

    rows = [(text(), text(), [text() for _ in range(rng.randint(0, 3))]) for _ in range(2000)]
    _, found = scored(rows, squad(variant))
    expected = [official(answer, [target, *more], variant) for target, answer, more in rows]
    assert [row.scores for row in found] == expected
    other = [official(answer, [target, *more], "v2.0") for target, answer, more in rows]
    assert variant == "v2.0" or expected != other


def squad(variant: str) -> Suite:
    metrics = [{"kind": kind, "squad": variant} for kind in ("token_f1", "exact_match")]
    return suite(*metrics, normalize=STEPS)


def test_the_signature_says_which() -> None:
    metric = {"kind": "token_f1", "squad": "v1.1"}
    scores, _ = scored([("a", "a")], suite(metric, normalize=STEPS))
    signature = scores.overall["token_f1"].signature
    assert signature.startswith("squad:v1.1|normalize:lower+ascii_punctuation+articles+whitespace")
