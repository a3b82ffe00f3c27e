"""Exact match, token F1 and JSON fields: row by row, against plain references."""

from __future__ import annotations

import re
import string
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.make import scored, suite, values

SQUAD = ["case", "punctuation", "articles", "whitespace"]


def test_exact_match_normalises_both_sides_and_takes_any_reference() -> None:
    chosen = suite("exact_match", normalize=["case", "whitespace"])
    scores, rows = scored([("A b", "a  B "), ("x", "c", ["y", "C"]), ("x", "y")], chosen)
    assert [row.scores["exact_match"] for row in rows] == [1, 1, 0]
    assert scores.overall["exact_match"].value == pytest.approx(2 / 3)
    assert scores.overall["exact_match"].n == 3


def test_exact_match_of_json_compares_values() -> None:
    chosen = suite("exact_match", extract={"kind": "json"}, normalize=["case", "punctuation"])
    target = '{"a":"X-y","b":[1,{"c":true}]}'
    pairs = [
        (target, '{ "b": [1.0, {"c": true}], "a": "xy!" }'),
        (target, '{"a":"X-y","b":[{"c":true},1]}'),
        (target, '{"a":"X-y","b":[1,{"c":1}]}'),
        (target, '{"a":"X-y"}'),
        ('{"a":"b"}', '{"ab":""}'),
    ]
    _, rows = scored(pairs, chosen)
    assert [row.scores["exact_match"] for row in rows] == [1, 0, 0, 0, 0]


def squad_words(text: str) -> list[str]:
    kept = "".join(char for char in text.lower() if char not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", kept).split()


def squad_f1(prediction: str, gold: str) -> float:
    """The rules of SQuAD v2.0, written down plainly."""
    left, right = squad_words(prediction), squad_words(gold)
    same = sum((Counter(left) & Counter(right)).values())
    if not left or not right:
        return float(left == right)
    if not same:
        return 0.0
    precision, recall = same / len(left), same / len(right)
    return 2 * precision * recall / (precision + recall)


ascii_text = st.text(string.printable, max_size=30) | st.lists(
    st.sampled_from(["the", "A", "cat", "Cat.", "sat", "an", "-", "on", "mat!"]), max_size=8
).map(" ".join)


@given(st.lists(st.tuples(ascii_text, ascii_text, st.lists(ascii_text, max_size=2)), min_size=1))
def test_token_f1_equals_squads_rules(pairs: list[tuple[str, str, list[str]]]) -> None:
    _, rows = scored(pairs, suite("token_f1", normalize=SQUAD))
    for (target, answer, more), row in zip(pairs, rows, strict=True):
        golds = [gold for gold in [target, *more] if squad_words(gold)] or [""]
        expected = max(squad_f1(answer, gold) for gold in golds)
        assert row.scores["token_f1"] == expected


def test_json_fields_by_path() -> None:
    chosen = suite("json_fields", extract={"kind": "json"})
    target = '{"intent":"refund","item":{"name":"Lamp","count":2}}'
    pairs = [
        (target, target),
        (target, 'ok: {"intent": "refund", "item": {"name": " Lamp", "count": 2.0}}'),
        (target, '{"intent":"billing","item":{"count":2}}'),
        (target, '{"intent":"refund","item":"Lamp"}'),
        (target, "sorry"),
        ('{"intent":"other"}', '{"intent":"other","item":{"name":"x"}}'),
    ]
    scores, rows = scored(pairs, chosen)
    assert values(scores) == {
        "json_valid": 5 / 6,
        "json_field/intent": 4 / 6,
        "json_field/item.count": 3 / 5,
        "json_field/item.name": 2 / 5,
    }
    assert scores.overall["json_field/item.name"].n == 5, "rows whose reference has the field"
    assert rows[4].extracted is None
    assert rows[4].scores["json_field/intent"] == 0, "no JSON has no fields"
    assert "json_field/item.name" not in rows[5].scores


def test_json_fields_that_are_named_and_several_references() -> None:
    metric = {"kind": "json_fields", "fields": ["a", "b", "gone"]}
    chosen = suite(metric, extract={"kind": "json"})
    scores, _ = scored([('{"a":{"x":1},"b":null}', '{"b":2,"a":{"x":1}}', ['{"b":2}'])], chosen)
    found = values(scores)
    assert found["json_field/a"] == 1
    assert found["json_field/b"] == 1, "a second reference allows it"
    assert found["json_field/gone"] != found["json_field/gone"]
    assert scores.overall["json_field/gone"].n == 0


def test_without_extraction_the_whole_answer_has_to_be_json() -> None:
    pairs = [('{"a":1}', '{"a":1}'), ('{"a":1}', 'Sure: {"a":1}')]
    scores, _ = scored(pairs, suite("json_fields"))
    assert values(scores) == {"json_valid": 0.5, "json_field/a": 0.5}
