"""Planned trouble: what each fault does to a client, and to a job."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.genai import errors, types

from runner.base.errors import ConfigError
from runner.emulator import Emulator
from runner.emulator.faults import Faults, parse_faults, read_faults
from tests.emulator.asking import (
    PLACE,
    animals,
    client,
    raw,
    tune,
    tuned,
    upload,
    wait,
)

CREATE = "*tuningJobs.create"


def broken(emulator: Emulator) -> Exception:
    """What google-genai raises for a create that goes wrong."""
    with pytest.raises((errors.APIError, httpx.HTTPError)) as caught:
        tune(emulator)
    return caught.value


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (503, "UNAVAILABLE"),
    ],
)
def test_an_error_code_is_answered_and_nothing_done(
    emulator: Emulator, code: int, status: str
) -> None:
    upload(emulator, list(animals()))
    emulator.plan([{"on": CREATE, "nth": [1], "do": code, "retry_after": 7}])
    found = broken(emulator)
    assert isinstance(found, errors.APIError)
    assert (found.code, found.status) == (code, status)
    assert found.response.headers["Retry-After"] == "7"
    assert emulator.overview()["jobs"] == []
    assert wait(emulator, tune(emulator)).has_succeeded


def test_a_cut_before_the_work_leaves_no_job(emulator: Emulator) -> None:
    upload(emulator, list(animals()))
    emulator.plan([{"on": CREATE, "nth": [1], "do": "drop_before"}])
    assert isinstance(broken(emulator), httpx.TransportError)
    assert emulator.overview()["jobs"] == []
    assert emulator.overview()["requests"][-1]["status"] == 0


def test_a_cut_after_the_work_leaves_a_job_that_can_be_found(emulator: Emulator) -> None:
    upload(emulator, list(animals()))
    emulator.plan([{"on": CREATE, "nth": [1], "do": "drop_after"}])
    with pytest.raises(httpx.TransportError):
        tune(emulator, labels={"sft-arm": "lost"})
    config = types.ListTuningJobsConfig(filter='labels.sft-arm="lost"')
    (job,) = client(emulator).tunings.list(config=config)
    assert wait(emulator, job).has_succeeded
    assert len(emulator.overview()["jobs"]) == 1


def test_slow_is_slow(emulator: Emulator) -> None:
    emulator.plan([{"on": "*tuningJobs.list", "do": "slow", "seconds": 0.4}])
    started = time.monotonic()
    list(client(emulator).tunings.list())
    assert time.monotonic() - started >= 0.4


def test_the_clock_is_wrong(emulator: Emulator) -> None:
    emulator.plan([{"on": "clock", "seconds": -7200}])
    job = tuned(emulator)
    late = datetime.now(UTC) - job.create_time
    assert timedelta(hours=1, minutes=59) < late < timedelta(hours=2, minutes=1)
    assert job.create_time < job.end_time


@pytest.mark.parametrize(
    ("do", "state"),
    [("failed", "FAILED"), ("expired", "EXPIRED"), ("cancelled", "CANCELLED")],
)
def test_a_job_ends_badly_and_the_next_one_well(emulator: Emulator, do: str, state: str) -> None:
    emulator.plan([{"on": "job", "nth": [1], "do": do}])
    job = tuned(emulator)
    assert job.state.value == f"JOB_STATE_{state}"
    assert job.error.code
    assert job.error.message
    assert job.tuned_model is None
    assert tuned(emulator).has_succeeded


def test_a_job_succeeds_in_part(emulator: Emulator) -> None:
    emulator.plan([{"on": "job", "do": "partial"}])
    job = tuned(emulator)
    assert job.state == types.JobState.JOB_STATE_PARTIALLY_SUCCEEDED
    assert [one.checkpoint_id for one in job.tuned_model.checkpoints] == ["1", "2"]


def test_a_stuck_job_can_be_cancelled(emulator: Emulator) -> None:
    emulator.plan([{"on": "job", "do": "stuck"}])
    upload(emulator, list(animals()))
    job, ask = tune(emulator), client(emulator)
    steps: Any = None
    while True:
        now = ask.tunings.get(name=job.name)
        if now.tuning_job_metadata and steps == now.tuning_job_metadata.completed_step_count:
            break
        steps = now.tuning_job_metadata and now.tuning_job_metadata.completed_step_count
        time.sleep(0.3)
    assert now.state == types.JobState.JOB_STATE_RUNNING
    ask.tunings.cancel(name=job.name)
    assert wait(emulator, job).state == types.JobState.JOB_STATE_CANCELLED


def test_dropped_rows_are_named(emulator: Emulator) -> None:
    emulator.plan([{"on": "job", "do": "drop_rows", "share": 0.05}])
    stats = tuned(emulator).tuning_data_stats.supervised_tuning_data_stats
    assert stats.total_truncated_example_count == 2
    assert [int(number) for number in stats.truncated_example_indices] == [1, 2]
    assert len(stats.dropped_example_reasons) == 2
    assert stats.tuning_dataset_example_count == 22


def test_too_many_dropped_rows_fail_the_job(emulator: Emulator) -> None:
    emulator.plan([{"on": "job", "do": "drop_rows", "share": 0.2}])
    job = tuned(emulator)
    assert job.state == types.JobState.JOB_STATE_FAILED
    assert "10%" in job.error.message
    assert job.experiment is None


def test_chance_is_drawn_from_the_seed() -> None:
    plan = parse_faults([{"on": "*", "chance": 0.3, "do": 500}], "plan")

    def hits(seed: int) -> list[bool]:
        faults = Faults(plan, seed)
        return [faults.call("any") is not None for _ in range(500)]

    assert hits(1) == hits(1)
    assert hits(1) != hits(2)
    assert 100 < sum(hits(1)) < 200


def test_a_plan_is_read_from_yaml(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("- {on: '*generateContent', nth: [2], do: 429}\n- {on: job, do: stuck}\n")
    assert [fault.do for fault in read_faults(file)] == ["429", "stuck"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {on: job, do: explode}", "'stuck', 'failed'"),
        ("- {on: '*', do: 418}", "'401', '403'"),
        ("- {on: '*', do: 500, how: loud}", "known keys: nth, chance, on, do"),
        ("- {do: 500}", "Field required"),
        ("on: job", "has to be a list"),
        ("- [", "is not YAML"),
        ("- 7", "fault 1"),
    ],
)
def test_a_bad_plan_is_explained(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"plan\.yaml") as caught:
        read_faults(file)
    assert said in str(caught.value)


def test_all_problems_of_a_plan_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("- {on: job, do: explode}\n- {on: '*', do: 418}\n")
    with pytest.raises(ConfigError) as caught:
        read_faults(file)
    assert len(caught.value.problems) == 2


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Exception, match=f"port {port} cannot be used"), Emulator(port=port):
            pass


def test_faults_are_not_schema_violations(emulator: Emulator) -> None:
    emulator.plan([{"on": "*", "do": 503}])
    assert raw(emulator, "GET", f"{PLACE}/tuningJobs")[0] == 503
    assert emulator.overview()["violations"] == []
