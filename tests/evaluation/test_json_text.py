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


@pytest.mark.parametrize(
    "text",
    [
        "{'a':1,'d':[1,2,3]}",
        '{"a": 1, "d": [1, 2],}',
        '{"a": 1, "d": {"e": 2}',
        '[{"a": 1}, {"b": 2}',
        '{"a": "x, "b": [1]}',
        "{'a': '}', 'b': [1,2]}",
        '{"a": NaN, "b": [1]}',
        '```json\n{"a": [1],}\n```',
        '{"a": 1 // one\n, "b": [2]}',
        '{"a": True, "b": [1]}',
    ],
)
def test_no_piece_of_a_broken_value_is_taken(text: str) -> None:
    with pytest.raises(ValueError, match="no JSON value"):
        first_value(text)


@given(st.dictionaries(st.text(), structures, min_size=1, max_size=3), st.integers(1, 50))
def test_a_cut_object_has_no_value(value: object, cut: int) -> None:
    text = json.dumps(value)
    with pytest.raises(ValueError, match="no JSON value"):
        first_value(text[: -min(cut, len(text) - 1)])


@pytest.mark.parametrize("text", ["{" * 200_000, '{"' * 100_000, '{"\\"' * 100_000, "{'" * 100_000])
def test_hostile_text_is_read_once(text: str) -> None:
    with pytest.raises(ValueError, match="no JSON value"):
        first_value(text)


def test_the_targets_type_is_preferred() -> None:
    text = 'Steps [1, 2] give {"a": 1}'
    assert first_value(text) == [1, 2]
    assert first_value(text, {"b": 2}) == {"a": 1}
    assert first_value("only [1]", {}) == [1]
    assert first_value('```json\n[1]\n```\n```json\n{"a": 1}\n```', {}) == {"a": 1}


@pytest.mark.parametrize("text", ['{"a": 1}', ' ```json\n{"a": 1}\n``` '])
def test_strict_takes_a_whole_answer(text: str) -> None:
    assert first_value(text, strict=True) == {"a": 1}


@pytest.mark.parametrize("text", ['Sure: {"a": 1}', '```json\n{"a": 1}\n```\nHope!', '{"a": 1}.'])
def test_strict_refuses_what_stands_beside_it(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 the decoder's own words
        first_value(text, strict=True)


words = st.text(st.sampled_from("abcxyz ,.'é\n"), max_size=12)


@given(st.sampled_from("[{"), st.sampled_from("abcé$("), words, structures, words)
def test_a_bracket_of_prose_hides_nothing(
    bracket: str, first: str, more: str, value: object, after: str
) -> None:
    text = f"I picked {bracket}{first}{more} from it. {json.dumps(value)} {after}"
    assert first_value(text) == value


letters = st.text(st.sampled_from("abc"), min_size=1, max_size=3)
broken = st.recursive(
    st.integers(0, 9) | letters,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(letters, inner, max_size=3),
)


@given(st.dictionaries(letters, broken, min_size=1, max_size=3), prose)
def test_no_piece_of_a_python_dictionary_is_taken(value: dict[str, object], before: str) -> None:
    with pytest.raises(ValueError, match="no JSON value"):
        first_value(f"{before} {value!r}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('I picked [a from the list. {"a": 1}', {"a": 1}),
        ('as in [1 of them. {"a": 1}', {"a": 1}),
        ('x [see {"a": 1}]', {"a": 1}),
        ("all {x in S. [1]", [1]),
    ],
)
def test_prose_is_looked_into(text: str, value: object) -> None:
    assert first_value(text) == value


@pytest.mark.parametrize(
    "text", ["{a: [1, 2]}", "{“a”: [1]}", '[true, {"a": 1}', "{/* x */ a: [1]}", '[1, 2 {"a": 1}']
)
def test_what_looks_like_json_hides_what_it_holds(text: str) -> None:
    with pytest.raises(ValueError, match="no JSON value"):
        first_value(text)


@pytest.mark.parametrize("piece", ["[1 x ", "{a ", "[a", "[ ", "{ "])
def test_many_brackets_of_prose_are_read_once(piece: str) -> None:
    assert first_value(piece.replace("[ ", "[ x").replace("{ ", "{ x") * 50_000 + "[1]") == [1]
