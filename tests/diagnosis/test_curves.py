"""Curves with a known illness: what is found, where, and what is left unsaid."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from runner.config import Diagnosis
from runner.diagnosis.curves import diagnose_curves
from runner.diagnosis.outcome import Clear, Unseen
from runner.diagnosis.series import falling, series
from runner.diagnosis.tuned import Scored, Tuned
from runner.records.findings import Finding
from tests.diagnosis.judging import first_of
from tests.diagnosis.scripted import Script, exponential, tuned_by, turning

LIMITS = Diagnosis()
HEALTHY = exponential(2.0, 0.5, 6)


def curves(*values: float, every: int = 10) -> list[tuple[float, float, int]]:
    return [(every * at, value, at) for at, value in enumerate(values)]


def healthy(**changed: object) -> Tuned:
    script = Script(HEALTHY, lambda t: HEALTHY(t) + 0.05, (), at_start=True)
    return replace(tuned_by(script, 1), **changed)  # type: ignore[arg-type]


def found(tuned: Tuned, name: str, limits: Diagnosis = LIMITS) -> Finding:
    outcome = diagnose_curves(tuned, limits)[name]
    assert isinstance(outcome, Finding), outcome
    return outcome


def test_a_restarted_job_counts_what_it_recorded_last() -> None:
    """It went on to step 30, was started again at 20, and ended at 30."""
    again = [(10, 1.0, 1), (20, 0.8, 2), (30, 0.7, 3), (20, 0.9, 4), (30, 0.6, 5)]
    assert series(again).values == (1.0, 0.9, 0.6)
    assert series(again[:4]).steps == (10, 20)


def test_points_without_times_go_by_their_steps() -> None:
    points = [(30, 0.5, 0), (10, 1.0, 0), (20, 0.7, 0), (20, 0.6, 0)]
    assert series(points).values == (1.0, 0.6, 0.5)


def test_values_that_are_no_numbers_are_kept_apart() -> None:
    curve = series([(1, 1.0, 1), (2, math.nan, 2), (3, math.inf, 3)])
    assert (curve.values, curve.undefined) == ((1.0,), (2, 3))


def test_noise_is_that_of_the_points_not_of_the_shape() -> None:
    draw = random.Random(3)
    points = [(s, 2.0 * math.exp(-s / 60) + draw.gauss(0, 0.05), s) for s in range(1, 201)]
    assert series(points).noise() == pytest.approx(0.05, rel=0.2)
    assert series(points[:7]).noise() is None


def test_a_trend_is_told_from_noise() -> None:
    draw = random.Random(5)
    noise = [draw.gauss(1, 0.1) for _ in range(200)]
    assert abs(falling(noise)) < 2
    assert falling([value - at / 1000 for at, value in enumerate(noise)]) < -3
    assert falling([3.0, 2.0, 1.0]) == 0.0


def test_a_healthy_run_has_no_finding() -> None:
    outcomes = diagnose_curves(healthy(), LIMITS)
    assert not [each for each in outcomes.values() if isinstance(each, Finding)]
    assert outcomes["validation_small"] == Unseen("no validation row was scored")


def test_many_epochs_are_no_overfitting() -> None:
    assert (
        diagnose_curves(healthy(epochs=100, steps_an_epoch=3.0), LIMITS)["overfitting"] == Clear()
    )


def test_overfitting_says_where_how_much_and_what_to_type() -> None:
    script = Script(
        exponential(2.0, 0.05, 6),
        turning(2.0, 0.6, 0.4, 1.0),
        ("overfitting",),
        at_start=True,
        epochs=10,
    )
    finding = found(tuned_by(script, 2), "overfitting")
    step = finding.numbers["step"]
    assert 80 <= step <= 160  # of 300, where the curve turns at 0.4
    assert finding.override == f"tuning.epochs={round(step / 30)}"
    assert finding.severity == "severe"
    assert finding.numbers["rise"] > 0.5
    assert finding.marks[0].step == step
    assert f"step {step:g}" in finding.evidence
    assert finding.confidence > 0.8


def test_overfitting_is_surer_with_more_to_go_by() -> None:
    train = series(curves(2.0, 1.2, 0.8, 0.4, 0.2, 0.1))
    one = Tuned(train, series(curves(2.0, 1.2, 0.9, 0.8, 0.7, 0.8)))
    more = Tuned(train, series(curves(2.0, 1.2, 0.7, 0.8, 0.95, 1.1)))
    assert found(one, "overfitting").confidence < found(more, "overfitting").confidence


def test_a_loss_that_rises_while_the_metric_rises_is_a_note() -> None:
    """Loss alone misleads: the model is surer of its mistakes, and makes fewer of them."""
    train = series(curves(2.0, 1.2, 0.8, 0.4, 0.2, 0.1))
    rising = tuple(Scored(10 * at, at, 0.2 * at - 0.1, 0.03, 80) for at in range(1, 6))
    falls = tuple(Scored(10 * at, at, 0.9 - 0.15 * at, 0.03, 80) for at in range(1, 6))
    validation = series(curves(2.0, 1.2, 0.7, 0.8, 0.95, 1.1))
    note = found(Tuned(train, validation, scored=rising), "overfitting")
    assert note.severity == "note"
    assert not note.override
    assert found(Tuned(train, validation, scored=falls), "overfitting").severity == "severe"


def test_a_flat_loss_with_a_rising_metric_ended_too_early() -> None:
    """As measured: from the second to the third epoch exact match went from 0.52 to 0.88."""
    validation = series([(0, 1.5, 0), (30, 0.06, 1), (60, 0.042, 2), (90, 0.021, 3)])
    train = series((step, max(0.02, 1.5 * math.exp(-step / 8)), step) for step in range(1, 91))
    scored = (
        Scored(30, 1.0, 0.31, 0.06, 60),
        Scored(60, 2.0, 0.52, 0.064, 60),
        Scored(90, 3.0, 0.88, 0.042, 60),
    )
    tuned = Tuned(train, validation, scored=scored, metric="exact_match", epochs=3)
    finding = found(tuned, "suboptimal")
    assert (
        "exact_match on validation is still rising by checkpoint: 0.31, 0.52, 0.88"
        in finding.evidence
    )
    assert finding.override == "tuning.epochs=6"
    assert diagnose_curves(replace(tuned, scored=()), LIMITS)["suboptimal"] == Clear()


def test_without_validation_the_training_loss_tells_and_overfitting_is_not_looked_at() -> None:
    late = exponential(2.0, 0.2, 1.0)
    tuned = tuned_by(Script(late, None, ("suboptimal",)), 4)
    assert "training loss" in found(tuned, "suboptimal").evidence
    outcome = diagnose_curves(tuned, LIMITS)["overfitting"]
    assert isinstance(outcome, Unseen)
    assert "no validation loss" in outcome.why


@pytest.mark.parametrize(("first", "severity"), [(11.0, "severe"), (6.0, "warning")])
def test_a_high_first_loss_is_a_data_issue(first: float, severity: str) -> None:
    tuned = tuned_by(Script(exponential(first, 1.0, 6), None, ()), 5)
    finding = found(tuned, "data_issue")
    assert finding.severity == severity
    assert finding.marks[0].step == 1


def test_a_random_model_begins_high_and_that_is_no_data_issue() -> None:
    tuned = replace(tuned_by(Script(exponential(11.0, 1.0, 6), None, ()), 5), untrained=True)
    outcome = diagnose_curves(tuned, LIMITS)["data_issue"]
    assert isinstance(outcome, Unseen)
    assert "random weights" in outcome.why


def test_a_first_loss_twice_the_other_splits_is_one_too() -> None:
    script = Script(exponential(4.0, 1.0, 6), exponential(1.5, 0.9, 6), (), at_start=True)
    assert "validation begins at 1.5" in found(tuned_by(script, 6), "data_issue").evidence


def test_a_loss_that_is_no_number_is_a_divergence() -> None:
    tuned = healthy(train=series([(1, 1.0, 1), (2, math.nan, 2)]))
    finding = found(tuned, "divergence")
    assert "from step 2" in finding.evidence
    assert finding.severity == "severe"
    stopped = healthy(train=series([]), error="the training loss became nan or infinite at step 7")
    assert "at step 7" in found(stopped, "divergence").evidence


def test_the_override_goes_from_the_rate_that_was_set() -> None:
    spiky = tuned_by(Script(HEALTHY, None, (), spikes=0.15, multiplier=4.0), 7)
    assert found(spiky, "learning_rate_high").override == "tuning.learning_rate_multiplier=2"
    slow = Script(lambda t: 1.5 * (1 - 0.05 * t), None, (), noise=0.01, multiplier=0.01)
    low = found(tuned_by(slow, 8), "learning_rate_low")
    assert low.override == "tuning.learning_rate_multiplier=1"
    assert "multiplier 0.01" in low.evidence


def test_one_cause_is_said_once() -> None:
    slow = Script(lambda t: 1.5 * (1 - 0.05 * t), lambda t: 1.5 * (1 - 0.05 * t), (), noise=0.01)
    outcomes = diagnose_curves(tuned_by(slow, 8), LIMITS)
    explained = Clear("what there is to see is explained by learning_rate_low")
    assert outcomes["suboptimal"] == outcomes["plateau"] == explained


def test_a_check_that_is_switched_off_is_not_looked_at() -> None:
    off = Diagnosis.model_validate({"overfitting": {"look": False}})
    outcome = diagnose_curves(healthy(), off)["overfitting"]
    assert outcome == Unseen("switched off by diagnosis.overfitting.look")


def test_nothing_recorded_is_nothing_found() -> None:
    empty = series([])
    outcomes = diagnose_curves(Tuned(empty), LIMITS)
    assert all(isinstance(each, Unseen) for each in outcomes.values()), outcomes


def test_first_of_ranks_by_severity() -> None:
    assert first_of(diagnose_curves(healthy(), LIMITS)) == ""


def straight(*values: float, steps: tuple[int, ...] = ()) -> list[tuple[float, float, int]]:
    places = steps or tuple(range(1, len(values) + 1))
    return [(step, value, step) for step, value in zip(places, values, strict=True)]


MEASURED = {
    # SmolLM2 135M on two CPU cores, November 2026: 24 synopses, 10 epochs at a constant rate.
    "overfitting": Tuned(
        series((s, 3.5 * math.exp(-s / 4) + 0.005, s) for s in range(1, 31)),
        series(straight(3.68, 2.56, 3.38, 4.11, 4.04, 3.92, steps=(0, 6, 12, 18, 24, 30))),
        steps_an_epoch=3,
    ),
    # 96 mails, one epoch: at a 150th of the recommended rate, and at seven times it.
    "learning_rate_low": Tuned(
        series(straight(1.4, 1.5, 1.45, 1.6, 1.38, 1.52, 1.44, 1.47, 1.5, 1.39, 1.41, 1.56)),
        series(straight(1.511, 1.453, steps=(0, 12))),
        multiplier=0.0067,
    ),
    "learning_rate_high": Tuned(
        series(straight(1.4, 1.6, 1.2, 4.7, 2.5, 2.5, 3.5, 2.0, 1.5, 1.1, 0.95, 0.84)),
        series(straight(1.51, 0.518, steps=(0, 12))),
        multiplier=7,
    ),
    # 30 random tokens as target.
    "data_issue": Tuned(series(straight(13.25, 13.0, 12.5, 12.0, 11.5, 11.1))),
    # 240 mails, three epochs.
    "": Tuned(
        series((s, 1.5 * math.exp(-s / 8) + 0.03, s) for s in range(1, 91)),
        series(straight(1.5, 0.053, 0.012, 0.011, steps=(0, 30, 60, 90))),
        steps_an_epoch=30,
    ),
}


@pytest.mark.parametrize("name", MEASURED, ids=lambda name: name or "healthy")
def test_what_was_measured_with_the_default_model(name: str) -> None:
    """Few points each; the training losses between the recorded ones are drawn."""
    assert first_of(diagnose_curves(MEASURED[name], LIMITS)) == name
