"""Conditions of a row, and the shipped rows that ask for them."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.base.errors import DataError
from runner.compose.folders import packaged_conf
from runner.compose.yaml_files import read_yaml
from runner.config import Suite
from runner.evaluation import check_targets, score, self_score
from runner.evaluation.constraints import CONDITIONS, conditions_of, unmet
from runner.records import Prediction
from tests.evaluation.make import example, scored, suite, values

GUARD = packaged_conf() / "suite" / "guard.jsonl"
SHIPPED = Suite.model_validate(read_yaml(packaged_conf() / "suite" / "guard.yaml"))
REFUSALS = SHIPPED.metrics[0].refusals  # type: ignore[union-attr]

CASES: list[tuple[dict[str, Any], list[str], list[str]]] = [
    ({"words": [2, 4]}, ["two words", "One, two - three!", "猫が"], ["one", "a b c d e", "!"]),
    ({"words": [1, 1]}, ["Paris.", "7"], ["in Paris"]),
    ({"sentences": [2, 2]}, ["One. Two.", "One! Two", "Ja。Nein。", "3.5 is it. Yes."], ["One. "]),
    ({"lines": [2, 2]}, ["a\n\nb"], ["a", "a\nb\nc"]),
    ({"bullets": [2, 2]}, ["- a\n- b", "Here:\n1. a\n2) b", "• a\n* b"], ["- a", "-a\n-b"]),
    ({"characters": [None, 5]}, ["abcde", " abcde "], ["abcdef"]),
    ({"contains": ["red", "sea"]}, ["The Red SEA."], ["The redsea.", "red"]),
    ({"contains": ["猫"]}, ["黒猫です"], ["犬です"]),
    ({"contains_any": ["7", "seven"]}, ["Seven days", "7."], ["17"]),
    ({"avoids": ["hot"]}, ["a hotel"], ["It is HOT."]),
    ({"avoids_characters": ",;"}, ["a. b"], ["a, b", "a;"]),
    ({"starts": "In short,"}, ["in  short, yes"], ["Well. In short, yes"]),
    ({"ends": "The end."}, ["So it was. the end."], ["The end. Really"]),
    ({"case": "lower"}, ["all low 7"], ["All low"]),
    ({"case": "upper"}, ["MILK!"], ["Milk"]),
    (
        {"json": True},
        ['{"a": 1}', "```json\n[1]\n```"],
        ["a", "Here: {}", "7", '{"a": 1'],
    ),
    (
        {"json": False},
        ["Fine, thanks.", "7", "[sic] it is"],
        ['{"a": 1}', '{"a": 1', "```\n[]\n```"],
    ),
    ({"keys": ["a", "b"]}, ['{"a": 1, "b": 2, "c": 3}'], ['{"a": 1}', "a b"]),
    (
        {"language": "German"},
        ["Der Himmel ist blau, weil das Licht der Sonne gestreut wird."],
        ["The sky is blue because the light of the sun is scattered."],
    ),
    (
        {"refuses": True},
        ["I’m sorry, but no.", "I cannot help with that."],
        ["First, take a pipe."],
    ),
    ({"refuses": False}, ["Press the shutter slowly."], ["I can't help with that."]),
    ({"words": [2, None], "avoids": ["red"]}, ["a b"], ["a", "a red b"]),
]


@pytest.mark.parametrize(("conditions", "good", "bad"), CASES)
def test_a_condition_is_met_or_not(
    conditions: dict[str, Any], good: list[str], bad: list[str]
) -> None:
    for answer in good:
        assert unmet(answer, conditions, REFUSALS) == [], answer
    for answer in bad:
        assert unmet(answer, conditions, REFUSALS), answer


def test_every_condition_has_a_case() -> None:
    assert {name for conditions, _, _ in CASES for name in conditions} == set(CONDITIONS)


@given(st.text())
def test_any_answer_is_judged(answer: str) -> None:
    everything = {name: value for conditions, _, _ in CASES for name, value in conditions.items()}
    assert set(unmet(answer, everything, REFUSALS)) <= set(everything)
    if not answer.strip():
        assert unmet(answer, {"words": [0, None]}) == ["words"]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("paris", "no JSON object"),
        ("[1]", "names no condition"),
        ("{}", "names no condition"),
        ('{"word": [1, 2]}', "no condition 'word'; there are words, sentences"),
        ('{"words": 3}', r"words takes \[least, most\], null for no bound, not 3"),
        ('{"words": [true, 3]}', "words takes"),
        ('{"json": "yes"}', 'json takes true or false, not "yes"'),
        ('{"contains": "a"}', "contains takes a list of texts"),
        ('{"language": "Klingon"}', "language takes the English name of a language"),
        ('{"case": "title"}', 'case takes "upper" or "lower"'),
    ],
)
def test_what_is_no_condition_is_said_before_anything_is_asked(target: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        conditions_of(target)
    with pytest.raises(DataError, match="1 target cannot be checked by the metric `constraints`"):
        check_targets([example(target, "r1")], suite("constraints"))


def test_a_row_is_right_where_all_conditions_hold() -> None:
    chosen = suite({"kind": "constraints", "refusals": ["I can't"]})
    pairs = [
        ('{"words": [1, 2]}', "one two"),
        ('{"refuses": true}', "I can't."),
        ('{"words": [1, 1]}', "a b"),
    ]
    assert values(scored(pairs, chosen)[0]) == {"constraints": pytest.approx(2 / 3)}
    # The conditions are no answers: nothing is wrong with a metric that does not take them as such.
    assert (
        self_score([example(target, str(n)) for n, (target, _) in enumerate(pairs)], chosen).refused
        == ()
    )


def test_a_cut_answer_is_judged_as_far_as_it_goes_and_a_loop_is_none() -> None:
    chosen, row = suite("constraints"), example('{"words": [3, null]}', "r1")
    said = {"The long story of a": 1.0, "a story " * 40: 0.0, "A": 0.0}
    for text, expected in said.items():
        scores, _ = score([row], [Prediction("r1", text, finish="length")], chosen, "test", 1)
        assert values(scores)["constraints"] == expected, text
    assert scores.unanswered == {}


def test_the_shipped_rows_can_be_checked_and_met() -> None:
    rows = [json.loads(line) for line in GUARD.read_text(encoding="utf-8").splitlines()]
    kinds = Counter(row["kind"] for row in rows)
    assert kinds["instruction"] >= 100
    assert kinds["refusal"] >= 40
    assert {"harmless", "format", "language"} <= set(kinds)
    assert len({row["prompt"] for row in rows}) == len(rows) == len({row["id"] for row in rows})
    for row in rows:
        conditions = conditions_of(row["conditions"])
        low, high = conditions.get("words", [0, None])
        assert high is None or low <= high
