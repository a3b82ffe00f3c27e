"""Fields of JSON that hold a list, and the shipped text suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.base.errors import ConfigError
from runner.evaluation import check_targets
from tests.compose.composing import compose_text
from tests.evaluation.make import example, scored, suite, values


def found(target: str, answer: str, **lists: str) -> dict[str, float]:
    metric = {"kind": "json_fields", "lists": lists}
    scores, _ = scored([(target, answer)], suite(metric, extract={"kind": "json"}))
    return values(scores)


def test_a_set_has_an_f1_without_order() -> None:
    scores = found('{"t": ["a", "b", "c"], "n": 1}', '{"t": ["c", "a", "a", "x"], "n": 1}', t="set")
    assert scores["json_field/t/f1"] == pytest.approx(2 / 3)
    assert scores["json_field/t"] == 0
    assert scores["json_list_f1"] == pytest.approx(2 / 3)
    assert found('{"t": ["a", "b"]}', '{"t": ["b", "a"]}', t="set")["json_field/t"] == 1


def test_a_sequence_has_an_order() -> None:
    scores = found('{"t": ["a", "b", "c"]}', '{"t": ["c", "a", "b"]}', t="sequence")
    assert scores["json_field/t/f1"] == pytest.approx(2 / 3)
    assert scores["json_field/t"] == 0


@pytest.mark.parametrize("answer", ["no JSON", "{}", '{"t": []}'])
def test_nothing_found_is_nothing_right(answer: str) -> None:
    assert found('{"t": ["a"]}', answer, t="set")["json_field/t/f1"] == 0


def test_two_empty_lists_agree() -> None:
    assert found('{"t": []}', '{"t": []}', t="set")["json_list_f1"] == 1


def test_the_mean_is_over_the_fields_of_a_row() -> None:
    scores = found('{"t": [1], "u": [2]}', '{"t": [1], "u": [3]}', t="set", u="set")
    assert scores["json_list_f1"] == 0.5


def test_the_text_suite_compares_as_a_person_does(tmp_path: Path) -> None:
    (point,) = compose_text(tmp_path, "", "source.train=a.jsonl", "suite=text").points
    scores, _ = scored([("paris", "Paris.")], point.experiment.suite)
    assert values(scores)["exact_match"] == 1


def test_a_field_that_no_reference_has_is_refused() -> None:
    metric = {"kind": "json_fields", "lists": {"tagz": "set"}, "fields": ["n", "m.x"]}
    chosen = suite(metric, extract={"kind": "json"})
    examples = [example('{"tags": [1], "n": 1}', "a"), example('{"tags": []}', "b")]
    with pytest.raises(ConfigError) as error:
        check_targets(examples, chosen)
    assert [(each.key, each.message) for each in error.value.problems] == [
        ("suite.metrics[0].fields", "no reference has the field 'm.x'; there are n, tags"),
        ("suite.metrics[0].lists", "no reference has the field 'tagz'; there are n, tags"),
    ]
    check_targets([*examples, example('{"tagz": [], "m": {"x": 1}}', "c")], chosen)
