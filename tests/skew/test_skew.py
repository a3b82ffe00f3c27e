"""The skew stage through its door: planted shifts are found, halves of one population are not."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.base.errors import ConfigError, DataError
from runner.config.skew import FileSkew
from runner.records import Example, Origin, Turn, fields_of
from runner.records.json_form import decoded
from runner.records.skew import SkewComparison
from runner.report.skew import write_skew
from runner.skew import compare, read_production, refusals, warnings
from runner.skew.matching import diff
from runner.skew.tests import FOLDS, RIDGE, either_way, out_of_fold, share_gap
from runner.statistics.significance import holm_adjusted

CONFIG = FileSkew(kind="file", production="-", permutations=199, max_auc=0.75, max_changed=0.5)
ORIGIN = Origin("t", 0)
BEFORE, AFTER = "the template before the content", "the template after the content"
BEGIN, END = "what nearly all prompts begin with", "what nearly all prompts end with"
THINGS = "card transfer refund account fee limit balance statement payment cheque".split()
ASKED = "Where is,When comes,Why was,How much is,Who sees,Can I change,Is there".split(",")
WHEN = "today yesterday abroad again now twice online lately first early".split()


def texts(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [
        f"{draw.choice(ASKED)} my {draw.choice(THINGS)} "
        f"{draw.choice(WHEN)} in {draw.randrange(99)}?"
        for _ in range(count)
    ]


def found(
    tuning: list[str], production: list[dict[str, Any]], template: str = "{{ text }}"
) -> SkewComparison:
    rows = [
        Example(f"t{at}", (Turn("user", text),), "", Origin("t", at), "Answer.")
        for at, text in enumerate(tuning)
    ]
    return compare(rows, production, CONFIG, 17, template)


def named(result: SkewComparison) -> set[str]:
    return {item.name for item in result.findings if item.skewed}


def test_halves_of_one_population_are_not_skewed() -> None:
    result = found(texts(150, 1), [{"text": t, "system": "Answer."} for t in texts(150, 2)])
    assert warnings(result) == []
    assert refusals(result, CONFIG) == []


def test_lower_case_is_found_and_refused() -> None:
    shifted = [{"text": t.lower(), "system": "Answer."} for t in texts(150, 2)]
    result = found(texts(150, 1), shifted)
    assert {"has no capital", "starts with a capital", "classifier"} <= named(result)
    assert any("skew.max_auc" in line for line in refusals(result, CONFIG))


def test_longer_prompts_and_another_language_are_found() -> None:
    longer = [{"text": f"I am a customer. I wait. {t}", "system": "Answer."} for t in texts(150, 2)]
    assert "characters" in named(found(texts(150, 1), longer))
    german = [{"text": f"Wo ist meine Karte und was ist das? {n}"} for n in range(150)]
    assert "is in English" in named(found(texts(150, 1), german))


def test_another_template_and_system_instruction_are_shown_as_they_are() -> None:
    tuning = [f"Question: {t}\nIntent:" for t in texts(60, 1)]
    production = [{"text": t, "system": "Answer"} for t in texts(60, 2)]
    exact = found(tuning, production, "Question: {{ text }}\nIntent:").exact
    assert [(item.name, item.tuning, item.production) for item in exact] == [
        ("the system instruction", "Answer.", "Answer"),
        ("the template before the content", "Question: ", ""),
        ("the template after the content", "\nIntent:", ""),
    ]


@pytest.mark.parametrize(
    ("served", "differs"),
    [
        ("Hello, this is {}", []),
        ("hey its {}", [BEGIN]),
        ("Guten Tag, hier schreibt {}", [BEGIN]),
        ("### Message\nHello, this is {}\n### Answer", [BEFORE, AFTER]),
        ("Customer question: Hello, this is {}", [BEFORE]),
    ],
)
def test_wording_that_a_side_shares_is_no_template(served: str, differs: list[str]) -> None:
    """All contents of tuning begin alike, and its template is bare."""
    tuning = [f"Hello, this is {t}" for t in texts(60, 1)]
    production = [{"text": served.format(t)} for t in texts(60, 2)]
    assert [item.name for item in found(tuning, production).exact] == differs


@pytest.mark.parametrize(
    ("template", "served", "differs"),
    [
        ("{{ text }}", "Customer question: {}\nIntent:", [BEFORE, AFTER]),
        ("{{ text }}", "{} This is my question and I want an answer.", [AFTER]),
        ("Name the intent: {{ text }}", "Name the intent: {}", []),
        ("Name the intent: {{ text }}", "Name the intent: Message: {}", [BEFORE]),
        ("Q: {{ text }}", "{}", [BEFORE]),
        ("{# a note #}{{ text }}\n\nIntent:", "{}\nIntent:", [AFTER]),
    ],
)
def test_the_template_is_the_configs(template: str, served: str, differs: list[str]) -> None:
    tuning = [template.replace("{# a note #}", "").replace("{{ text }}", t) for t in texts(60, 1)]
    production = [{"text": served.format(t)} for t in texts(60, 2)]
    exact = found(tuning, production, template).exact
    assert [item.name for item in exact] == differs


def test_another_wording_at_both_ends_is_no_template() -> None:
    german = [
        {"text": f"Guten Tag, hier ist {n}. Mein {t} ist kaputt, ich will mein Geld zurück."}
        for n, t in enumerate(THINGS * 6)
    ]
    assert [item.name for item in found(texts(60, 1), german).exact] == [BEGIN, END]


def test_rows_with_one_id_and_another_wording_have_one_template() -> None:
    tuning = [f"Hello, this is {t}" for t in texts(40, 1)]
    production = [
        {"id": f"t{n}", "text": t.replace("Hello, this", "Hi there, it")}
        for n, t in enumerate(tuning)
    ]
    assert found(tuning, production).matched.kinds == {"wording": 40}


def test_rows_with_one_id_are_held_byte_by_byte() -> None:
    tuning = texts(40, 1)
    production = [{"id": f"t{n}", "text": t + " " * (n < 30)} for n, t in enumerate(tuning)]
    result = found(tuning, production)
    matched = result.matched
    assert (matched.changed_by_id, matched.kinds) == (30, {"blanks": 30})
    assert matched.shown[0].text[-1] == ("production", " ")
    assert any("skew.max_changed" in line for line in refusals(result, CONFIG))


def test_labels_are_compared_where_production_knows_them() -> None:
    rows = [
        Example(f"t{n}", (Turn("user", t),), "fee" if n % 2 else "card", Origin("t", n))
        for n, t in enumerate(texts(100, 1))
    ]
    production = [{"text": t, "label": "fee"} for t in texts(100, 2)]
    result = compare(rows, production, CONFIG, 17, "{{ text }}")
    assert {"has the label fee", "has the label card"} <= named(result)


def test_a_prompt_without_a_known_system_instruction_is_not_a_difference() -> None:
    result = found(texts(30, 1), [{"text": t} for t in texts(30, 2)])
    assert result.exact == ()
    assert "do not say their system" in result.notes[0]


@pytest.mark.parametrize("known", [True, False])
def test_a_system_instruction_that_one_side_does_not_say_makes_none_longer(known: bool) -> None:
    def count(examples: Sequence[Example]) -> list[tuple[int, int]]:
        return [(len(f"{one.system} {one.contents[0].text}".split()), 0) for one in examples]

    system = "You name the intent of a message. Say one word and nothing else."
    rows = [
        Example(f"t{n}", (Turn("user", t),), "", Origin("t", n), system)
        for n, t in enumerate(texts(150, 1))
    ]
    # Known to be empty is another thing than not known.
    production = [{"text": t, **({"system": ""} if known else {})} for t in texts(150, 2)]
    result = compare(rows, production, CONFIG, 17, "{{ text }}", count)
    assert ("tokens" in named(result)) == known


def test_turns_are_compared_where_production_says_them() -> None:
    rows = [
        Example(f"t{n}", (Turn("user", "Hi"), Turn("model", "Yes?"), Turn("user", t)), "", ORIGIN)
        for n, t in enumerate(texts(60, 1))
    ]
    written = [{"text": f"Hi\nYes?\n{t}", "system": ""} for t in texts(60, 2)]
    assert warnings(compare(rows, written, CONFIG, 17, "{{ text }}")) == []
    told = [{"contents": [{"role": "user", "parts": [{"text": row["text"]}]}]} for row in written]
    assert "has several turns" in named(compare(rows, told, CONFIG, 17, "{{ text }}"))


@pytest.mark.parametrize("form", ["contents", "messages"])
def test_the_answer_of_a_logged_row_is_not_part_of_its_prompt(form: str) -> None:
    def turn(role: str, text: str) -> dict[str, Any]:
        return {"role": role, "parts": [{"text": text}], "content": text}

    answer = "We have looked into it, and your case is closed now."
    production = [
        {form: [turn("user", t), turn("model", answer)], "system": "Answer."} for t in texts(60, 2)
    ]
    assert warnings(found(texts(60, 1), production)) == []


def test_too_few_prompts_are_refused() -> None:
    with pytest.raises(DataError, match="19 production prompts, and 20"):
        found(texts(30, 1), [{"text": t} for t in texts(19, 2)])


def test_one_finding_and_one_row_are_said_as_one(tmp_path: Path) -> None:
    result = found(texts(60, 1), [{"text": t, "system": "Ask."} for t in texts(60, 2)])
    only = CONFIG.model_copy(update={"max_findings": 0, "max_auc": None, "max_changed": None})
    assert refusals(result, only) == ["1 finding, and skew.max_findings allows 0"]
    path = tmp_path / "p.jsonl"
    path.write_text('{"text":"a"}\n{bad\n')
    with pytest.raises(DataError, match=r"no prompt in 1 row\b"):
        read_production(path)


def test_the_file_reports_all_bad_rows_at_once(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"text":"a"}\n{"txt":"b"}\n[]\n{bad\n{"text":" "}\n')
    with pytest.raises(DataError) as error:
        read_production(path)
    assert [(fault.line, fault.rule) for fault in error.value.faults] == [
        (2, "missing_column"),
        (3, "not_object"),
        (4, "bad_json"),
        (5, "empty_input"),
    ]
    with pytest.raises(ConfigError, match="no such file"):
        read_production(tmp_path / "none.jsonl")


def test_all_forms_of_production_rows_are_one_prompt(tmp_path: Path) -> None:
    contents = [{"role": "user", "parts": [{"text": "hi"}]}]
    rows = [
        {"text": "hi", "system": "s"},
        {"contents": contents, "systemInstruction": {"parts": [{"text": "s"}]}},
        {"request": {"contents": contents, "system_instruction": "s"}},
        {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}]},
    ]
    from runner.skew.prompts import of_record

    assert {(of_record(row).text, of_record(row).system) for row in rows} == {("hi", "s")}


def test_the_page_escapes_what_prompts_say(tmp_path: Path) -> None:
    hostile = ["<script>alert(1)</script>{{ 7*7 }} " + t for t in texts(40, 2)]
    result = found(hostile, [{"id": f"t{n}", "text": t.upper()} for n, t in enumerate(hostile)])
    page = tmp_path / "skew.html"
    write_skew(
        decoded(SkewComparison, json.loads(json.dumps(result, default=fields_of))),
        warnings(result),
        [],
        page,
    )
    text = page.read_text()
    assert "<script>alert" not in text
    assert "{{ 7*7 }}" in text


def test_answers_out_of_fold_equal_those_of_fitting_again() -> None:
    draw = np.random.default_rng(3)
    data = draw.normal(size=(60, 7))
    gram = data @ data.T
    sides = np.sign(draw.normal(size=(60, 2)))
    folds = np.arange(60) % FOLDS
    middle = gram - gram.mean(axis=0) - gram.mean(axis=1)[:, None] + gram.mean()
    answers = out_of_fold(gram, sides, folds)
    for fold in range(FOLDS):
        out, fit = folds == fold, folds != fold
        model = np.linalg.solve(middle[np.ix_(fit, fit)] + RIDGE * np.eye(fit.sum()), sides[fit])
        np.testing.assert_allclose(answers[out], middle[np.ix_(out, fit)] @ model, atol=1e-6)


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_diff_holds_both_texts(one: str, other: str) -> None:
    parts = diff(one, other)
    assert "".join(text for side, text in parts if side != "production") == one
    assert "".join(text for side, text in parts if side != "tuning") == other


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(values: list[float]) -> None:
    adjusted = holm_adjusted(values)
    assert all(new >= old for new, old in zip(adjusted, values, strict=True))
    order = sorted(range(len(values)), key=lambda at: values[at])
    assert [adjusted[at] for at in order] == sorted(adjusted)
    assert adjusted[order[0]] == min(1.0, len(values) * values[order[0]])


@given(st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=50)
def test_the_sign_test_is_scipys(ups: int, downs: int) -> None:
    from scipy.stats import binomtest

    if ups + downs:
        assert either_way(ups, downs) == pytest.approx(binomtest(ups, ups + downs).pvalue)


def test_the_interval_of_two_shares_is_newcombes() -> None:
    """Newcombe 1998, Table II, example (a): 56/70 and 48/80."""
    low, high = share_gap(48, 80, 56, 70)
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)
