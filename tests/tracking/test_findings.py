"""Findings in MLflow: a tag on each tuned run and on the parent, and the whole list there."""

from __future__ import annotations

import json
from pathlib import Path

from runner.config import Diagnosis
from runner.experiment.findings import find_all
from runner.tracking.arm_run import findings_tag
from runner.tracking.facts import RunIds
from runner.tracking.sweep_run import sweep_run
from tests.tracking.sample import experiment

PLACES = RunIds("1", "p", {})


def test_runs_have_a_tag_and_the_parent_the_list(tmp_path: Path) -> None:
    plain = experiment(tmp_path)
    assert not findings_tag(plain, plain.arms[-1].digest)
    assert "findings.json" not in sweep_run(plain, None, {}, PLACES).texts

    found = find_all(plain, Diagnosis())
    told = plain.model_copy(update={"findings": found})
    for arm in told.arms:
        tag = findings_tag(told, arm.digest).get("findings", "")
        named = [f"{each.id} ({each.severity})" for each in found.found if each.arm == arm.digest]
        assert bool(tag) == (arm.kind == "tuned")
        assert all(each in tag for each in named)
        assert "not looked at" in tag or arm.kind != "tuned"
    parent = sweep_run(told, None, {}, PLACES)
    assert parent.tags["findings"] == findings_tag(told, found.focus)["findings"]
    assert json.loads(parent.texts["findings.json"])["focus"] == found.focus
    own = [each for each in found.found if each.arm == found.focus]
    assert own
    assert own[0].title in parent.tags["mlflow.note.content"]
