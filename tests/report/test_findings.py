"""The report's first section under the verdict: what was found, and what was not looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.config import Diagnosis
from runner.experiment.findings import find_all
from runner.records.experiments import ExperimentResult
from runner.report import write_report
from tests.report.tree import Element, read

LOOSE = Diagnosis.model_validate({"overfitting": {"rise": 0.01, "rise_alone": 0.01}})
"""So that the made-up curves have something to show."""


@pytest.fixture(scope="module")
def section(result: ExperimentResult, tmp_path_factory: pytest.TempPathFactory) -> Element:
    told = result.model_copy(update={"findings": find_all(result, LOOSE)})
    out = tmp_path_factory.mktemp("found") / "report.html"
    write_report(told, out)
    return next(
        each
        for each in read(out).all("section")
        if each.attributes.get("aria-labelledby") == "findings"
    )


def test_the_arm_to_be_shipped_has_its_findings_in_front(
    section: Element, result: ExperimentResult
) -> None:
    found = find_all(result, LOOSE)
    own = [each for each in found.found if each.arm == found.focus]
    cards = [each for each in section.children if each.name == "article"]
    assert len(cards) == len(own) > 0
    for card, finding in zip(cards, own, strict=True):
        assert finding.title in card.text
        assert finding.evidence in card.text
        assert finding.cause in card.text
        assert f"confidence {100 * finding.confidence:.0f} %" in card.text
        if finding.override:
            assert f"sft run experiments/quickstart.yaml {finding.override}" in card.text


def test_a_finding_in_a_curve_shows_it_with_the_point_marked(section: Element) -> None:
    pictured = [each for each in section.all("article") if next(each.all("svg"), None)]
    assert pictured
    labels = [svg.attributes.get("aria-label") or "" for svg in pictured[0].all("svg")]
    assert any("at step" in label for label in labels)
    rings = [dot for dot in pictured[0].all("circle") if "ring" in (dot.attributes["class"] or "")]
    assert rings


def test_what_was_not_looked_at_is_listed_with_its_reason(section: Element) -> None:
    assert "prompts_differ: there is no sample of production prompts; see skew" in section.text
    assert "cost_high: nothing has a price here" in section.text


def test_an_arm_that_failed_of_its_rate_is_diagnosed(result: ExperimentResult) -> None:
    found = find_all(result, Diagnosis())
    (diverged,) = [each for each in found.found if each.id == "divergence"]
    assert "the loss became nan at step 7" in diverged.evidence


def test_a_result_without_findings_says_so(result: ExperimentResult, tmp_path: Path) -> None:
    write_report(result, tmp_path / "report.html")
    assert "Not diagnosed yet" in read(tmp_path / "report.html").text


def test_an_experiment_without_tuned_arms(result: ExperimentResult, tmp_path: Path) -> None:
    untuned = [arm for arm in result.arms if arm.kind != "tuned"]
    alone = result.model_copy(update={"arms": untuned, "verdict": None})
    told = alone.model_copy(update={"findings": find_all(alone, Diagnosis())})
    write_report(told, tmp_path / "report.html")
    assert "nothing to diagnose" in read(tmp_path / "report.html").text
