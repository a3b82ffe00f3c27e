"""Rules that a training row has to pass: words, repetition, scripts, languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from runner.base.errors import DataError
from runner.config import Select, Template
from runner.config.select import Quality
from runner.prepare import render
from runner.prepare.select import choose
from runner.prepare.select.quality import broken_rules, repetition, script_share
from runner.records import Origin, Row
from tests.prepare.making import prepared, rows_of
from tests.prepare.test_select import written


def test_rows_that_break_a_rule_are_dropped_by_name(tmp_path: Path) -> None:
    made = [
        Row("ok", {"text": "where is my card please"}, "card", Origin("a", 1)),
        Row("short", {"text": "card"}, "card", Origin("a", 2)),
        Row("long", {"text": " ".join(map(str, range(60)))}, "card", Origin("a", 3)),
        Row("echo", {"text": "buy now today " * 5}, "card", Origin("a", 4)),
        Row("greek", {"text": "πού είναι η κάρτα μου"}, "card", Origin("a", 5)),
        Row("mute", {"text": "where is my other card"}, "a b c d", Origin("a", 6)),
    ]
    quality = {
        "min_words": 2,
        "max_words": 50,
        "max_repetition": 0.3,
        "scripts": ["Latin"],
        "max_target_words": 3,
    }
    choice = choose(written(tmp_path, made), Select.model_validate({"quality": quality}), 1)
    assert choice is not None
    found = {made[at].id: reason.reason for at, reason in choice.reasons.items()}
    assert found == {
        "short": "few_words",
        "long": "many_words",
        "echo": "repetition",
        "greek": "other_script",
        "mute": "many_target_words",
    }
    assert choice.chosen.tolist() == [True, *[False] * 5]


GERMAN = "Wo ist meine Karte und warum ist sie nicht da?"


def test_rows_in_another_language_are_dropped_and_doubtful_ones_stay(tmp_path: Path) -> None:
    said = {
        "english": "Where is my card and why is it not here?",
        "german": GERMAN,
        "french": "Où est ma carte et pourquoi est-ce que je ne la vois pas ?",
        "russian": "Где моя карта?",
        "chinese": "我的卡在哪里?",
        "short": "Status 4711?",
    }
    made = [
        Row(name, {"text": text}, "card", Origin("a", at))
        for at, (name, text) in enumerate(said.items())
    ]
    for languages, stay in (
        (["English"], {"english", "short"}),
        (["german", "Chinese"], {"german", "chinese", "short"}),
    ):
        select = Select.model_validate({"quality": {"languages": languages}})
        choice = choose(written(tmp_path, made), select, 1)
        assert choice is not None
        assert {row.id for row, kept in zip(made, choice.chosen, strict=True) if kept} == stay
        assert {reason.reason for reason in choice.reasons.values()} == {"other_language"}


def test_characters_are_words_where_a_script_has_no_blanks() -> None:
    quality = Quality(min_words=2, max_words=20, max_repetition=0.5)

    def broken(text: str) -> list[str]:
        row = Row("r", {"text": text}, "card", Origin("a", 1))
        return [name for name, _ in broken_rules(row, quality)]

    for text in ("我的卡还没有到,请帮我查一下", "カードはどこですか", "บัตรของฉันอยู่ที่ไหน"):
        assert broken(text) == []
    assert broken("卡") == ["few_words"]
    assert "many_words" in broken("我的卡还没有到请帮我查一下谢谢你们的帮助再见")
    assert "repetition" in broken("立即购买优惠立即购买优惠")


@pytest.mark.parametrize(
    ("quality", "message"),
    [
        ({"scripts": ["latn"]}, "no script 'latn'; did you mean latin?"),
        ({"scripts": ["qqq"]}, "no script 'qqq'; there are: adlam, "),
        ({"languages": ["Englsh"]}, "no language 'Englsh'; did you mean English?"),
        ({"languages": ["Klingon"]}, "no language 'Klingon'; there are: English, German"),
    ],
)
def test_misspelt_scripts_and_languages_are_refused(quality: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Quality.model_validate(quality)
    assert message in str(refused.value)


def test_when_no_row_is_left_the_reasons_are_counted(tmp_path: Path) -> None:
    source = prepared(
        tmp_path / "prepared",
        {"train": rows_of([("one", "a"), (GERMAN, "a"), ("three", "a")])},
        {"split": {"validation": 0, "test": 0}},
    )
    quality = Quality(min_words=2, languages=["English"])
    out = tmp_path / "rendered"
    out.mkdir()
    template = Template(name="t", prompt="{{ text }}")
    with pytest.raises(DataError) as refused:
        render(source.path, template, Select(quality=quality), 2048, 1, out, lambda _: None)
    assert str(refused.value).splitlines() == [
        "no training row is left:",
        "  select: 2 × few_words, 1 × other_language",
    ]


def test_repetition_by_hand() -> None:
    assert repetition("a b c a b c") == 1.0
    assert repetition("a b c d e f") == 0.0
    assert repetition("xx yy zz 1234 xx yy zz") == pytest.approx(12 / 16)
    assert repetition("") == 0.0


def test_scripts_by_hand() -> None:
    assert script_share("abc где", {"latin"}) == 0.5
    assert script_share("漢字", {"han"}) == 1.0
    assert script_share("12 !?", {"latin"}) == 1.0
