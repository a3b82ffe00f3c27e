"""Which earlier experiments are on like data, and what they found."""

from __future__ import annotations

from typing import Any

import pytest

from runner.advice import earlier_settings, profile_of, shared_advice, task_of
from runner.advice.alike import family
from runner.advice.profile import media_of
from runner.records import EDITS, Example, Origin, Turn
from runner.records.advice import Advised, DataProfile, EarlierSetting, Recommendation
from runner.records.experiments import ExperimentResult
from runner.records.results import ArmResult, CheckpointScores, Score, Scores
from tests.advice.shipped import data

SUITE = {"metrics": [{"kind": "exact_match"}, {"kind": "rouge"}]}
DAY = 86_400_000


def scores(split: str, value: float, **more: Any) -> Scores:
    score = Score(value=value, low=value, high=value, n=9, **more)
    return Scores(split=split, rows=9, overall={"m": score})


def arm(
    epochs: int, validation: float | None, on_test: float, rows: int = 240, **more: Any
) -> ArmResult:
    tuning = {"epochs": epochs, "learning_rate_multiplier": 1.0, "adapter_size": 8}
    made = scores("validation", validation) if validation is not None else None
    best = CheckpointScores(
        id="2", epoch=2, step=9, eval_loss=1, path="", validation=scores("validation", 0)
    )
    settings = {
        "digest": f"{epochs}-{validation}-{on_test}-{rows}",
        "name": f"epochs {epochs}",
        "kind": "tuned",
        "status": "done",
        "model": "smollm2-135m",
        "config": {"suite": SUITE, "tuning": tuning},
        "train_examples": rows,
        "checkpoints": [best],
        "best": "2",
        "validation": made,
        "test": scores("test", on_test),
    }
    return ArmResult(**{**settings, **more})


def experiment(name: str, *arms: ArmResult, day: int = 20_000) -> ExperimentResult:
    return ExperimentResult(
        name=name, digest=name, primary="m", arms=list(arms), ended_ms=day * DAY
    )


def found(*results: ExperimentResult, rows: int = 240, **more: Any) -> list[str]:
    settings = earlier_settings(results, data(rows, 90), "smollm2-360m", 3.0, **more)
    return [setting.experiment for setting in settings]


def test_the_best_by_validation_is_told_with_its_score_on_test() -> None:
    result = experiment("e", arm(1, 0.5, 0.9), arm(3, 0.7, 0.6), arm(8, 0.6, 0.8))
    (best,) = earlier_settings([result], data(200, 90), "smollm2-135m", 3.0)
    assert (best.epochs, best.score, best.split, best.arms) == (3, 0.6, "test", 3)
    assert (best.best_epoch, best.rows, best.ended) == (2, 240, "2024-10-04")


def test_of_errors_the_fewest_are_best_and_without_validation_test_decides() -> None:
    result = experiment(
        "e",
        arm(1, None, 0, test=scores("test", 9.0, scale=EDITS)),
        arm(3, None, 0, test=scores("test", 4.0, scale=EDITS)),
    )
    (best,) = earlier_settings([result], data(240, 90), "smollm2-135m", 3.0)
    assert (best.epochs, best.score) == (3, 4.0)


def test_like_is_the_task_the_family_and_about_the_rows() -> None:
    other = {"suite": {"metrics": [{"kind": "classification"}]}}
    assert found(experiment("same", arm(1, 0.5, 0.5))) == ["same"]
    for strange in (
        arm(1, 0.5, 0.5, config=other),
        arm(1, 0.5, 0.5, model="gemma3-270m"),
        arm(1, 0.5, 0.5, rows=721),
        arm(1, 0.5, 0.5, rows=79),
        arm(1, 0.5, 0.5, rows=0),
        arm(1, 0.5, 0.5, kind="few_shot"),
        arm(1, 0.5, 0.5, status="skipped"),
        arm(1, float("nan"), float("nan")),
        arm(1, 0.5, 0.5, config={"suite": SUITE, "tuning": {"method": "preference"}}),
    ):
        assert found(experiment("strange", strange)) == []
    for rows in (80, 720):
        assert found(experiment("near", arm(1, 0.5, 0.5, rows=rows))) == ["near"]


def test_rehearsals_tell_nothing_of_the_service() -> None:
    emulated = {"suite": SUITE, "backend": {"emulator": "auto"}}
    rehearsed = experiment("r", arm(1, 0.5, 0.5, config=emulated))
    assert found(rehearsed) == []
    assert found(rehearsed, rehearsal=True) == ["r"]


def test_the_nearest_come_first_and_no_more_than_three() -> None:
    results = [
        experiment(f"e{rows}", arm(1, 0.5, 0.5, rows=rows)) for rows in (90, 700, 480, 230, 250)
    ]
    assert found(*results) == ["e250", "e230", "e480"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gemini-3.1-flash-lite", "gemini-3"),
        ("gemini-2.5-pro", "gemini-2"),
        ("smollm2-135m", "smollm2"),
        ("mine", "mine"),
    ],
)
def test_families(name: str, expected: str) -> None:
    assert family(name) == expected


# --- profiles and words ---------------------------------------------------------------------


def test_a_profile_is_the_data_in_numbers() -> None:
    counted = profile_of([(n, n) for n in range(1, 101)], [()] * 100, 100)
    assert (counted.rows, counted.mean_tokens, counted.max_tokens) == (100, 50.5, 100)
    assert counted.p95_tokens == pytest.approx(95, abs=0.1)
    assert counted.least_mean == counted.most_mean == 50.5
    estimated = profile_of([(10, 30), (20, 40)], [{"image"}, ()], 2)
    assert (estimated.least_mean, estimated.mean_tokens, estimated.most_mean) == (15, 25, 35)
    assert estimated.modality == "text"
    assert estimated.media == {"image": 1}


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        ([{"image"}, {"image"}, ()], "image"),
        ([{"audio"}, {"image"}, {"audio"}], "audio"),
        ([{"image", "document"}], "image"),
        ([{"video"}], "video"),
    ],
)
def test_the_modality_is_what_most_rows_hold(media: list[set[str]], expected: str) -> None:
    assert profile_of([(1, 1)] * len(media), media, len(media)).modality == expected


def test_media_are_known_by_their_mime_type() -> None:
    parts = tuple(
        {"fileData": {"mimeType": kind, "fileUri": "u"}}
        for kind in ("image/png", "application/pdf")
    )
    row = Example("x", (Turn("user", "t", ({"text": "t"}, *parts)),), "a", Origin("f", 1))
    assert media_of(row) == {"image", "document"}


def test_the_task_is_what_the_suite_measures() -> None:
    def task(*kinds: str) -> str:
        return task_of({"metrics": [{"kind": kind} for kind in kinds]})

    assert task("exact_match", "json_fields") == "extraction"
    assert task("classification", "exact_match") == "classification"
    assert task("exact_match") == task() == "other"


def test_one_rule_is_told_once_for_all_arms() -> None:
    few = DataProfile(1, 90, 100, 120, 70, 110, "image", {"image": 1}, "generation")
    more = DataProfile(20, 90, 90, 90, 90, 90, "text", {}, "other")
    rule = Recommendation("r", None, 2.5, 4, 9, "m with d", "because", "a page", "2026-11-22", "n")
    other = Recommendation("c", 11, 3.46, 4, None, "m", "w", "s", "2025-08-01")
    setting = EarlierSetting("e", "2026-11-01", "m", 30, None, 1.5, 8, "f1", 0.123, "test", 2, 3)
    one = Advised(few, rule, {"epochs": None}, beside=(other,), looked_at=2)
    third = Advised(few, rule, {"adapter_size": 4}, beside=(other,), looked_at=2)
    two = Advised(more, rule, {"epochs": 5}, "capped", (other,), (setting,), 2)
    told = shared_advice([("a", one), ("x", None), ("b", one), ("d", third), ("c", two)])
    assert [list(shared.lines()) for shared in told] == [
        [
            "recommended by the rule r: epochs left to the service, learning_rate_multiplier 2.5, "
            "adapter_size 4 (at most 9 epochs)",
            "  it fires for m with d",
            "  why: because",
            "  note: n",
            "  source: a page; 2026-11-22",
            "  beside it, c: epochs 11, learning_rate_multiplier 3.46, adapter_size 4",
            "  1 training row, 90 tokens a row (95 % have at most 100, the longest 120, "
            "estimated: 70 to 110), image, image in 1, task generation",
            "    a, b: epochs left to the service",
            "    d: adapter_size 4",
            "    on like data: none among 2 earlier experiments in the ledger",
            "  20 training rows, 90 tokens a row (95 % have at most 90, the longest 90), text, "
            "task other",
            "    c: epochs 5; capped",
            "    on like data: e (2026-11-01), 30 rows, m: epochs left to the service, "
            "learning_rate_multiplier 1.5, adapter_size 8, epoch 2 chosen: f1 0.123 on test, best "
            "of 3 tuned arms",
        ]
    ]
