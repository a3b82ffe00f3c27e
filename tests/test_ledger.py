"""What the ledger keeps over kills."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import SftError
from runner.ledger import Ledger
from runner.records import Resource
from runner.results import ArmResult, ExperimentResult, Score, Scores

NAN = float("nan")


def experiment() -> ExperimentResult:
    arms = [ArmResult(digest=f"d{n}", name=f"arm {n}", kind="tuned") for n in range(3)]
    return ExperimentResult(name="x", digest="e1", file="/x.yaml", arms=arms, started_ms=5)


def test_arms_done_stay_done_and_others_start_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    first = ledger.begin(experiment())
    ledger.put_arm("e1", first.arms[0].model_copy(update={"status": "done"}))
    ledger.put_arm("e1", first.arms[1].model_copy(update={"status": "running"}))
    ledger.put_arm("e1", first.arms[2].model_copy(update={"status": "failed", "error": "no"}))
    again = Ledger(tmp_path).begin(experiment())
    assert [arm.status for arm in again.arms] == ["done", "pending", "pending"]


def test_scores_that_are_nan_come_back(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    known = ledger.begin(experiment())
    score = Score(value=NAN, low=NAN, high=float("inf"), n=0)
    test = Scores(split="test", rows=0, overall={"exact_match": score})
    ledger.put_arm("e1", known.arms[0].model_copy(update={"test": test}))
    found = ledger.experiment("e1")
    assert found
    assert found.arms[0].test
    back = found.arms[0].test.overall["exact_match"]
    assert back.value != back.value
    assert back.high == float("inf")


def test_jobs_are_intended_before_they_end(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.intend_job("label", "smol", 1000)
    assert [job.state for job in ledger.jobs()] == ["intended"]
    ledger.end_job("label", "succeeded", 12.5)
    assert [(job.state, job.tokens, job.seconds) for job in ledger.jobs()] == [
        ("succeeded", 1000, 12.5)
    ]


def test_experiments_come_newest_first(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.begin(experiment())
    ledger.begin(experiment().model_copy(update={"digest": "e2", "started_ms": 9}))
    assert [found.digest for found in ledger.experiments("x")] == ["e2", "e1"]
    assert ledger.experiments("y") == []
    assert ledger.experiment("e3") is None


def test_what_was_synced_is_remembered(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.begin(experiment())
    assert ledger.synced("e1") == ""
    ledger.mark_synced("e1", "there")
    assert Ledger(tmp_path).synced("e1") == "there"


def test_a_damaged_ledger_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is no database, it is a text of some length" * 30)
    with pytest.raises(SftError, match="move it away"):
        Ledger(tmp_path)


def test_a_new_question_reaches_a_known_experiment(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    first = ledger.begin(experiment())
    for arm in first.arms:
        ledger.put_arm("e1", arm.model_copy(update={"status": "done"}))
    ledger.finish(first.model_copy(update={"ended_ms": 50}))
    moved = experiment().model_copy(update={"question": "why?", "file": "/y.yaml"})
    again = ledger.begin(moved)
    assert (again.question, again.file, again.ended_ms) == ("why?", "/y.yaml", 50)


def test_an_experiment_with_arms_to_do_is_not_finished(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    first = ledger.begin(experiment())
    ledger.finish(first.model_copy(update={"ended_ms": 50}))
    assert ledger.begin(experiment()).ended_ms == 0


def test_resources_are_recorded_once_and_shared_ones_are_known(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    data, model = Resource("object", "gs://b/data.jsonl"), Resource("model", "projects/p/models/1")
    ledger.add_resources("job1", [data, model])
    ledger.add_resources("job1", [data, model])
    ledger.add_resources("job2", [data])
    assert [(item.kind, item.name) for item in ledger.resources(["job1"])] == [
        ("object", data.name),
        ("model", model.name),
    ]
    assert ledger.sharers(data.name) == ["job1", "job2"]
    ledger.mark_deleted(data.name)
    assert ledger.sharers(data.name) == []
    gone = {item.name: bool(item.deleted_ms) for item in Ledger(tmp_path).resources(["job1"])}
    assert gone == {data.name: True, model.name: False}
    ledger.add_resources("job1", [data])
    assert ledger.sharers(data.name) == [], "what was deleted does not come back by itself"
    ledger.add_resources("job1", [data], anew=True)
    assert ledger.sharers(data.name) == ["job1"], "uploaded again"
