"""Findings beyond curves: each is found where it is, not where it is not, and unseen where nobody
could look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from runner.config import Diagnosis
from runner.diagnosis.compared import Compared, TrainRows
from runner.diagnosis.cross_checks import CROSS_CHECKS, cross_check
from runner.diagnosis.diagnose import IDS, Patient, diagnose
from runner.diagnosis.outcome import Clear, Unseen
from runner.records import SHARE, ScoredRow
from runner.records.findings import Finding, Findings
from runner.records.results import ArmResult, Difference, Score, Scores
from tests.diagnosis.scripted import Script, exponential, tuned_by

LIMITS = Diagnosis()
LABELS = ("refund", "delivery", "defect", "billing")


def score(value: float, n: int = 100, error: float = 0.04) -> Score:
    return Score(value=value, low=value - 1.96 * error, high=value + 1.96 * error, n=n, scale=SHARE)


def scores(value: float, split: str = "test", n: int = 100, **more: Any) -> Scores:
    return Scores(split=split, rows=n, overall={"exact_match": score(value, n)}, **more)


def arm(test: Scores | None, validation: Scores | None = None, **more: Any) -> ArmResult:
    made = {"digest": "t", "name": "tuned", "kind": "tuned", "status": "done", **more}
    return ArmResult(test=test, validation=validation, **made)


def rows(right: Sequence[bool], **texts: str) -> list[ScoredRow]:
    """Rows with the targets in turn; `texts` has answers by row id."""
    made = []
    for at, good in enumerate(right):
        target = LABELS[at % len(LABELS)]
        text = texts.get(f"r{at}", target if good else LABELS[(at + 1) % len(LABELS)])
        made.append(
            ScoredRow(
                f"r{at}",
                "?",
                target,
                text=text,
                extracted=text,
                slices={"kind": "odd" if at % 2 else "even"},
                scores={"exact_match": float(good)},
            )
        )
    return made


def difference(value: float, low: float, high: float, clear: bool = True) -> Difference:
    ours = {"arm": "t", "against": "b", "metric": "exact_match", "p": 0.001, "p_holm": 0.001}
    ends = {"value": value, "low": low, "high": high, "n": 100, "discordant": 50}
    return Difference(**ours, **ends, clear=clear, scale=SHARE)  # type: ignore[arg-type]


def compared(**changed: Any) -> Compared:
    """A healthy arm: 0.8 against 0.3, four labels."""
    right = [at % 5 != 0 for at in range(100)]
    base = Compared(
        arm=arm(scores(0.8), scores(0.82, "validation")),
        primary="exact_match",
        bar=ArmResult(digest="b", name="3-shot", kind="few_shot", status="done", test=scores(0.3)),
        difference=difference(0.5, 0.4, 0.6),
        rows=rows(right),
        bar_rows=rows([at % 10 < 3 and at % 5 != 0 for at in range(100)]),
        train=TrainRows(frozenset({"other"}), 200, 0, dict.fromkeys(LABELS, 50)),
        test_prompts={f"r{at}": f"p{at}" for at in range(100)},
        skew=(),
        first_loss=1.5,
        usd=20.0,
    )
    return replace(base, **changed)


def found(name: str, **changed: Any) -> Finding:
    outcome = cross_check(compared(**changed), LIMITS)[name]
    assert isinstance(outcome, Finding), outcome
    return outcome


def test_a_healthy_arm_has_no_finding() -> None:
    outcomes = cross_check(compared(), LIMITS)
    assert {name for name, each in outcomes.items() if isinstance(each, Finding)} == set()
    unseen = {name for name, each in outcomes.items() if isinstance(each, Unseen)}
    assert unseen == {"slice_lags", "metrics_disagree"}


def test_a_gain_below_what_matters() -> None:
    small = difference(0.015, 0.01, 0.019)
    assert "+0.015 [+0.010, +0.019]" in found("small_gain", difference=small).evidence
    assert found("small_gain", margin=0.6).numbers["least"] == 0.6
    lucky = replace(compared(), difference=difference(0.015, -0.01, 0.04, clear=False))
    assert cross_check(lucky, LIMITS)["small_gain"] == Clear()


def test_validation_that_does_not_stand_for_test() -> None:
    apart = arm(scores(0.5), scores(0.95, "validation", 20))
    finding = found("validation_unlike_test", arm=apart)
    assert "0.950 on 20 validation rows and 0.500 on 100 test rows" in finding.evidence
    assert "luck" in finding.cause


def test_a_slice_that_lags_and_one_that_lost() -> None:
    slices = {
        "kind=even": {"exact_match": score(0.95, 50, 0.03)},
        "kind=odd": {"exact_match": score(0.4, 50, 0.05)},
    }
    right = [not at % 2 for at in range(100)]
    lags = found("slice_lags", arm=arm(scores(0.8, slices=slices)), rows=rows(right))
    assert lags.title == "kind=odd lags behind"
    assert "0.400 against 1.000 elsewhere (50 rows)" in lags.evidence
    assert lags.rows[:2] == ["r1", "r3"]
    before = ArmResult(
        digest="b",
        name="3-shot",
        kind="few_shot",
        status="done",
        test=scores(0.5, slices={"kind=odd": {"exact_match": score(0.8, 50, 0.05)}}),
    )
    lost = found("slice_lags", arm=arm(scores(0.8, slices=slices)), bar=before)
    assert lost.severity == "severe"
    assert "0.800 untuned, 0.400 tuned" in lost.evidence


def test_one_answer_to_everything() -> None:
    same = rows([True] * 100, **{f"r{at}": "refund" for at in range(97)})
    finding = found("one_class", rows=same)
    assert "'refund'" in finding.evidence
    assert finding.numbers["targets"] == 0.25
    one_label = [replace(row, target="refund") for row in same]
    assert cross_check(compared(rows=one_label), LIMITS)["one_class"] == Clear()


def test_rows_that_were_right_before() -> None:
    was = rows([at < 40 for at in range(100)])
    now = rows([at >= 10 for at in range(100)])
    finding = found("regressions", rows=now, bar_rows=was)
    assert "10 of 40 rows (25 %)" in finding.evidence
    assert finding.rows == [f"r{at}" for at in range(8)]
    none = cross_check(compared(bar_rows=rows([False] * 100)), LIMITS)["regressions"]
    assert none == Unseen("the untuned arm got no row fully right, so none could be lost")


def test_answers_of_another_length_or_form() -> None:
    long = rows([False] * 100, **{f"r{at}": "well, let me see\nrefund" for at in range(100)})
    finding = found("length_drift", rows=long)
    assert "100 % of the answers are of another form" in finding.evidence
    assert finding.numbers["length"] > 2 * finding.numbers["target"]


def test_answers_that_are_cut_or_loop() -> None:
    config = {"suite": {"generation": {"max_tokens": 48}}}
    cut = arm(scores(0.5, unanswered={"cut": 12, "empty": 1}), config=config)
    finding = found("answers_cut", arm=cut)
    assert finding.override == "suite.generation.max_tokens=96"
    assert finding.numbers["share"] == 0.12
    loops = arm(scores(0.5, unanswered={"looping": 30}))
    assert found("answers_cut", arm=loops).title == "Answers go round in circles"


def test_test_rows_in_the_training_rows() -> None:
    train = TrainRows(frozenset({"p3", "p4", *map(str, range(9))}), 200, 0, {})
    finding = found("leak_suspicious", train=train)
    assert finding.rows == ["r3", "r4"]
    assert "2 test prompts (2.0 %)" in finding.evidence
    ahead = arm(scores(0.9), scores(0.5, "validation"))
    assert "better than validation" in found("leak_suspicious", arm=ahead).evidence


def test_labels_that_are_rare() -> None:
    train = TrainRows(frozenset(), 200, 0, {**dict.fromkeys(LABELS[:3], 64), "billing": 8})
    wrong = rows([at % 4 != 3 for at in range(100)])
    finding = found("rare_labels", train=train, rows=wrong)
    assert "'billing' 8" in finding.evidence
    assert finding.severity == "warning"
    texts = TrainRows(frozenset(), 200, 0, {str(at): 1 for at in range(200)})
    assert isinstance(cross_check(compared(train=texts), LIMITS)["rare_labels"], Unseen)


def test_metrics_that_disagree() -> None:
    def both(first: float, second: float) -> Scores:
        overall = {"exact_match": score(first), "rougeL": score(second, error=0.02)}
        return Scores(split="test", rows=100, overall=overall)

    bar = ArmResult(digest="b", name="b", kind="few_shot", status="done", test=both(0.3, 0.7))
    finding = found("metrics_disagree", arm=arm(both(0.8, 0.4)), bar=bar)
    assert "rougeL went from 0.7 to 0.4" in finding.evidence


def test_what_production_sends_and_what_it_costs() -> None:
    assert "longer" in found("prompts_differ", skew=("prompts are longer",)).evidence
    assert (
        "900.00 US dollars"
        in found("cost_high", usd=900.0, difference=difference(0.02, 0, 0.1)).evidence
    )
    unseen = cross_check(compared(skew=None, usd=None), LIMITS)
    assert unseen["prompts_differ"] == Unseen("there is no sample of production prompts; see skew")
    assert unseen["cost_high"] == Unseen("nothing has a price here")


def test_a_base_model_that_knows_it() -> None:
    bar = ArmResult(digest="b", name="b", kind="zero_shot", status="done", test=scores(0.97))
    assert "0.970" in found("base_knows", bar=bar).evidence
    assert "0.05" in found("base_knows", first_loss=0.05).evidence


def test_repeated_rows_are_counted() -> None:
    train = TrainRows(frozenset(), 100, 60, {})
    counted = found("memorised_duplicates", train=train)
    assert "60 of 100 tuned rows (60 %)" in counted.evidence


@pytest.mark.parametrize("name", CROSS_CHECKS)
def test_what_is_gone_is_not_looked_at(name: str) -> None:
    """No check says 'not found' about an arm that has nothing to look at."""
    nothing = Compared(arm=arm(None), primary="exact_match")
    assert isinstance(cross_check(nothing, LIMITS)[name], Unseen)


def test_every_finding_has_thresholds_of_its_name() -> None:
    assert set(IDS) == set(Diagnosis.model_fields) - {"refuse"}
    for name in IDS:
        off = Diagnosis.model_validate({name: {"look": False}})
        (check,) = [c for c in _diagnosed(off).checks if c.id == name]
        assert check.why == f"switched off by diagnosis.{name}.look"


def _diagnosed(limits: Diagnosis) -> Findings:
    shape = exponential(2.0, 0.5, 6)
    tuned = tuned_by(Script(shape, shape, ()), 1)
    return diagnose([Patient("t", "tuned", tuned, compared())], "t", limits)


def test_the_arm_to_be_shipped_comes_first() -> None:
    """However severe what other arms have."""
    sick = compared(usd=5000.0)
    worse = compared(rows=rows([True] * 100, **{f"r{at}": "refund" for at in range(100)}))
    patients = [Patient("w", "worse", None, worse), Patient("s", "shipped", None, sick)]
    findings = diagnose(patients, "s", LIMITS)
    first, second = findings.found[:2]
    assert (first.id, first.arm_name) == ("cost_high", "shipped")
    assert second.severity == "severe"
    assert len(findings.checks) == 2 * len(IDS)


def test_an_arm_that_did_not_end_is_not_looked_at() -> None:
    findings = diagnose([Patient("x", "late", status="pending")], "x", LIMITS)
    assert {check.why for check in findings.checks} == {"the arm is pending"}
    assert set(findings.unseen) == set(IDS)
