"""Every option of a metric, of an extraction and of thinking, and every newer normaliser: written
in an experiment's YAML, composed and scored, it changes a score."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from runner.config import Suite
from runner.records.results import Scores
from tests.compose.composing import MINIMAL, compose_text
from tests.evaluation.make import scored, values

NUMBER = "{metrics: [{kind: number%s}], primary: number}"
EXACT = "{metrics: [{kind: exact_match}], primary: exact_match, %s}"
METRIC = "{metrics: [{kind: exact_match%s}], primary: exact_match, normalize: [punctuation]}"
PLAIN = "{metrics: [{kind: exact_match}], primary: exact_match, normalize: [%s]}"
REGEX = EXACT % "extract: {kind: regex, pattern: 'A(.)'%s}"
CHOICE = EXACT % "extract: {kind: choice, choices: [red, green]%s}"
JSON = EXACT % "extract: {kind: json%s}"
FIELDS = "{metrics: [{kind: json_fields%s}], primary: json_valid, extract: {kind: json}}"
LABELS = "{metrics: [{kind: classification%s}], primary: macro_f1}"
F1 = "{metrics: [{kind: token_f1%s}], primary: token_f1, normalize: [punctuation]}"
BLEU = "{metrics: [{kind: sacrebleu, scores: [bleu]%s}], primary: bleu}"
ROUGE = "{metrics: [{kind: rouge, types: [rouge1]%s}], primary: rouge1}"


class Case(NamedTuple):
    suite: str
    """YAML, with a place for the option."""
    option: str
    score: str
    pairs: list[Any]
    without: float
    """The score without the option."""
    with_it: float


CASES = {
    "number.which": Case(NUMBER, ", which: first", "number", [("3", "3 of 4")], 0, 1),
    "number.absolute_tolerance": Case(
        NUMBER, ", absolute_tolerance: 0.5", "number", [("3", "3.5")], 0, 1
    ),
    "number.relative_tolerance": Case(
        NUMBER, ", relative_tolerance: 0.1", "number", [("30", "33")], 0, 1
    ),
    "number.percent": Case(NUMBER, ", percent: share", "number", [("0.5", "50%")], 0, 1),
    "number.units": Case(NUMBER, ", units: same", "number", [("$5", "5 €")], 1, 0),
    "number.fractions": Case(NUMBER, ", fractions: false", "number", [("0.75", "3/4")], 1, 0),
    "number.decimal": Case(NUMBER, ", decimal: ','", "number", [("1,5", "1,50")], 0, 1),
    "regex.otherwise": Case(REGEX, ", otherwise: ['B(.)']", "exact_match", [("x", "Bx")], 0, 1),
    "regex.which": Case(REGEX, ", which: last", "exact_match", [("2", "A1 A2")], 0, 1),
    "choice.which": Case(
        CHOICE, ", which: last", "exact_match", [("green", "not red but green")], 0, 1
    ),
    "json.strict": Case(JSON, ", strict: true", "exact_match", [("[1]", "So: [1]")], 1, 0),
    "thinking: strip": Case(
        EXACT, "thinking: strip", "exact_match", [("b", "<think>a</think>b")], 0, 1
    ),
    "thinking: after": Case(EXACT, "thinking: after", "exact_match", [("b", "b")], 1, 0),
    "exact_match.squad": Case(METRIC, ", squad: v2.0", "exact_match", [(".", "!", ["a"])], 1, 0),
    "json_fields.lists": Case(
        FIELDS, ", lists: {t: set}", "json_field/t", [('{"t": [1, 2]}', '{"t": [2, 1]}')], 0, 1
    ),
    "classification.outside": Case(
        LABELS, ", outside: as_sklearn", "macro_f1", [("a", "a"), ("b", "c")], 1 / 2, 1 / 3
    ),
    "token_f1.squad": Case(F1, ", squad: v1.1", "token_f1", [(".", "!")], 1, 0),
    "sacrebleu.tokenize": Case(
        BLEU,
        ", tokenize: char",
        "bleu",
        [("one two three four", "one two three four.")],
        66.9,
        93.1,
    ),
    "rouge.tokenize": Case(ROUGE, ", tokenize: unicode", "rouge1", [("für", "fur r")], 1 / 2, 0),
    "lower": Case(PLAIN, "lower", "exact_match", [("Paris", "paris"), ("ß", "ss")], 0, 1 / 2),
    "ascii_punctuation": Case(
        PLAIN, "ascii_punctuation", "exact_match", [("a-b", "ab"), ("a–b", "ab")], 0, 1 / 2
    ),
    "final_punctuation": Case(
        PLAIN, "final_punctuation", "exact_match", [("a", "a."), ("a.b", "ab")], 0, 1 / 2
    ),
}


def composed(folder: Path, text: str) -> Suite:
    (point,) = compose_text(folder, f"{MINIMAL}\nsuite: {text}\n").points
    return point.experiment.suite


def found(folder: Path, case: Case, option: str) -> Scores:
    return scored(case.pairs, composed(folder, case.suite.replace("%s", option)))[0]


@pytest.mark.parametrize("name", CASES)
def test_an_option_changes_a_score(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    without, with_it = (found(tmp_path, case, option) for option in ("", case.option))
    assert values(without)[case.score] == pytest.approx(case.without, abs=0.05)
    assert values(with_it)[case.score] == pytest.approx(case.with_it, abs=0.05)
    assert without.overall[case.score].signature != with_it.overall[case.score].signature


def test_weighted_f1_picks_where_it_is_primary(tmp_path: Path) -> None:
    suite = composed(tmp_path, "{metrics: [{kind: classification}], primary: weighted_f1}")
    scores, _ = scored([("a", "a"), ("a", "a"), ("b", "a")], suite)
    assert suite.primary == "weighted_f1"
    assert values(scores)["weighted_f1"] == pytest.approx(2 / 3 * 0.8)
    assert values(scores)["macro_f1"] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        (EXACT % "thinking: strip", "extract:none|thinking:strip"),
        (JSON % ", strict: true", "extract:json|extract.strict:true"),
        (CHOICE % ", which: last", "extract:choice|extract.which:last"),
        (
            REGEX.replace("%s", ", which: last, otherwise: [B, C]"),
            "extract:regex|extract.otherwise:2|extract.which:last",
        ),
        ("{metrics: [{kind: exact_match}], primary: exact_match}", "extract:none"),
        (BLEU.replace("}]", "}], thinking: after") % "", "|thinking:after"),
    ],
)
def test_the_signature_says_how_answers_are_read(tmp_path: Path, text: str, ends: str) -> None:
    suite = composed(tmp_path, text)
    scores, _ = scored([('{"red": "A1"}', "<think></think>{}")], suite)
    assert scores.overall[suite.primary].signature.endswith(ends)
