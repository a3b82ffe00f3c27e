"""The fast encoders say exactly what the records say of themselves."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from runner.prepare.row_table import example_line, gemini_line, row_line
from runner.records import Example, Origin, Row, Turn

texts = st.text(st.characters(exclude_categories=["Cs"]))
names = st.dictionaries(texts, texts, max_size=3)
origins = st.builds(Origin, texts, st.integers(1, 10**9))
turns = st.lists(st.builds(Turn, st.sampled_from(["user", "model"]), texts), max_size=3).map(tuple)
references = st.lists(texts, max_size=2).map(tuple)
calls = st.builds(lambda name: {"functionCall": {"name": name}}, texts)
parts = st.lists(calls, max_size=2).map(tuple)
extras = st.dictionaries(st.just("tools"), st.lists(texts, max_size=2), max_size=1)
turns |= st.lists(st.builds(Turn, st.just("user"), texts, parts), max_size=2).map(tuple)
rows = st.builds(
    *(Row, texts, names, texts, origins, references, names, texts, texts, turns, parts, texts),
    *(extras, names),
)
examples = st.builds(
    Example, texts, turns, texts, origins, texts, references, names, parts, texts, extras
)


@given(row=rows)
def test_row_lines(row: Row) -> None:
    raw = json.loads(row_line(row))
    assert raw == row.to_json()
    assert list(raw) == list(row.to_json())
    assert Row.from_json(raw) == row


@given(example=examples)
def test_example_lines(example: Example) -> None:
    assert json.loads(example_line(example)) == example.to_json()
    assert Example.from_json(json.loads(example_line(example))) == example


@given(example=examples)
def test_gemini_lines_are_one_line_for_every_reader(example: Example) -> None:
    line = gemini_line(example)
    row = example.to_preference() if example.rejected else example.to_gemini()
    assert json.loads(line) == json.loads(json.dumps(row))
    assert len(line.decode().splitlines()) == 1
    assert line.endswith(b"}\n")
