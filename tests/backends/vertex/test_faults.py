"""The fault matrix: what the service can do to a tuning job, and what becomes of it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from runner.backends.vertex import submit
from runner.base.errors import BackendError, GateError
from runner.emulator import Emulator
from runner.emulator.trainer import Script
from runner.tuning import stall
from tests.backends.vertex.jobs import Watch, jobs, tuning_job, vertex

CREATE, GET, LIST = "*tuningJobs.create", "*tuningJobs.get", "*tuningJobs.list"


@pytest.mark.parametrize("fault", ["500", "503", "drop_after", "slow"])
def test_a_create_without_an_answer_leaves_one_job(
    emulator: Emulator, tmp_path: Path, fault: str
) -> None:
    emulator.plan([{"on": CREATE, "nth": [1], "do": fault, "seconds": 0.5}])
    done = fault in ("drop_after", "slow")
    if done:
        result = Watch().run(vertex(emulator), tuning_job(tmp_path))
        assert len(result.checkpoints) == 3
    else:
        # Nobody saw a job: it is not created blindly again, but the same command does.
        with pytest.raises(BackendError) as caught:
            Watch().run(vertex(emulator), tuning_job(tmp_path))
        assert caught.value.transient
        assert jobs(emulator) == []
        assert Watch().run(vertex(emulator), tuning_job(tmp_path)).checkpoints
    assert len(jobs(emulator)) == 1


def test_a_create_that_never_arrived_is_transient(emulator: Emulator, tmp_path: Path) -> None:
    emulator.plan([{"on": CREATE, "nth": [1], "do": "drop_before"}])
    with pytest.raises(BackendError, match="give the same command again") as caught:
        Watch().run(vertex(emulator), tuning_job(tmp_path))
    assert caught.value.transient
    assert jobs(emulator) == []


def test_a_create_whose_answer_comes_too_late_leaves_one_job(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.backends.vertex.clients.CALL_SECONDS", 0.5)
    emulator.plan([{"on": CREATE, "nth": [1], "do": "slow", "seconds": 1.5}])
    assert Watch().run(vertex(emulator), tuning_job(tmp_path)).checkpoints
    assert len(jobs(emulator)) == 1


def test_a_lost_job_is_found_in_a_list_that_lags(emulator: Emulator, tmp_path: Path) -> None:
    # The first two lists are the looks before the submit; the next two after it fail.
    emulator.plan(
        [
            {"on": CREATE, "nth": [1], "do": "drop_after"},
            {"on": LIST, "nth": [3, 4], "do": "503"},
        ]
    )
    assert Watch().run(vertex(emulator), tuning_job(tmp_path)).checkpoints
    assert len(jobs(emulator)) == 1


def test_a_refusal_for_want_of_quota_is_waited_out(emulator: Emulator, tmp_path: Path) -> None:
    emulator.plan([{"on": CREATE, "nth": [1, 2], "do": "429"}])
    assert Watch().run(vertex(emulator), tuning_job(tmp_path)).checkpoints
    assert len(jobs(emulator)) == 1


def test_a_quota_that_stays_used_up_says_so(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit, "REFUSALS", 2)
    emulator.plan([{"on": CREATE, "do": "429"}])
    with pytest.raises(BackendError, match=r"quota is used up.*backend\.concurrency") as caught:
        Watch().run(vertex(emulator), tuning_job(tmp_path))
    assert caught.value.transient
    assert jobs(emulator) == []


def test_a_denied_create_names_the_roles(emulator: Emulator, tmp_path: Path) -> None:
    emulator.plan([{"on": CREATE, "do": "403"}])
    with pytest.raises(BackendError, match=r"roles/aiplatform\.user") as caught:
        Watch().run(vertex(emulator), tuning_job(tmp_path))
    assert not caught.value.transient


@pytest.mark.parametrize("fault", ["401", "429", "500", "503", "drop_before", "drop_after"])
def test_a_watcher_bears_looks_that_fail(emulator: Emulator, tmp_path: Path, fault: str) -> None:
    emulator.plan([{"on": GET, "nth": [1, 3, 4], "do": fault}])
    watch = Watch()
    result = watch.run(vertex(emulator), tuning_job(tmp_path))
    assert len(result.checkpoints) == 3
    assert watch.intents == len(jobs(emulator)) == 1


@pytest.mark.parametrize("fault", ["401", "503", "drop_before"])
def test_the_first_look_may_fail_too(emulator: Emulator, tmp_path: Path, fault: str) -> None:
    emulator.plan([{"on": LIST, "nth": [1], "do": fault}])
    assert Watch().run(vertex(emulator), tuning_job(tmp_path)).checkpoints


def test_a_service_that_stays_away_ends_the_watch_but_not_the_job(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stall, "LOST", 3)
    emulator.plan([{"on": GET, "do": "503"}])
    with pytest.raises(BackendError, match="503 UNAVAILABLE") as caught:
        Watch().run(vertex(emulator), tuning_job(tmp_path))
    assert caught.value.transient
    emulator.plan([])
    watch = Watch()
    assert watch.run(vertex(emulator), tuning_job(tmp_path)).checkpoints
    assert watch.intents == 0
    assert len(jobs(emulator)) == 1


def test_a_permission_that_is_taken_away_ends_the_watch_at_once(
    emulator: Emulator, tmp_path: Path
) -> None:
    emulator.plan([{"on": GET, "do": "403"}])
    with pytest.raises(BackendError, match="lacks a permission"):
        Watch().run(vertex(emulator), tuning_job(tmp_path))


@pytest.mark.parametrize(
    ("end", "says"),
    [
        ("failed", "gave the job up: Internal error encountered"),
        ("expired", "ran out of time on Vertex AI"),
        ("cancelled", "the job was cancelled: The tuning job was cancelled"),
    ],
)
def test_a_job_that_ends_badly_is_an_error_and_the_same_command_tunes_anew(
    emulator: Emulator, tmp_path: Path, end: str, says: str
) -> None:
    emulator.plan([{"on": "job", "nth": [1], "do": end}])
    with pytest.raises(BackendError, match=says) as caught:
        Watch().run(vertex(emulator), tuning_job(tmp_path))
    assert not caught.value.transient
    assert Watch().run(vertex(emulator), tuning_job(tmp_path)).checkpoints
    assert len(jobs(emulator)) == 2


def test_half_a_success_counts_and_is_told(emulator: Emulator, tmp_path: Path) -> None:
    emulator.plan([{"on": "job", "do": "partial"}])
    result = Watch().run(vertex(emulator), tuning_job(tmp_path))
    assert [one.id for one in result.checkpoints] == ["1", "2"]
    assert any("in part only" in finding for finding in result.findings)


def test_dropped_rows_are_told_by_their_place_in_our_data(
    emulator: Emulator, tmp_path: Path
) -> None:
    emulator.plan([{"on": "job", "do": "drop_rows", "share": 0.1}])
    result = Watch().run(vertex(emulator), tuning_job(tmp_path))
    assert result.train_examples == 18
    assert [row.number for row in result.dropped] == [1, 2]
    told = "\n".join(result.findings)
    assert "dropped 2 training rows" in told
    assert "data/train.csv:10 (row train-0): The example could not be processed." in told
    assert "data/train.csv:11 (row train-1)" in told
    assert "question" not in told


def test_too_many_dropped_rows_fail_the_job(emulator: Emulator, tmp_path: Path) -> None:
    emulator.plan([{"on": "job", "do": "drop_rows", "share": 0.5}])
    with pytest.raises(BackendError, match="10 of 20 examples were dropped"):
        Watch().run(vertex(emulator), tuning_job(tmp_path))


def test_a_stuck_job_raises_an_alarm_and_can_be_cancelled(
    emulator: Emulator, tmp_path: Path
) -> None:
    emulator.plan([{"on": "job", "do": "stuck"}])
    chosen, job = vertex(emulator, stall_minutes=0.4 / 60), tuning_job(tmp_path)
    notes: list[str] = []

    def progress(done: float, total: float, note: str = "") -> None:
        notes.append(note)
        if "NO PROGRESS" in note:
            chosen.cancel(job.label)

    from runner.tuning import tune

    with pytest.raises(BackendError, match="was cancelled"):
        tune(chosen, job, progress, lambda points: None, lambda: None)
    assert any("sft cancel stops it" in note for note in notes)
    assert not any("NO PROGRESS" in note for note in notes[:3])


def test_a_wrong_clock_of_the_server_changes_nothing_but_time_stamps(tmp_path: Path) -> None:
    with Emulator(faults=[{"on": "clock", "do": "skew", "seconds": -86_400}]) as emulator:
        before = time.time()
        watch = Watch()
        result = watch.run(vertex(emulator), tuning_job(tmp_path))
        assert len(result.checkpoints) == 3
        assert 0 < result.seconds < 600
        assert all(point.time_ms / 1000 < before for point in watch.points)


def test_the_service_s_own_number_of_epochs_is_held_against_the_limit(
    emulator: Emulator, tmp_path: Path
) -> None:
    job = tuning_job(tmp_path, epochs=None, max_epochs=20)
    with pytest.raises(GateError, match=r"(?s)chose 40 epochs.*tuning\.max_epochs=40") as caught:
        Watch().run(vertex(emulator), job)
    assert caught.value.exit_code == 4
    for _ in range(100):
        (ended,) = jobs(emulator)
        if ended["state"] == "JOB_STATE_CANCELLED":
            break
        time.sleep(0.05)
    assert ended["state"] == "JOB_STATE_CANCELLED"
    # Asked again it would come to the same: nothing is submitted.
    watch = Watch()
    with pytest.raises(GateError):
        watch.run(vertex(emulator), job)
    assert watch.intents == 0
    assert len(jobs(emulator)) == 1


def test_a_number_of_epochs_within_the_limit_is_a_finding(tmp_path: Path) -> None:
    with Emulator(default_epochs=6) as emulator:
        job = tuning_job(tmp_path, epochs=None, adapter_size=None)
        result = Watch().run(vertex(emulator), job)
    assert result.resolved["epochCount"] == 6
    assert "epochs left open (tuning.epochs=null): the service chose 6" in result.findings
    assert any(finding.startswith("adapter size left open") for finding in result.findings)


@pytest.mark.parametrize("method", ["*timeSeries.read", "*contexts.get", "*runs.list"])
def test_curves_that_cannot_be_read_cost_a_finding_and_no_run(
    emulator: Emulator, tmp_path: Path, method: str
) -> None:
    emulator.plan([{"on": method, "do": "403"}])
    result = Watch().run(vertex(emulator), tuning_job(tmp_path))
    assert len(result.checkpoints) == 3
    assert result.curves == ()
    assert "the curves could not be read to their end" in result.findings


def test_curves_that_come_back_lose_no_point(emulator: Emulator, tmp_path: Path) -> None:
    whole = Watch()
    whole.run(vertex(emulator), tuning_job(tmp_path))
    # Six series are read in a row: every third read would hit the same two again and again.
    emulator.plan([{"on": "*timeSeries.read", "nth": list(range(1, 40, 4)), "do": "503"}])
    broken = Watch()
    result = broken.run(vertex(emulator), tuning_job(tmp_path, label="b2"))
    key = {(point.name, point.step) for point in broken.points}
    assert key == {(point.name, point.step) for point in whole.points}
    assert len(key) == len(broken.points) == len(result.curves)


def test_a_job_found_again_is_watched_and_gives_the_same_result(tmp_path: Path) -> None:
    slow = Script(tuning_seconds=6000)
    with Emulator(script=slow) as emulator:
        first, job = vertex(emulator), tuning_job(tmp_path)
        first.submit(job)
        first.close()
        again = Watch()
        result = again.run(vertex(emulator), job)
        assert again.intents == 0
        assert len(jobs(emulator)) == 1
        assert [one.id for one in result.checkpoints] == ["1", "2", "3"]
