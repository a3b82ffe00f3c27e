"""Templates: what rows become, and what is said about templates that cannot work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.base.errors import ConfigError
from runner.records import Example, Origin, Row, Turn
from tests.prepare.making import prepared, rendered

NO_SPLIT = {"split": {"validation": 0, "test": 0}}


def row(number: int = 1, **fields: str) -> Row:
    return Row(f"r{number}", fields or {"text": f"text {number}"}, "yes", Origin("f", number))


def render_one(tmp_path: Path, *rows: Row, **template: Any) -> Example:
    source = prepared(tmp_path / "prepared", {"train": rows}, NO_SPLIT)
    return rendered(tmp_path / "rendered", source, **template).splits["train"][0]


def test_columns_input_row_and_target(tmp_path: Path) -> None:
    example = render_one(
        tmp_path,
        row(mail="where?", **{"Order no.": "7"}),
        system="Be {{ 'kind' | upper }}.",
        prompt='{{ mail }} ({{ row["Order no."] }})\n',
        target="{{ target }}!",
    )
    assert example.system == "Be KIND."
    assert example.contents == (Turn("user", "where? (7)"),)
    assert example.target == "yes!"
    assert example.origin == Origin("f", 1)


def test_input_is_the_only_column(tmp_path: Path) -> None:
    assert render_one(tmp_path, row(mail="hello")).prompt == "hello"


def test_a_column_some_rows_lack_is_empty_there(tmp_path: Path) -> None:
    rows = (row(1, text="a"), row(2, text="b", note="n"))
    example = render_one(tmp_path, *rows, prompt="{{ text }}{% if note %} {{ note }}{% endif %}")
    assert example.prompt == "a"


def test_rows_with_turns_keep_them(tmp_path: Path) -> None:
    history = (Turn("user", "hi"), Turn("model", "hello"), Turn("user", "bye"))
    chat = replace(row(), fields={}, history=history, system="own")
    example = render_one(tmp_path, chat, system="template's")
    assert (example.system, example.contents) == ("own", history)
    other = replace(chat, system="")
    example = render_one(tmp_path / "two", other, system="template's", prompt="<{{ input }}>")
    assert example.system == "template's"
    assert example.contents == (*history[:2], Turn("user", "<bye>"))


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ({"prompt": "{{ txt }}"}, "template.prompt: there is no column 'txt'; columns: text, note"),
        ({"prompt": "{{ txt }}"}, "did you mean {{ text }}?"),
        ({"system": "{{ nope }}"}, "template.system: there is no column 'nope'"),
        ({"prompt": "{{ input }}"}, "there are several: text, note"),
        ({"prompt": "{{ target }}"}, "template.prompt: the answer cannot be part of the prompt"),
        ({"prompt": "a\n{% if %}"}, "template.prompt: line 2 of the template"),
        ({"prompt": "{{ text.lenght }}"}, "template.prompt: fails on row r1 (f:1)"),
        ({"prompt": '{{ row["x"] }}'}, "template.prompt: fails on row r1 (f:1)"),
        ({"prompt": "{{ ''.__class__.__mro__ }}"}, "SecurityError"),
    ],
)
def test_templates_that_cannot_work(tmp_path: Path, template: dict[str, str], wanted: str) -> None:
    with pytest.raises(ConfigError) as refused:
        render_one(tmp_path, row(text="a", note="b"), **{"prompt": "{{ text }}", **template})
    assert wanted in str(refused.value)


def test_all_broken_templates_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        render_one(tmp_path, row(), system="{{ a }} {{ b }}", prompt="{{ c }}", target="{% x %}")
    assert len(refused.value.problems) == 4


def test_data_is_never_a_template(tmp_path: Path) -> None:
    assert render_one(tmp_path, row(text="{{ 7 * 7 }}")).prompt == "{{ 7 * 7 }}"
