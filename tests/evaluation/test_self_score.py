"""References scored against themselves: what is refused, what is warned of, what is said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from runner.config import Suite
from runner.evaluation import SelfScore, self_score
from tests.evaluation.make import example, suite

CHINESE = ["第三节课在下午开始", "北京大学", "卡罗来纳黑豹队以17比10击败对手"]
LONG = ["The cat sat on the mat.", "It rained all day long."]
SQUAD = ["case", "punctuation", "articles", "whitespace"]


def told(chosen: Suite, texts: Sequence[str], references: Sequence[str] = ()) -> SelfScore:
    rows = [example(text, f"r{number}", references) for number, text in enumerate(texts)]
    return self_score(rows, chosen)


@pytest.mark.parametrize("texts", [CHINESE, LONG, ["กรุงเทพมหานคร"], ["データベースです"]])
def test_every_metric_reaches_its_best(texts: list[str]) -> None:
    every = suite(
        {"kind": "sacrebleu", "scores": ["bleu", "chrf", "chrf++", "ter"]},
        {"kind": "rouge", "aggregate": "mean"},
        {"kind": "token_f1"},
        {"kind": "exact_match"},
        {"kind": "classification"},
    )
    # Several references that differ: each is held against itself, not against the others.
    assert told(every, texts, references=[f"{text} {text}" for text in texts]) == SelfScore()


def test_chinese_under_13a_is_refused_at_zero() -> None:
    found = told(suite({"kind": "sacrebleu", "tokenize": "13a"}), CHINESE)
    (problem,) = found.refused
    assert "bleu of the references against themselves is 0, not 100" in problem.message
    assert repr(CHINESE[0]) in problem.message
    assert "tokenizer 13a does not split the words of 3 of 3 references" in problem.message
    assert "tokenize: auto" in problem.hint


def test_a_tokenizer_that_does_not_fit_is_warned_of_at_100() -> None:
    """One text with blanks gives 13a a four-gram, and right answers their 100."""
    texts = [*CHINESE, "卡罗来纳 黑豹队 以 17 比 10 击败 对手"]
    found = told(suite({"kind": "sacrebleu", "tokenize": "13a"}), texts)
    assert not found.refused
    assert "13a does not split the words of 4 of 4 references" in found.warned[0].message
    assert told(suite({"kind": "sacrebleu", "tokenize": "13a"}), [*LONG * 9, "北京"]) == SelfScore()


def test_texts_too_short_for_bleu_are_refused() -> None:
    (problem,) = told(suite({"kind": "sacrebleu"}), ["two words", "one"]).refused
    assert "no text has the four words" in problem.message
    assert "chrf" in problem.hint


def test_rouge_that_cannot_read_the_references() -> None:
    blind = {"kind": "rouge", "types": ["rouge1"], "tokenize": "rouge-score"}
    (problem,) = told(suite(blind), CHINESE).refused
    assert "rouge's words are of a-z and 0-9 (tokenize: rouge-score)" in problem.message
    assert "tokenize: unicode" in problem.hint
    (warned,) = told(suite(blind), [*LONG, *LONG, "北京大学"]).warned
    assert "(1 of 5 references fall short), e.g. '北京大学'" in warned.message


@pytest.mark.parametrize(("choices", "at_worst"), [(["yes"], False), (["maybe"], True)])
def test_targets_that_the_extraction_does_not_find(choices: list[str], at_worst: bool) -> None:
    rule: dict[str, Any] = {"kind": "choice", "choices": choices}
    found = told(suite("exact_match", extract=rule), ["yes", "no"])
    (problem,) = found.refused if at_worst else found.warned
    assert "suite.extract (choice) finds nothing in it" in problem.message


def test_references_that_normalisation_empties_are_counted() -> None:
    found = told(suite("token_f1", normalize=SQUAD), ["the", "。", "cat"])
    assert not found.refused
    assert "leaves nothing of 2 of 3 references, e.g. 'the'" in found.warned[0].message


def test_no_rows_say_nothing() -> None:
    assert told(suite("exact_match"), []) == SelfScore()
