"""What a synced store holds."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.base.digests import digest_of
from runner.config import MlflowTracking, NoTracking
from runner.records import CurvePoint
from runner.records.experiments import ExperimentResult
from runner.records.results import Score
from runner.tracking import TrackingLinks, open_tracker, tracking_uri
from tests.tracking import sample
from tests.tracking.conftest import artifacts, client, history, runs, snapshot, sync, tracker

PARENT = "triage 2026-11-18"
BEST = "240 rows · lr 1"
ARMS = {"zero-shot", "3-shot", "80 rows · lr 1", BEST, "240 rows · lr 1.5"}


def test_one_parent_and_a_child_for_each_arm(home: Path, result: ExperimentResult) -> None:
    links = sync(home, result)

    found = runs(home)
    assert set(found) == {PARENT, *ARMS}
    parent = found[PARENT]
    assert links.complete
    assert links.parent_run_id == parent.info.run_id
    assert parent.data.tags["run.kind"] == "sweep"
    for name in ARMS:
        tags = found[name].data.tags
        assert tags["mlflow.parentRunId"] == parent.info.run_id
        assert tags["sweep.id"] == result.digest
        assert tags["run.kind"] == ("baseline" if "shot" in name else "tuning")
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    assert found[BEST].info.end_time == result.arms[3].ended_ms


def test_the_parent_alone_tells_the_story(
    home: Path, result: ExperimentResult, report: Path
) -> None:
    sync(home, result, report)

    parent = runs(home)[PARENT]
    best = result.arm(result.verdict.winner if result.verdict else "")
    assert best.test is not None
    assert parent.data.metrics["best/exact_match"] == pytest.approx(
        best.test.overall["exact_match"].value, rel=1e-5
    )
    assert parent.data.metrics["arms/done"] == 5
    assert parent.data.metrics["arms/failed"] == 0
    assert parent.data.metrics["best/gain"] > 0
    note = parent.data.tags["mlflow.note.content"]
    assert result.verdict is not None
    assert result.verdict.headline in note
    assert result.command in note
    for name, run in runs(home).items():
        if name != PARENT:
            assert f"[{name}](#/experiments/1/runs/{run.info.run_id}" in note
    assert artifacts(home, parent) == {"report.html", "leaderboard.json"}


def test_curves_keep_vertex_words_steps_and_times(home: Path, result: ExperimentResult) -> None:
    sync(home, result)

    arm = result.arms[3]
    assert arm.tuning is not None
    points = history(home, runs(home)[BEST])
    words = {
        "train/total_loss": "train_total_loss",
        "train/fraction_of_correct_next_step_preds": "train_fraction_of_correct_next_step_preds",
        "validation/total_loss": "eval_total_loss",
    }
    for ours, vertex in words.items():
        expected = [(p.step, p.time_ms, p.value) for p in arm.tuning.curves if p.name == vertex]
        assert points[ours] == sorted(expected)
    scores = [(c.step, c.validation.overall["exact_match"].value) for c in arm.checkpoints]
    assert [(step, value) for step, _, value in points["validation/exact_match"]] == [
        (step, pytest.approx(value, rel=1e-5)) for step, value in scores
    ]


def test_test_scores_gain_and_cost_are_single_values(home: Path, result: ExperimentResult) -> None:
    sync(home, result)

    arm = result.arms[3]
    assert arm.test is not None
    assert arm.tuning is not None
    metrics = runs(home)[BEST].data.metrics
    score = arm.test.overall["exact_match"]
    for suffix, value in (("", score.value), ("_low", score.low), ("_high", score.high)):
        assert metrics[f"test/exact_match{suffix}"] == pytest.approx(value, rel=1e-5)
    assert metrics["gain/exact_match"] == pytest.approx(result.differences[1].value, rel=1e-5)
    assert metrics["gain/p_holm"] == 0.0012
    assert metrics["cost/train_tokens"] == 240 * 96 * 3
    assert metrics["cost/seconds"] == pytest.approx(arm.tuning.seconds + 11.7)
    assert metrics["slice/phrasing:unseen"] == pytest.approx(
        arm.test.slices["phrasing=unseen"]["exact_match"].value
    )
    assert all(
        len(points) == 1
        for key, points in history(home, runs(home)[BEST]).items()
        if not key.startswith(("train/", "validation/"))
    )


def test_params_are_few_and_the_config_is_an_artifact(home: Path, result: ExperimentResult) -> None:
    import yaml

    sync(home, result)

    found = runs(home)
    assert found[BEST].data.params == {
        "model": "smollm2-135m",
        "template": "triage_json",
        "epochs": "3",
        "learning_rate_multiplier": "1.0",
        "adapter_size": "8",
        "train_examples": "240",
        "prepare.select.size": "240",
    }
    assert found["3-shot"].data.params == {
        "model": "smollm2-135m",
        "template": "triage_json",
        "shots": "3",
    }
    assert artifacts(home, found[BEST]) == {
        "config.yaml",
        "eval/test.json",
        "eval/validation.json",
    }
    text = read(home, found[BEST], "config.yaml")
    assert yaml.safe_load(text) == result.arms[3].config


def test_datasets_carry_our_digests_and_arms_share_the_test_set(
    home: Path, result: ExperimentResult
) -> None:
    sync(home, result)

    datasets = {
        name: {
            item.tags[0].value: (item.dataset.name, item.dataset.digest)
            for item in run.inputs.dataset_inputs
        }
        for name, run in runs(home).items()
    }
    assert set(datasets[BEST]) == {"training", "validation", "test"}
    assert datasets[BEST]["test"] == datasets["zero-shot"]["test"]
    assert datasets[BEST]["training"] == datasets["240 rows · lr 1.5"]["training"]
    assert datasets[BEST]["training"] != datasets["80 rows · lr 1"]["training"]


def test_every_checkpoint_is_a_model_with_its_scores(home: Path, result: ExperimentResult) -> None:
    sync(home, result)

    models = [row for row in snapshot(home)["models"] if row[0] == BEST]
    assert [row[1] for row in models] == [f"{BEST} - epoch {n}" for n in (1, 2, 3)]
    for (_, _, tags, _, metrics), checkpoint in zip(
        models, result.arms[3].checkpoints, strict=True
    ):
        scores = {key: (step, value, dataset) for key, step, value, dataset in metrics}
        expected = checkpoint.validation.overall["exact_match"].value
        assert scores["validation/exact_match"] == (
            checkpoint.step,
            pytest.approx(expected, rel=1e-5),
            "triage validation",
        )
        assert scores["validation/total_loss"][1] == checkpoint.eval_loss
        chosen = checkpoint.id == result.arms[3].best
        assert ("test/exact_match" in scores) == chosen
        assert ("chosen", "yes" if chosen else "no") in tags


def test_traces_pair_up_across_arms_and_do_not_name_them(home: Path, tmp_path: Path) -> None:
    sync(home, sample.experiment(tmp_path / "artifacts", rows=50))

    by_arm: dict[str, dict[str, tuple[Any, ...]]] = {}
    for arm, row, prompt, answer, ratings in snapshot(home)["traces"]:
        by_arm.setdefault(arm, {})[row] = (prompt, answer, dict(ratings))
        assert not any(name in prompt + answer for name in ARMS)
    assert set(by_arm) == ARMS
    rows = by_arm[BEST].keys()
    assert len(rows) == 40
    assert all(found.keys() == rows for found in by_arm.values())
    row = min(rows)
    assert len({by_arm[name][row][0] for name in ARMS}) == 1
    ratings = by_arm[BEST][row][2]
    assert set(ratings) == {"expected_response", "exact_match", "json_valid"}
    assert ratings["exact_match"] in ("True", "False")


def test_syncing_twice_changes_nothing(home: Path, result: ExperimentResult, report: Path) -> None:
    first = sync(home, result, report)
    before, ids = snapshot(home), {name: run.info.run_id for name, run in runs(home).items()}

    assert sync(home, result, report) == first
    assert snapshot(home) == before
    assert {name: run.info.run_id for name, run in runs(home).items()} == ids


def test_a_store_rebuilt_from_nothing_equals_the_first(
    new_home: Callable[[str], Path], result: ExperimentResult, report: Path
) -> None:
    first, second = new_home("first"), new_home("second")
    sync(first, result, report)
    sync(second, result, report)

    assert snapshot(second) == snapshot(first)


def test_a_store_that_lost_a_run_gets_it_back(home: Path, result: ExperimentResult) -> None:
    sync(home, result)
    before = snapshot(home)
    client(home).delete_run(runs(home)[BEST].info.run_id)

    sync(home, result)

    after = snapshot(home)
    assert after["runs"].keys() == before["runs"].keys()
    assert after["runs"][BEST]["metrics"] == before["runs"][BEST]["metrics"]


def test_a_failed_arm_is_a_failed_run_that_says_why(home: Path, result: ExperimentResult) -> None:
    error = "CUDA out of memory ``` <script>alert(1)</script>"
    arms = [sample.failed_arm(arm, error) if arm.name == BEST else arm for arm in result.arms]
    sync(home, sample.with_arms(result, arms))

    found = runs(home)
    assert found[BEST].info.status == "FAILED"
    note = found[BEST].data.tags["mlflow.note.content"]
    assert f"````\n{error}\n````" in note
    assert "traceback.txt" in artifacts(home, found[BEST])
    assert found[PARENT].info.status == "FINISHED"
    assert found[PARENT].data.metrics["arms/failed"] == 1
    assert "CUDA out of memory" in found[PARENT].data.tags["mlflow.note.content"]


def test_a_failed_arm_that_then_succeeds_leaves_no_trace_of_the_failure(
    new_home: Callable[[str], Path], home: Path, result: ExperimentResult
) -> None:
    arms = [sample.failed_arm(arm, "boom") if arm.name == BEST else arm for arm in result.arms]
    sync(home, sample.with_arms(result, arms))
    sync(home, result)

    fresh = new_home("fresh")
    sync(fresh, result)
    after, expected = snapshot(home), snapshot(fresh)
    assert after["runs"][BEST] == expected["runs"][BEST]
    assert after["models"] == expected["models"]
    parent = after["runs"][PARENT]
    latest = {key: points[-1][2] for key, points in parent["metrics"].items()}
    wanted = expected["runs"][PARENT]["metrics"]
    assert latest == {key: points[-1][2] for key, points in wanted.items()}


def test_an_arm_nobody_finished_is_not_left_running(home: Path, result: ExperimentResult) -> None:
    arms = [sample.pending_arm(arm) if arm.name == BEST else arm for arm in result.arms]
    sync(home, sample.with_arms(result, arms))

    found = runs(home)
    assert found[BEST].info.status == "KILLED"
    assert found[PARENT].info.status == "KILLED"
    assert "Run the same command again" in found[BEST].data.tags["mlflow.note.content"]


def test_long_and_odd_names_and_empty_values(home: Path, result: ExperimentResult) -> None:
    odd = "template ü🙂 \"quoted\" 'x' % / : . * | [link](javascript:alert(1)) " + "y" * 300
    arm = result.arms[3]
    assert arm.test is not None
    test = arm.test.model_copy(
        update={
            "overall": {
                **arm.test.overall,
                "chrf++": Score(value=41.5, low=40, high=43, n=40),
                "json_field/a.b*c": Score(value=0.5, low=0.4, high=0.6, n=40),
                "undefined": Score(value=math.nan, low=math.nan, high=math.nan, n=0),
            },
            "slices": {f"channel={odd}": arm.test.overall},
        }
    )
    arms = [
        arm.model_copy(
            update={
                "name": odd,
                "test": test,
                "varying": {"source.train": "/data/" + "z" * 7000, "tuning.seed?": "None"},
            }
        )
    ]
    name = "n" * 100
    links = sync(home, result.model_copy(update={"arms": arms, "name": name, "verdict": None}))

    assert links.problem == ""
    (run,) = [run for run in runs(home, name).values() if run.data.tags["run.kind"] == "tuning"]
    assert run.data.metrics["test/chrfpp"] == 41.5
    assert "test/undefined" not in run.data.metrics
    assert sum(key.startswith("slice/channel") for key in run.data.metrics) == 1
    assert len(run.data.params["source.train"]) <= 500
    assert "tuning.seed" not in "".join(run.data.params)
    assert run.info.run_name == odd[:250]


def test_a_diverged_curve_is_shown_as_it_is(home: Path, result: ExperimentResult) -> None:
    arm = result.arms[2]
    assert arm.tuning is not None
    wild = [
        CurvePoint("train_total_loss", 1, math.inf, sample.START + 1),
        CurvePoint("train_total_loss", 2, math.nan, sample.START + 2),
    ]
    tuning = arm.tuning.__class__(**{**vars_of(arm.tuning), "curves": tuple(wild)})
    arms = [arm.model_copy(update={"tuning": tuning})]
    changed = sample.with_arms(result, arms)
    assert sync(home, changed).complete
    assert sync(home, changed).complete

    points = history(home, runs(home)[arm.name])["train/total_loss"]
    assert len(points) == 2
    assert points[0][2] > 1e300
    assert math.isnan(points[1][2])


def test_no_tracking_does_nothing(home: Path, result: ExperimentResult) -> None:
    ours = open_tracker(NoTracking(kind="none"), home)
    ours.begin(result)
    ours.points(result.digest, result.arms[0].digest, [])
    assert ours.sync(result, None, {}) == TrackingLinks()
    assert TrackingLinks().complete


def test_the_uri_is_absolute_wherever_we_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    default = tracking_uri(MlflowTracking(kind="mlflow"), Path("runs"))
    assert default == f"sqlite:///{tmp_path}/runs/mlflow/mlflow.db"
    relative = MlflowTracking(kind="mlflow", uri="sqlite:///mine.db")
    assert tracking_uri(relative, Path("runs")) == f"sqlite:///{tmp_path}/runs/mine.db"
    remote = MlflowTracking(kind="mlflow", uri="http://127.0.0.1:5000")
    assert tracking_uri(remote, Path("runs")) == "http://127.0.0.1:5000"
    assert tracking_uri(NoTracking(kind="none"), Path("runs")) == ""


def test_the_experiment_can_have_another_name_in_mlflow(
    home: Path, result: ExperimentResult
) -> None:
    ours = open_tracker(MlflowTracking(kind="mlflow", experiment="team board", views=False), home)
    links = ours.sync(result, None, {})
    ours.close()

    assert set(runs(home, "team board")) == {PARENT, *ARMS}
    assert "viewStateShareKey" not in links.leaderboard


def test_a_deleted_experiment_comes_back(home: Path, result: ExperimentResult) -> None:
    links = sync(home, result)
    client(home).delete_experiment(links.experiment_id)

    assert sync(home, result).complete
    assert set(runs(home)) == {PARENT, *ARMS}


def test_an_edited_experiment_keeps_the_colour_of_its_data(
    home: Path, result: ExperimentResult
) -> None:
    sync(home, result)
    before = {
        name: run.data.tags["mlflow.runColor"] for name, run in runs(home).items() if name != PARENT
    }
    edited = result.model_copy(
        update={"digest": digest_of("edited"), "arms": result.arms[:-1], "name": "triage 2"}
    )
    sync(home, edited)

    after = {
        name: run.data.tags["mlflow.runColor"]
        for name, run in runs(home, "triage 2").items()
        if run.data.tags["run.kind"] != "sweep"
    }
    assert after == {name: before[name] for name in after}
    assert before["80 rows · lr 1"] != before[BEST] != before["240 rows · lr 1.5"]


def read(home: Path, run: Any, path: str) -> str:
    local = client(home).download_artifacts(run.info.run_id, path)
    return Path(local).read_text(encoding="utf-8")


def vars_of(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def test_tables_are_read_back_by_mlflow_itself(
    home: Path, result: ExperimentResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(home, result)
    # `load_table` searches in the process's own store, not in its client's.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(MlflowTracking(kind="mlflow"), home))

    best = runs(home)[BEST]
    raw = json.loads(read(home, best, "eval/test.json"))
    assert raw["columns"][:3] == ["id", "response", "target"]
    links_to = json.loads(best.data.tags["mlflow.loggedArtifacts"])
    assert {"path": "eval/test.json", "type": "table"} in links_to
    loaded = client(home).load_table("1", "eval/test.json", run_ids=[best.info.run_id])
    assert list(loaded["id"]) == [f"test-{n:03}" for n in range(1, 9)]
    assert loaded["exact_match"].mean() == pytest.approx(best.data.metrics["test/exact_match"])


def test_what_was_not_run_has_no_run(home: Path, result: ExperimentResult) -> None:
    """A replicate that was begun as one to come, and then skipped."""
    skipped = sample.pending_arm(result.arms[2])
    waiting = result.model_copy(update={"arms": [*result.arms[:2], skipped, *result.arms[3:]]})
    first = tracker(home)
    first.begin(waiting)
    first.close()
    assert skipped.name in runs(home)
    ours = tracker(home)
    ours.begin(waiting)
    done = skipped.model_copy(update={"status": "skipped"})
    ours.sync(waiting.model_copy(update={"arms": [*result.arms[:2], done]}), None, {})
    ours.close()
    found = runs(home)
    assert skipped.name not in found
    assert {arm.name for arm in result.arms[:2]} <= found.keys()
    (parent,) = (run for run in found.values() if run.data.tags["run.kind"] == "sweep")
    assert "1 replicate skipped" in parent.data.tags["mlflow.note.content"]
