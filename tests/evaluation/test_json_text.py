"""The first JSON value in hostile text, and one text for equal values."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.evaluation.json_text import canonical, field, first_value, leaves, parse

numbers = st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
structures = st.lists(json_values, max_size=4) | st.dictionaries(st.text(), json_values, max_size=4)
prose = st.text(st.characters(exclude_characters="{}[]`", exclude_categories=["Cs"]))


@given(json_values)
def test_a_whole_text_is_its_value(value: object) -> None:
    assert first_value(f"\n {json.dumps(value)} ") == value


@given(structures, prose, prose)
def test_a_structure_is_found_in_prose(value: object, before: str, after: str) -> None:
    assert first_value(f"{before} {json.dumps(value)} {after}") == value


@given(structures, prose, st.sampled_from(["json", "", "JSON"]))
def test_a_structure_is_found_in_a_fence(value: object, before: str, word: str) -> None:
    assert first_value(f"{before}\n```{word}\n{json.dumps(value, indent=2)}\n```\nHope!") == value


@given(st.text(st.sampled_from('{}[]":,a1.e-\\ \n`tn')))
def test_any_text_gives_a_value_or_a_value_error(text: str) -> None:
    try:
        value = first_value(text)
    except ValueError:
        return
    assert first_value(canonical(value)) == parse(canonical(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('Sure! {"a": 1} and {"b": 2}', {"a": 1}),
        ("use {braces}: [1, 2]", [1, 2]),
        ('```\nnot json\n```\n```json\n{"a": 1}\n```', {"a": 1}),
        ('```json\n{"a": 1}', {"a": 1}),
        ('"just text"', "just text"),
        ("3", 3),
    ],
)
def test_which_value_is_first(text: str, value: object) -> None:
    assert first_value(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I have 3 apples",
        '{"intent": "refund", "inner": {"a": 1}',  # cut off: the inner object is no answer
        "{'a': 1}",
        '{"a": NaN}',
        '{"a": 1e999}',
        "[" * 100_000,
        '{"a":' * 50_000,
        "[" * 65 + "]" * 65,
        "1" * 5000,
    ],
)
def test_what_is_no_value(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        first_value(text)


@given(st.dictionaries(st.text(max_size=3), json_values, max_size=5))
def test_canonical_text_ignores_order_and_blanks(value: dict[str, object]) -> None:
    other = json.dumps(dict(reversed(value.items())), indent=3)
    assert canonical(json.loads(other)) == canonical(value)
    canonical(value).encode()


def test_canonical_text_keeps_what_json_tells_apart() -> None:
    texts = [canonical(value) for value in (1, True, "1", [1], None, "null", 1.5)]
    assert len(set(texts)) == len(texts)
    assert canonical(1.0) == canonical(1) == "1"
    assert canonical(-0.0) == "0"
    assert canonical("\ud800") == '"\\ud800"'
    assert canonical("é") == '"é"'


def test_fields_by_dotted_path() -> None:
    value = {"a": {"b": 1, "c": {}}, "d.e": {"f": 2}, "g": [{"h": 3}]}
    assert list(leaves(value)) == ["a.b", "a.c", "d.e.f", "g"]
    assert [field(value, path) for path in leaves(value)] == [1, {}, 2, [{"h": 3}]]
    assert field(value, "a") == {"b": 1, "c": {}}
    for path in ("b", "a.x", "g.h", "a.b.c"):
        with pytest.raises(KeyError):
            field(value, path)
    assert list(leaves([1, 2])) == []
