"""Answers through the backend's door: one worker, its crash, its restart."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.backends.local.backend import LocalBackend
from runner.base.errors import BackendError
from runner.records import Generation, Turn
from tests.backends.local import making
from tests.backends.local.conftest import Trained

ASKED = [making.request(number) for number in range(7)]
SHORT = Generation(max_tokens=6)


def test_baseline_and_adapter_from_one_worker(trained: Trained) -> None:
    backend, best = trained.backend, trained.result.checkpoints[-1]
    drawn = Generation(max_tokens=24, temperature=1.0)
    before = {p.id: p for p in backend.generate(None, ASKED, drawn)}
    tuned = {p.id: p for p in backend.generate(best, ASKED, drawn)}
    worker = backend._generator._worker
    assert {p.id: p for p in backend.generate(None, ASKED, drawn)} == before
    assert backend._generator._worker is worker
    assert before.keys() == tuned.keys() == {one.id for one in ASKED}
    assert {p.text for p in tuned.values()} != {p.text for p in before.values()}
    assert all(p.error == "" and p.prompt_tokens > 20 for p in tuned.values())


def test_no_requests_start_no_worker(make_backend: Callable[..., LocalBackend]) -> None:
    backend = make_backend()
    assert list(backend.generate(None, [], SHORT)) == []
    assert backend._generator._worker is None


def test_too_long_prompt_is_one_error(trained: Trained) -> None:
    long = making.request(1, id="long", contents=(Turn("user", "x" * 1500),))
    found = {p.id: p for p in trained.backend.generate(None, [long, *ASKED], SHORT)}
    assert found["long"].finish == "error"
    assert "does not fit" in found["long"].error
    assert sum(bool(p.error) for p in found.values()) == 1


def test_crash_is_an_error_and_the_next_call_works(trained: Trained) -> None:
    backend = trained.backend
    expected = sorted(backend.generate(None, ASKED, SHORT), key=lambda p: p.id)
    worker = backend._generator._worker
    assert worker is not None
    many = [making.request(number) for number in range(400)]
    answers = backend.generate(None, many, Generation(max_tokens=200))
    next(answers)
    os.kill(worker.process.pid, signal.SIGKILL)
    with pytest.raises(BackendError, match="SIGKILL") as caught:
        list(answers)
    assert caught.value.transient
    assert Path(caught.value.log).is_file()
    assert sorted(backend.generate(None, ASKED, SHORT), key=lambda p: p.id) == expected


def test_abandoned_answers_leave_no_rest(trained: Trained) -> None:
    backend = trained.backend
    answers = backend.generate(None, ASKED, Generation(max_tokens=200))
    next(answers)
    answers.close()
    found = [p.id for p in backend.generate(None, ASKED[:2], SHORT)]
    assert sorted(found) == sorted(one.id for one in ASKED[:2])


def test_missing_adapter_is_said(trained: Trained) -> None:
    from dataclasses import replace

    gone = replace(trained.result.checkpoints[0], path="/nowhere/checkpoint-3")
    with pytest.raises(BackendError, match="/nowhere/checkpoint-3") as caught:
        list(trained.backend.generate(gone, ASKED, SHORT))
    assert caught.value.log
    assert len(list(trained.backend.generate(None, ASKED, SHORT))) == len(ASKED)


def test_counts_equal_those_of_the_worker(trained: Trained) -> None:
    examples = [making.example(number) for number in range(7)]
    counted = trained.backend.count_tokens(examples)
    assert counted is not None
    found = {p.id: p.prompt_tokens for p in trained.backend.generate(None, ASKED, SHORT)}
    assert [prompt for prompt, _ in counted] == [found[one.id] for one in ASKED]
    assert (
        sum(
            map(
                sum,
                trained.backend.count_tokens([making.example(number) for number in range(24)])
                or [],
            )
        )
        == trained.result.train_tokens
    )
