"""Processes that die, and processes that meet."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from runner.base.digests import digest_of
from runner.records.experiments import ExperimentResult
from runner.records.results import ArmResult
from runner.tracking import Tracker
from tests.tracking import sample
from tests.tracking.conftest import client, history, runs, snapshot, sync, tracker

CHECKOUT = Path(__file__).resolve().parents[2]
ARM = "240 rows · lr 1"
PARENT = "triage 2026-11-18"


def begin_and_die(home: Path, result: ExperimentResult, arm: ArmResult) -> None:
    file = home / "result.json"
    file.write_text(result.model_dump_json(), encoding="utf-8")
    command = [sys.executable, "-m", "tests.tracking.killed", str(home), str(file), arm.digest]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def settled(ours: Tracker, result: ExperimentResult) -> None:
    """Wait until everything queued so far is written: a sync of something else comes after it."""
    other = result.model_copy(update={"name": "other", "digest": digest_of("other"), "arms": []})
    assert ours.sync(other, None, {}).complete


def test_a_killed_run_is_shown_running_and_then_repaired(
    home: Path, new_home: Callable[[str], Path], result: ExperimentResult
) -> None:
    begin_and_die(home, result, result.arms[3])
    found = runs(home)
    assert {run.info.status for run in found.values()} == {"RUNNING"}
    assert len(found) == 6
    half = history(home, found[ARM])["train/total_loss"]
    assert 0 < len(half) < 90

    sync(home, result)

    fresh = new_home("fresh")
    sync(fresh, result)
    assert snapshot(home) == snapshot(fresh)
    # The live points were right, so the run is the one that people have open in their browser.
    assert runs(home)[ARM].info.run_id == found[ARM].info.run_id


def test_points_that_a_resumed_job_recorded_anew_do_not_stay_double(
    home: Path, new_home: Callable[[str], Path], result: ExperimentResult
) -> None:
    arm = result.arms[3]
    assert arm.tuning is not None
    begin_and_die(home, result, arm)
    later = [
        replace(point, time_ms=point.time_ms + 60_000) if point.step > 20 else point
        for point in arm.tuning.curves
    ]
    tuning = replace(arm.tuning, curves=tuple(later))
    arms = [
        item.model_copy(update={"tuning": tuning}) if item is arm else item for item in result.arms
    ]
    resumed = sample.with_arms(result, arms)

    sync(home, resumed)

    fresh = new_home("fresh")
    sync(fresh, resumed)
    assert snapshot(home) == snapshot(fresh)
    steps = [step for step, _, _ in history(home, runs(home)[ARM])["train/total_loss"]]
    assert steps == sorted(set(steps))


def test_beginning_again_goes_on_with_the_same_runs(home: Path, result: ExperimentResult) -> None:
    begin_and_die(home, result, result.arms[3])
    first = {name: run.info.run_id for name, run in runs(home).items()}
    done = [arm if arm.kind != "tuned" else sample.pending_arm(arm) for arm in result.arms]
    sync(home, sample.with_arms(result, done))
    assert runs(home)[ARM].info.status == "KILLED"

    ours = tracker(home)
    ours.begin(sample.with_arms(result, done))
    ours.begin(sample.with_arms(result, done))
    settled(ours, result)

    found = runs(home)
    assert {name: run.info.run_id for name, run in found.items()} == first
    assert found[ARM].info.status == "RUNNING"
    assert found["3-shot"].info.status == "FINISHED"
    ours.close()
    assert runs(home)[ARM].info.status == "KILLED"


def test_runs_of_an_experiment_that_was_edited_after_a_kill_are_ended(
    home: Path, result: ExperimentResult
) -> None:
    begin_and_die(home, result, result.arms[3])
    edited = result.model_copy(update={"digest": digest_of("edited"), "arms": result.arms[:2]})

    ours = tracker(home)
    ours.begin(edited)
    settled(ours, edited)

    by_sweep: dict[str, set[str]] = {}
    for run in client(home).search_runs(["1"]):
        by_sweep.setdefault(run.data.tags["sweep.id"], set()).add(run.info.status)
    ours.close()
    assert by_sweep == {result.digest: {"KILLED"}, edited.digest: {"RUNNING"}}


def test_a_living_process_keeps_its_runs(home: Path, result: ExperimentResult) -> None:
    pending = [sample.pending_arm(arm) for arm in result.arms]
    alive, other = tracker(home), tracker(home)
    alive.begin(sample.with_arms(result, pending))
    settled(alive, result)

    other.begin(result.model_copy(update={"digest": digest_of("edited"), "arms": pending[:1]}))
    other.close()

    found = client(home).search_runs(["1"], f"tags.`sweep.id` = '{result.digest}'")
    alive.close()
    assert {run.info.status for run in found} == {"RUNNING"}


def test_processes_that_meet_on_an_empty_database(tmp_path: Path, result: ExperimentResult) -> None:
    home = tmp_path / "empty"
    home.mkdir()
    (home / "result.json").write_text(result.model_dump_json(), encoding="utf-8")
    code = (
        "import sys; from pathlib import Path;"
        "from runner.records.experiments import ExperimentResult;"
        "from tests.tracking.conftest import sync; home = Path(sys.argv[1]);"
        "r = ExperimentResult.model_validate_json((home / 'result.json').read_text());"
        "links = sync(home, r); print(links.problem); sys.exit(not links.complete)"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(home)],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert len(runs(home)) == 6
