"""From points to arms: names, baselines that join by themselves, identity."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from runner.base.errors import ConfigError
from runner.config import Experiment
from runner.experiment.arms import check_one_experiment, expand, label


@dataclass(frozen=True)
class Point:
    experiment: Experiment
    varying: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)


def experiment(**changes: Any) -> Experiment:
    raw: dict[str, Any] = {
        "name": "x",
        "source": {"kind": "files", "train": "a.csv"},
        "prepare": {},
        "template": {"name": "plain"},
        "model": {"kind": "random", "name": "tiny"},
        "backend": {"kind": "local"},
        "tuning": {},
        "baseline": {},
        "suite": {"name": "s", "metrics": [{"kind": "exact_match"}], "primary": "exact_match"},
        "tracking": {"kind": "none"},
        "store": {},
        "paths": {},
    }
    return Experiment.model_validate({**raw, **changes})


def sized(size: int) -> Point:
    prepare = {"select": {"size": size}}
    return Point(experiment(prepare=prepare), {"prepare.select.size": str(size)})


def test_baselines_join_once_and_come_first() -> None:
    arms = expand([sized(80), sized(240)], ["data", "data"])
    assert [arm.name for arm in arms] == ["zero-shot", "3-shot", "80 rows", "240 rows"]
    assert len({arm.digest for arm in arms}) == 4


def test_a_sweep_over_templates_has_baselines_for_each() -> None:
    points = [
        Point(experiment(template={"name": name, "prompt": name}), {"template": name})
        for name in ("plain", "polite")
    ]
    names = [arm.name for arm in expand(points, ["data", "data"])]
    assert names == [
        "zero-shot · plain",
        "zero-shot · polite",
        "3-shot · plain",
        "3-shot · polite",
        "plain",
        "polite",
    ]


DEDUP, AUGMENT = ("exact", "fuzzy"), ("none", "noise")


def treated(**source: str) -> list[Point]:
    """Two axes of treatments, swept as options of groups."""
    given = {"kind": "files", "train": "a.csv", **source}
    return [
        Point(
            experiment(
                source=given,
                prepare={
                    "dedup": {"fuzzy": {} if dedup == "fuzzy" else None},
                    "augment": {"rules": ["case"] if augment == "noise" else []},
                },
            ),
            {"prepare/dedup": dedup, "prepare/augment": augment},
        )
        for dedup in DEDUP
        for augment in AUGMENT
    ]


def test_treatments_of_train_have_one_zero_shot_arm_when_test_is_given() -> None:
    arms = expand(treated(test="b.csv"), ["data"] * 4)
    names = [arm.name for arm in arms if arm.kind != "tuned"]
    assert names == ["zero-shot", "3-shot · exact", "3-shot · fuzzy"]
    assert all(not arm.experiment.prepare.augment.rules for arm in arms[:3])
    assert len(arms) == 7


def test_a_test_set_cut_from_train_feels_what_is_dropped_from_it() -> None:
    names = [arm.name for arm in expand(treated(), ["data"] * 4) if arm.kind != "tuned"]
    assert names == ["zero-shot · exact", "zero-shot · fuzzy", "3-shot · exact", "3-shot · fuzzy"]


def test_the_same_point_twice_is_one_arm() -> None:
    assert len(expand([sized(80), sized(80)], ["data", "data"])) == 3


def test_other_data_is_another_arm() -> None:
    arms = expand([sized(80), sized(80)], ["monday", "tuesday"])
    assert len({arm.digest for arm in arms}) == len(arms) == 6
    assert len({arm.name for arm in arms}) == 6


def test_where_things_lie_is_no_part_of_identity() -> None:
    here = expand([Point(experiment())], ["data"])
    there = expand([Point(experiment(paths={"home": "/else"}, question="why?"))], ["data"])
    assert [arm.digest for arm in here] == [arm.digest for arm in there]


@pytest.mark.parametrize(
    ("varying", "name"),
    [
        ({"prepare.select.size": "80"}, "80 rows"),
        ({"prepare.select.size": "null"}, "all rows"),
        ({"tuning.learning_rate_multiplier": "1.5", "tuning.epochs": "2"}, "lr 1.5 · epochs 2"),
        ({"template": "polite"}, "polite"),
        ({"suite.bootstrap.samples": "500"}, "samples 500"),
        ({"prepare/dedup": "none", "prepare/augment": "none"}, "no dedup · no augment"),
        ({"prepare/dedup": "fuzzy", "prepare/split": "default"}, "fuzzy · split default"),
        ({"seed": "1"}, "seed 1"),
        ({"question": "why?"}, "question why?"),
        ({"template": "mine", "suite": "mine"}, "template mine · suite mine"),
        (
            {"prepare.dedup.fuzzy.threshold": "0.8", "prepare.leakage.near.threshold": "0.9"},
            "fuzzy threshold 0.8 · near threshold 0.9",
        ),
    ],
)
def test_names_are_made_of_what_varies(varying: dict[str, str], name: str) -> None:
    assert label(varying) == name


def test_what_only_tuning_uses_is_no_part_of_a_baseline() -> None:
    points = [
        Point(
            experiment(model={"kind": "random", "name": "tiny", "base_learning_rate": rate}),
            {"model.base_learning_rate": str(rate)},
        )
        for rate in (0.001, 0.002)
    ]
    kinds = [arm.kind for arm in expand(points, ["data", "data"])]
    assert kinds == ["zero_shot", "few_shot", "tuned", "tuned"]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"paths": {"home": "elsewhere"}}, "paths"),
        ({"tracking": {"kind": "mlflow"}}, "tracking"),
        ({"name": "y"}, "name"),
        (
            {"suite": {"name": "s", "metrics": [{"kind": "token_f1"}], "primary": "token_f1"}},
            "suite",
        ),
    ],
)
def test_what_a_sweep_cannot_vary(change: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=f"{key}: differs between the arms"):
        check_one_experiment([Point(experiment()), Point(experiment(**change))])


def test_generation_settings_can_vary() -> None:
    suite = {"name": "s", "metrics": [{"kind": "exact_match"}], "primary": "exact_match"}
    warm = {**suite, "generation": {"temperature": 0.7}}
    check_one_experiment([Point(experiment(suite=suite)), Point(experiment(suite=warm))])


GEMINI = {
    "kind": "gemini",
    "name": "g",
    "id": "g",
    "adapter_sizes": [8],
    "tuning_locations": [],
    "serving_locations": ["us"],
    "thinking": {"kind": "level", "least": "MINIMAL"},
    "prices": {"input": 1, "output": 1},
    "evidence": [],
}
VERTEX = {"kind": "vertex", "project": "p", "bucket": "gs://bucket"}


def test_a_gemini_that_thinks_is_also_measured_at_its_default() -> None:
    point = Point(experiment(model=GEMINI, backend=VERTEX))
    arms = expand([point], ["data"])
    names = [arm.name for arm in arms]
    assert names == ["zero-shot", "zero-shot · default thinking", "3-shot", "tuned"]
    ways = [arm.experiment.backend.model_dump()["thinking"] for arm in arms]
    assert ways == ["least", "default", "least", "least"]
    assert len({arm.digest for arm in arms}) == 4
    assert arms[1].config["backend"]["thinking"] == "default", "the record says how it was asked"


@pytest.mark.parametrize(
    "changes",
    [
        {"baseline": {"default_thinking": False}},
        {"backend": {**VERTEX, "thinking": "default"}},
        {"model": {**GEMINI, "thinking": {"kind": "none"}}},
        {"baseline": {"zero_shot": False}},
    ],
)
def test_a_second_way_of_thinking_is_measured_only_where_there_is_one(
    changes: dict[str, Any],
) -> None:
    point = Point(experiment(**{"model": GEMINI, "backend": VERTEX, **changes}))
    assert not [arm for arm in expand([point], ["data"]) if "thinking" in arm.name]
