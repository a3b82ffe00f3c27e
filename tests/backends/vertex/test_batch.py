"""Batch prediction through the official clients: half price, found again, row by row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from runner.backends.vertex.clients import Clients
from runner.backends.vertex.online import answer
from runner.base.errors import BackendError
from runner.emulator import Emulator
from runner.records import Prediction, Request, Turn
from tests.backends.vertex.asking import SETTINGS, backend, model, questions


def ask(emulator: Emulator, requests: Sequence[Request], **changes: Any) -> list[Prediction]:
    settings = backend(emulator, batch_from=3, **changes)
    return list(answer(Clients(settings), settings, model(), None, requests, SETTINGS))


def calls(emulator: Emulator, method: str) -> int:
    return sum(method in one["method"] for one in emulator.overview()["requests"])


def objects(emulator: Emulator) -> list[str]:
    clients = Clients(backend(emulator))
    return [blob.name for blob in clients.storage.list_blobs("sft-emulator", prefix="tests/")]


def test_many_requests_go_as_one_job_and_leave_nothing_behind() -> None:
    with Emulator() as emulator:
        found = ask(emulator, questions(5))
        assert {item.id: item.text for item in found} == {
            f"row {number}": f"question {number}" for number in range(5)
        }
        assert all(item.prompt_tokens and item.output_tokens for item in found)
        assert calls(emulator, "generateContent") == 0
        assert calls(emulator, "batchPredictionJobs.create") == 1
        assert objects(emulator) == []
        assert not emulator.overview()["violations"]


def test_few_requests_are_asked_one_by_one() -> None:
    with Emulator() as emulator:
        assert len(ask(emulator, questions(2))) == 2
        assert calls(emulator, "batchPredictionJobs.create") == 0


def test_whoever_comes_again_finds_the_job() -> None:
    """A runner that is killed while it waits leaves the job; the next one takes its answers."""
    with Emulator() as emulator:
        settings = backend(emulator, batch_from=3)
        waiting = answer(Clients(settings), settings, model(), None, questions(5), SETTINGS)
        next(waiting)
        waiting.close()  # killed with one answer taken
        assert len(objects(emulator)) == 2
        assert len(ask(emulator, questions(5))) == 5
        assert calls(emulator, "batchPredictionJobs.create") == 1
        assert objects(emulator) == []


def test_a_create_call_without_a_clear_answer_is_not_repeated() -> None:
    faults = [{"on": "*batchPredictionJobs.create", "do": "drop_after", "nth": [1]}]
    with Emulator(faults=faults) as emulator:
        assert len(ask(emulator, questions(5))) == 5
        assert calls(emulator, "batchPredictionJobs.create") == 1


def test_looks_that_fail_now_and_then_do_not_matter() -> None:
    faults = [{"on": "*batchPredictionJobs.get", "do": "503", "nth": [1, 2, 4]}]
    with Emulator(faults=faults, speed=400) as emulator:
        assert len(ask(emulator, questions(5))) == 5


def test_a_row_that_fails_fails_alone() -> None:
    odd = Request("odd", (Turn("user", "x", ({"text": "x"},)), Turn("model", "y")), "Answer.")
    with Emulator() as emulator:
        found = {item.id: item for item in ask(emulator, [*questions(3), odd])}
    assert [found[f"row {number}"].text for number in range(3)] == [
        f"question {number}" for number in range(3)
    ]
    assert found["odd"].text == ""
    assert "end with a user role" in found["odd"].error
    assert found["odd"].cause == "refused"


def test_a_job_that_fails_says_why() -> None:
    with Emulator() as emulator:
        broken = emulator.storage

        def vanish(uri: str) -> bytes | None:
            raise OSError("the input is gone")

        settings = backend(emulator, batch_from=3)
        real = broken.read
        seen: list[str] = []

        def read(uri: str) -> bytes | None:
            seen.append(uri)
            return real(uri) if len(seen) == 1 else vanish(uri)

        broken.read = read  # type: ignore[method-assign]
        answers = answer(Clients(settings), settings, model(), None, questions(4), SETTINGS)
        with pytest.raises(BackendError, match="the input is gone"):
            list(answers)


def test_answers_are_matched_by_what_was_asked_and_not_by_their_place() -> None:
    with Emulator() as emulator:
        real = emulator.storage.write

        def shuffled(uri: str, content: bytes) -> None:
            lines = [json.loads(line) for line in content.splitlines()][::-1]
            for line in lines:
                line["request"]["generationConfig"]["topP"] = 0.95  # as a service may complete
            real(uri, b"".join(json.dumps(line).encode() + b"\n" for line in lines[1:]))

        emulator.storage.write = shuffled  # type: ignore[method-assign,assignment]
        found = {item.id: item for item in ask(emulator, questions(4))}
    assert [found[f"row {number}"].text for number in range(3)] == [
        f"question {number}" for number in range(3)
    ]
    assert "without this row" in found["row 3"].error
    assert found["row 3"].cause == "service"
