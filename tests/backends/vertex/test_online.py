"""Answers by single calls, through the official client against the emulator."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from runner.backends.vertex.clients import Clients
from runner.backends.vertex.online import answer
from runner.base.errors import BackendError, BudgetError
from runner.emulator import Emulator
from runner.emulator.http import LoggedRequest
from runner.inference import PredictionCache, predict
from runner.records import Checkpoint, Prediction, Request
from tests.backends.vertex.asking import LITE, SETTINGS, backend, model, questions

CALL = "*generateContent"


def ask(emulator: Emulator, count: int, name: str = LITE, **changes: Any) -> dict[str, Prediction]:
    settings = backend(emulator, **changes)
    clients = Clients(settings)
    found = answer(clients, settings, model(name), None, questions(count), SETTINGS)
    return {prediction.id: prediction for prediction in found}


def calls(emulator: Emulator) -> list[dict[str, Any]]:
    return [one for one in emulator.overview()["requests"] if "generateContent" in one["path"]]


def test_every_request_is_answered_once_and_counted() -> None:
    with Emulator() as emulator:
        settings = backend(emulator)
        asked = answer(Clients(settings), settings, model(), None, questions(60), SETTINGS)
        found = list(asked)
        assert not emulator.overview()["violations"]
        assert len(calls(emulator)) == 60
    assert {item.id: item.text for item in found} == {
        f"row {number}": f"question {number}" for number in range(60)
    }
    assert all(item.prompt_tokens and item.output_tokens for item in found)


@pytest.mark.parametrize("what", ["429", "500", "503", "drop_before", "drop_after", "401"])
def test_trouble_that_passes_costs_no_answer(what: str) -> None:
    faults = [{"on": CALL, "do": what, "nth": [1, 4, 5]}]
    with Emulator(faults=faults) as emulator:
        found = ask(emulator, 12)
        assert len(calls(emulator)) >= 14
    assert {item.text for item in found.values()} == {f"question {n}" for n in range(12)}
    assert not any(item.error for item in found.values())


def test_a_request_whose_tries_all_fail_is_an_error_and_no_answer() -> None:
    faults = [{"on": CALL, "do": "503", "nth": [2, 3, 4]}]
    with Emulator(faults=faults) as emulator:
        found = ask(emulator, 2, online={"start": 1, "ceiling": 1, "attempts": 3})
    assert found["row 0"].text == "question 0"
    failed = found["row 1"]
    assert (failed.text, failed.finish, failed.cause) == ("", "error", "service")
    assert "no answer after 3 tries" in failed.error
    assert "503" in failed.error


def test_a_service_that_is_down_is_said_once_instead_of_many_errors() -> None:
    faults = [{"on": CALL, "do": "500"}]
    with (
        Emulator(faults=faults) as emulator,
        pytest.raises(BackendError, match="does not answer") as caught,
    ):
        ask(emulator, 40, online={"attempts": 2})
    assert caught.value.transient


def test_a_name_that_does_not_exist_stops_at_once() -> None:
    lost = Checkpoint("1", 1.0, 5, "projects/p/locations/us/endpoints/404", 0.1)
    with Emulator() as emulator:
        settings = backend(emulator)
        answers = answer(Clients(settings), settings, model(), lost, questions(3), SETTINGS)
        with pytest.raises(BackendError):
            list(answers)


def test_retry_after_holds_back_all_calls() -> None:
    heard: list[float] = []
    faults = [{"on": CALL, "do": "429", "nth": [1], "retry_after": 1}]

    def listen(entry: LoggedRequest) -> None:
        if "generateContent" in entry.path:
            heard.append(time.monotonic() - entry.seconds)

    with Emulator(faults=faults, listen=listen) as emulator:
        assert len(ask(emulator, 4, online={"start": 1, "ceiling": 1})) == 4
    assert len(heard) == 5
    assert heard[1] - heard[0] >= 0.95, "the second call waited as the first answer said"


def test_a_budget_that_is_passed_stops_the_calls(tmp_path: Path) -> None:
    def pay(answers: Iterator[Prediction], requests: int) -> Iterator[Prediction]:
        for _ in answers:
            raise BudgetError("enough")
        yield from ()

    with Emulator() as emulator:
        settings = backend(emulator, online={"start": 2, "ceiling": 2})
        clients, cache = Clients(settings), PredictionCache(tmp_path / "predictions.db")

        def ask_service(requests: Sequence[Request]) -> Iterator[Prediction]:
            return answer(clients, settings, model(), None, requests, SETTINGS)

        with pytest.raises(BudgetError):
            predict(questions(50), ask_service, cache, {}, SETTINGS, pay=pay)
        assert len(calls(emulator)) <= 4
