"""A paid job is bought once; the script ``tests.acceptance.bought_once`` does it twenty times."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.backends.protocol import TuningJob
from runner.backends.vertex.backend import VertexBackend
from runner.backends.vertex.clients import Clients
from runner.backends.vertex.create_lock import CreateLock, LockLostError, LockOwner
from runner.backends.vertex.jobs import find_job
from runner.base.errors import BackendError
from runner.config import VertexBackendSettings as Settings
from runner.emulator import Emulator
from runner.emulator.trainer import Script
from runner.records import Resource, TuningResult
from runner.records.json_form import decoded, record_json
from tests.acceptance import bought_once
from tests.acceptance.bought_once import Pace
from tests.backends.vertex.asking import backend
from tests.backends.vertex.jobs import Watch, jobs, tuning_job, vertex

CREATE, LIST = "*tuningJobs.create", "*tuningJobs.list"
SLOW = Script(tuning_seconds=6000)
"""A job takes about a second."""


def lock(emulator: Emulator, home: Path, notes: list[str] | None = None, /, **settings: Any) -> Any:
    """The lock on job ``a1``, by somebody at `home`."""
    chosen = backend(emulator, **settings)
    kept: set[str] = set()
    made = CreateLock(
        Clients(chosen).storage,
        chosen,
        "a1",
        LockOwner(home),
        (notes if notes is not None else []).append,
        lambda item: kept.add(item.name),
        kept.discard,
    )
    return made, kept


def objects(emulator: Emulator) -> list[str]:
    storage = Clients(backend(emulator)).storage
    return [blob.name for blob in storage.list_blobs("sft-emulator") if "/locks/" in blob.name]


def nothing() -> None:
    """A look that finds no job."""


def at_home(emulator: Emulator, home: Path, /, **settings: Any) -> VertexBackend:
    """The backend of this home."""
    chosen = vertex(emulator, **settings)
    chosen.owner = LockOwner(home)
    return chosen


# --- the two ways through the command line -------------------------------------------------


def test_a_runner_killed_while_create_is_in_flight_finds_its_job() -> None:
    done = bought_once.once("kill", Pace(slow=9, kill_after=0.5, visible=12))
    assert done.faults == []
    assert done.states == {"JOB_STATE_SUCCEEDED": 1}


def test_two_homes_at_once_make_one_job() -> None:
    done = bought_once.once("homes", Pace(slow=2, kill_after=0, visible=12))
    assert done.faults == []
    assert done.states == {"JOB_STATE_SUCCEEDED": 1}


@pytest.mark.slow
@pytest.mark.parametrize("way", list(bought_once.WAYS))
def test_twenty_times(way: str) -> None:
    pace = Pace(slow=12, kill_after=1, visible=16)
    assert [done.faults for _ in range(20) if (done := bought_once.once(way, pace)).faults] == []


# --- an open intent ------------------------------------------------------------------------


def test_an_open_intent_is_looked_for_before_another_job_is_made(
    emulator: Emulator, tmp_path: Path
) -> None:
    """The job of a runner that died comes into the list a second later."""
    job = replace(tuning_job(tmp_path), sought=True)
    notes: list[str] = []
    late = threading.Timer(1.0, _made_blindly, [vertex(emulator), tuning_job(tmp_path)])
    emulator.plan([{"on": LIST, "nth": [1], "do": "503"}])
    late.start()
    vertex(emulator, visible_seconds=4, lock_seconds=4).submit(replace(job, note=notes.append))
    late.join()
    assert len(jobs(emulator)) == 1
    assert any(note.startswith("looking for a job that was asked for before") for note in notes)


def test_a_job_that_nobody_could_look_for_is_in_doubt(emulator: Emulator, tmp_path: Path) -> None:
    emulator.plan(
        [
            {"on": CREATE, "nth": [1], "do": "drop_after"},
            {"on": LIST, "nth": [*range(3, 200)], "do": "403"},
        ]
    )
    with pytest.raises(BackendError) as caught:
        Watch().run(vertex(emulator), tuning_job(tmp_path))
    assert caught.value.in_doubt
    assert caught.value.transient
    assert objects(emulator) == ["tests/locks/a1.json"], "nobody may make another one at once"
    emulator.plan([])
    assert Watch().run(vertex(emulator), tuning_job(tmp_path)).checkpoints
    assert len(jobs(emulator)) == 1


# --- more than one job of a label ----------------------------------------------------------


def test_the_earliest_job_stays_and_all_are_booked_and_cleaned(tmp_path: Path) -> None:
    with Emulator(script=SLOW, quota=2) as emulator:
        job, chosen = tuning_job(tmp_path), at_home(emulator, tmp_path)
        made = [_made_blindly(chosen, job) for _ in range(2)]
        time.sleep(0.5)
        result = Watch().run(chosen, job)
        states = {one["name"]: one["state"] for one in jobs(emulator)}
        bill = sum(one["billedTokens"] for one in jobs(emulator))
    assert states == {made[0]: "JOB_STATE_SUCCEEDED", made[1]: "JOB_STATE_CANCELLED"}
    assert result.billed(10**9) == bill
    assert result.bills is not None
    assert len(result.bills) == 2
    assert any("2 jobs were made for this arm" in finding for finding in result.findings)


def test_two_jobs_that_have_both_ended_are_both_on_the_bill(
    emulator: Emulator, tmp_path: Path
) -> None:
    job, chosen = tuning_job(tmp_path), at_home(emulator, tmp_path)
    for _ in range(2):
        _made_blindly(chosen, job)
    while {one["state"] for one in jobs(emulator)} != {"JOB_STATE_SUCCEEDED"}:
        time.sleep(0.05)
    result = Watch().run(chosen, job)
    assert result.billed(10**9) == sum(one["billedTokens"] for one in jobs(emulator))
    assert result.billed(10**9) == 2 * result.billable_tokens
    kinds = [item.kind for item in result.resources]
    assert (kinds.count("model"), kinds.count("endpoint"), kinds.count("object")) == (2, 6, 2)


def test_a_job_that_another_home_bought_stands_in_its_books_only(
    emulator: Emulator, tmp_path: Path
) -> None:
    anna, ben = at_home(emulator, tmp_path / "anna"), at_home(emulator, tmp_path / "ben")
    first, second = (Watch().run(who, tuning_job(tmp_path)) for who in (anna, ben))
    assert first.billed(7) == first.billable_tokens
    assert (second.billable_tokens, second.billed(7)) == (first.billable_tokens, 0)
    assert any("another home bought" in finding for finding in second.findings)
    again = decoded(TuningResult, json.loads(record_json(second)))
    assert again.billed(7) == 0


def test_a_result_of_before_is_booked_as_it_was() -> None:
    old = TuningResult((), (), 1, 1, 1.0, {}, billable_tokens=5)
    assert old.billed(9) == 5
    assert TuningResult((), (), 1, 1, 1.0, {}).billed(9) == 9


# --- the lock ------------------------------------------------------------------------------


def test_who_comes_second_is_told_who_holds_the_lock_and_waits(
    emulator: Emulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notes: list[str] = []
    first, kept = lock(emulator, tmp_path / "anna")
    second, _ = lock(emulator, tmp_path / "ben", notes, lock_seconds=60)
    assert first.take(nothing) is None

    def release() -> None:
        with first:
            pass

    late = threading.Timer(0.5, release)
    late.start()
    assert second.take(nothing) is None
    late.join()
    assert kept == set()
    assert f"home {tmp_path / 'anna'}" in notes[0]
    assert "has been asking for this job since" in notes[0]
    assert re.search(r"else the lock in \d+ s$", notes[0])
    assert [record.message for record in caplog.records] == [f"tuning job a1: {notes[0]}"]
    assert (tmp_path / "anna" / "home_id").read_text() != (tmp_path / "ben" / "home_id").read_text()


def test_the_job_that_shows_up_while_waiting_is_taken(emulator: Emulator, tmp_path: Path) -> None:
    first, _ = lock(emulator, tmp_path / "anna")
    second, kept = lock(emulator, tmp_path / "ben", lock_seconds=60)
    first.take(nothing)
    assert second.take(lambda: {"name": "the job"}) == {"name": "the job"}
    assert kept == set(), "it is the other home's to release"
    assert objects(emulator) == ["tests/locks/a1.json"]


def test_a_lock_that_is_not_renewed_is_taken_over_and_lost(
    emulator: Emulator, tmp_path: Path
) -> None:
    dead, _ = lock(emulator, tmp_path / "anna")
    heir, _ = lock(emulator, tmp_path / "ben", visible_seconds=0.5, lock_seconds=1.0)
    dead.take(nothing)
    assert heir.take(nothing) is None
    with pytest.raises(LockLostError):
        dead.renew()
    with dead:
        pass  # must not release what is another's now
    heir.renew()


def test_a_lock_is_released_after_a_failure_but_not_in_doubt(
    emulator: Emulator, tmp_path: Path
) -> None:
    held, _ = lock(emulator, tmp_path)
    held.take(nothing)
    with pytest.raises(ZeroDivisionError), held:
        raise ZeroDivisionError
    assert objects(emulator) == []
    held.take(nothing)
    with pytest.raises(ZeroDivisionError), held:
        _fail_in_doubt(held)
    assert objects(emulator) == ["tests/locks/a1.json"]


def test_one_of_many_at_once_gets_the_lock(emulator: Emulator, tmp_path: Path) -> None:
    everybody = [lock(emulator, tmp_path / str(at), lock_seconds=60)[0] for at in range(8)]
    won: list[Any] = []

    def take(one: Any) -> None:
        if one.take(lambda: {"name": "given up"}) is None:
            won.append(one)

    threads = [threading.Thread(target=take, args=[one]) for one in everybody]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_a_refused_create_releases_the_lock(emulator: Emulator, tmp_path: Path) -> None:
    emulator.plan([{"on": CREATE, "do": "403"}])
    with pytest.raises(BackendError):
        Watch().run(vertex(emulator), tuning_job(tmp_path))
    assert objects(emulator) == []


def test_the_lock_outlasts_the_doubt() -> None:
    with pytest.raises(ValueError, match="lock_seconds must not be below visible_seconds"):
        Settings(kind="vertex", project="p", bucket="gs://bucket", lock_seconds=10)


def test_what_is_put_there_is_on_record_until_it_is_gone(
    emulator: Emulator, tmp_path: Path
) -> None:
    told: list[str] = []
    job = replace(
        tuning_job(tmp_path),
        record=lambda item: told.append(f"+{item.name}"),
        forget=lambda name: told.append(f"-{name}"),
    )
    vertex(emulator).submit(job)
    uri = "gs://sft-emulator/tests/locks/a1.json"
    assert [line for line in told if "locks" in line] == [f"+{uri}", f"-{uri}"]
    assert Resource("object", uri).name == uri


def _fail_in_doubt(held: CreateLock) -> None:
    held.in_doubt = True
    raise ZeroDivisionError


def _made_blindly(chosen: VertexBackend, job: TuningJob) -> str:
    """A job that is made without looking; returns its name."""
    from functools import partial

    from runner.backends.vertex.files import upload
    from runner.backends.vertex.submit import _create, create_config
    from runner.records import Example

    put = partial(upload, chosen.clients.storage, chosen.settings.bucket, row=Example.to_gemini)
    assert job.validation
    config = create_config(chosen.settings, "x", job, put(job.validation), chosen.owner.id)
    made = _create(chosen.clients, chosen.model.id, put(job.train), config)
    assert find_job(chosen.clients, job.label)
    return str(made["name"])
