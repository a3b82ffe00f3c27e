"""Watching a job, on a backend that says what it is told to."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from runner.backends.protocol import Backend, JobStatus, TuningJob
from runner.base.errors import BackendError, GateError
from runner.config import Tuning
from runner.records import CurvePoint, TuningResult
from runner.tuning import stall, tune
from runner.tuning.stall import StallClock, persistent


@dataclass
class Scripted:
    """A backend whose job goes through these states; an exception is raised."""

    states: Sequence[JobStatus | BackendError | None]
    points: Sequence[int] = ()
    """Curve points there are at each look."""
    calls: list[str] = field(default_factory=list)
    _next: Iterator[Any] | None = None
    _looks: int = 0

    def find(self, label: str) -> JobStatus | None:
        state = self.states[min(self._looks, len(self.states) - 1)]
        self._looks += 1
        if isinstance(state, BackendError):
            raise state
        return state

    def metrics(self, label: str) -> list[CurvePoint]:
        count = self.points[min(self._looks - 1, len(self.points) - 1)] if self.points else 0
        return [CurvePoint("train_total_loss", n, 1.0, n) for n in range(count)]

    def submit(self, job: TuningJob) -> None:
        self.calls.append("submit")

    def cancel(self, label: str) -> None:
        self.calls.append("cancel")

    def result(self, label: str) -> TuningResult:
        return TuningResult((), (), 1, 1, 1.0, {})


def at(state: Any, epochs: int = 0) -> JobStatus:
    """A state that is worth a look soon."""
    return JobStatus(state, epochs=epochs, next_look=0.001)


RUNNING, DONE = at("running"), at("succeeded")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.tuning.watch.FIRST_WAIT", 0.001)
    monkeypatch.setattr(stall, "LONGEST", 0.002)


def watch(tmp_path: Path, backend: Scripted, **knobs: Any) -> list[CurvePoint]:
    heard: list[CurvePoint] = []
    (tmp_path / "train.jsonl").touch()
    job = TuningJob("x", tmp_path / "train.jsonl", None, Tuning(**knobs), 0)
    note = backend.calls.append
    tune(
        cast(Backend, backend),
        job,
        lambda done, total, text="": note(text) if text else None,
        heard.extend,
        lambda: note("intend"),
    )
    return heard


def test_the_intent_comes_before_the_submit(tmp_path: Path) -> None:
    backend = Scripted([None, RUNNING, DONE])
    watch(tmp_path, backend)
    assert backend.calls == ["intend", "submit"]


@pytest.mark.parametrize("state", [RUNNING, DONE])
def test_a_job_that_is_there_is_not_submitted(tmp_path: Path, state: JobStatus) -> None:
    backend = Scripted([state, DONE])
    watch(tmp_path, backend)
    assert backend.calls == []


@pytest.mark.parametrize("state", ["failed", "cancelled", "interrupted"])
def test_a_job_that_ended_badly_before_is_submitted_again(tmp_path: Path, state: Any) -> None:
    backend = Scripted([JobStatus(state), DONE])
    watch(tmp_path, backend)
    assert backend.calls == ["intend", "submit"]


@pytest.mark.parametrize("state", ["failed", "cancelled", "interrupted"])
def test_a_job_that_ends_badly_is_an_error(tmp_path: Path, state: Any) -> None:
    backend = Scripted([None, JobStatus(state, error="no luck", log="a.log")])
    with pytest.raises(BackendError, match="no luck") as caught:
        watch(tmp_path, backend)
    assert caught.value.log == "a.log"


def test_every_point_is_heard_once(tmp_path: Path) -> None:
    heard = watch(tmp_path, Scripted([None, RUNNING, RUNNING, RUNNING, DONE], [0, 2, 2, 5, 7]))
    assert [point.step for point in heard] == list(range(7))


def test_looks_may_fail_in_passing(tmp_path: Path) -> None:
    lost = BackendError("lost", transient=True)
    backend = Scripted([lost, None, lost, lost, RUNNING, lost, DONE])
    watch(tmp_path, backend)
    assert backend.calls == ["intend", "submit"]


def test_a_failure_for_good_is_not_tried_again() -> None:
    calls: list[int] = []

    def look() -> None:
        calls.append(1)
        raise BackendError("denied")

    with pytest.raises(BackendError, match="denied"):
        persistent(look, 0.001)
    assert len(calls) == 1


def test_a_stalled_job_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def look() -> None:
        calls.append(1)
        raise BackendError("lost", transient=True)

    with pytest.raises(BackendError, match="lost"):
        persistent(look, 0.001)
    assert len(calls) == stall.LOST


def test_a_job_may_be_missing_from_a_list_for_a_while(tmp_path: Path) -> None:
    watch(tmp_path, Scripted([None, None, None, RUNNING, DONE]))
    with pytest.raises(BackendError, match="is gone"):
        watch(tmp_path, Scripted([None]))


def test_too_many_epochs_are_cancelled(tmp_path: Path) -> None:
    backend = Scripted([None, at("running", 40)])
    with pytest.raises(GateError, match=r"tuning\.max_epochs=40"):
        watch(tmp_path, backend, epochs=None, max_epochs=20)
    assert backend.calls[-1] == "cancel"


def test_epochs_that_were_asked_for_are_no_surprise(tmp_path: Path) -> None:
    running = at("running", 40)
    watch(tmp_path, Scripted([None, running, DONE]), epochs=40, max_epochs=20)


def test_a_job_that_is_paid_for_is_kept_however_long_it_was(tmp_path: Path) -> None:
    done = at("succeeded", 40)
    watch(tmp_path, Scripted([None, done]), epochs=None, max_epochs=20)


def test_silence_is_told_once_and_ends_with_progress(caplog: pytest.LogCaptureFixture) -> None:
    silence, still = StallClock(), JobStatus("running", step=3, stall_after=1e-9)
    silence.after("x", still)
    with caplog.at_level(logging.WARNING):
        assert "NO PROGRESS" in silence.after("x", still)
        assert "NO PROGRESS" in silence.after("x", still)
    assert len(caplog.records) == 1
    assert silence.after("x", JobStatus("running", step=4, stall_after=60)) == ""
    assert silence.after("x", JobStatus("queued", step=4, stall_after=1e-9)) == ""
