"""Many requests at a time: each answered once whatever goes wrong, never too many at once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from runner.base.errors import BackendError
from runner.config import OnlineCalls
from runner.inference import Failure, ask_all, engine, pace
from runner.inference.engine import FIRST_WAIT, LONGEST_WAIT
from runner.inference.pace import FIRST_HOLD, LONGEST_HOLD
from runner.records import Prediction, Request, Turn

RETRIED = ("quota", "transient")


class Fails(Exception):
    """What the service below raises; its text is the kind of failure."""

    def __init__(self, kind: str, retry_after: float | None = None) -> None:
        super().__init__(kind)
        self.retry_after = retry_after


class Service:
    """Stands in for a service: fails each request as planned for it, then answers."""

    def __init__(self, plan: Mapping[str, Sequence[str]], retry_after: float | None = None) -> None:
        self.plan = {name: list(kinds) for name, kinds in plan.items()}
        self.retry_after = retry_after
        self.calls = Counter[str]()
        self.spans: list[tuple[float, float]] = []
        self.under_way = self.most = 0
        self.lock = threading.Lock()

    def call(self, request: Request) -> Prediction:
        began = time.monotonic()
        with self.lock:
            self.calls[request.id] += 1
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            kind = self.plan[request.id].pop(0) if self.plan[request.id] else ""
        time.sleep(0.0005)
        with self.lock:
            self.under_way -= 1
            self.spans.append((began, time.monotonic()))
        if kind:
            raise Fails(kind, self.retry_after if kind == "quota" else None)
        return Prediction(request.id, request.contents[0].text.upper())

    def classify(self, error: Exception, attempt: int) -> Failure:
        assert isinstance(error, Fails)
        return Failure(str(error), f"says {error}", error, error.retry_after)  # type: ignore[arg-type]

    def ask(self, at_once: int, attempts: int) -> Iterator[Prediction]:
        requests = [Request(name, (Turn("user", name),)) for name in self.plan]
        limits = OnlineCalls(start=at_once, ceiling=at_once, attempts=attempts)
        return ask_all(self.call, self.classify, requests, limits)


@pytest.fixture(scope="module", autouse=True)
def _short_waits() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "FIRST_WAIT", 0.0005)
        patch.setattr(engine, "LONGEST_WAIT", 0.002)
        patch.setattr(pace, "FIRST_HOLD", 0.0005)
        patch.setattr(pace, "LONGEST_HOLD", 0.002)
        yield


def expected(kinds: Sequence[str], attempts: int) -> tuple[int, str]:
    """Calls that are made for a request that fails so, and the error that it ends with."""
    for number, kind in enumerate(kinds[:attempts], 1):
        if kind == "permanent":
            return number, "says permanent"
    if len(kinds) >= attempts:
        return attempts, f"no answer after {attempts} tries: says {kinds[attempts - 1]}"
    return len(kinds) + 1, ""


PLANS = st.lists(
    st.lists(st.sampled_from([*RETRIED, "permanent"]), max_size=4), min_size=0, max_size=9
)


@settings(max_examples=60)
@given(plans=PLANS, at_once=st.integers(1, 6), attempts=st.integers(1, 4))
def test_every_request_is_answered_once_whatever_errors_come(
    plans: list[list[str]], at_once: int, attempts: int
) -> None:
    # One that always works: with all tries of all requests lost, the service would be down.
    planned = {**{f"r{n}": kinds for n, kinds in enumerate(plans)}, "good": []}
    service = Service(planned)
    found = list(service.ask(at_once, attempts))
    assert sorted(one.id for one in found) == sorted(planned)
    by_name = {one.id: one for one in found}
    for name, kinds in planned.items():
        calls, error = expected(kinds, attempts)
        assert service.calls[name] == calls
        assert by_name[name].error == error
        assert by_name[name].text == ("" if error else name.upper())
    assert service.most <= at_once


def test_first_calls_begin_in_the_order_of_the_requests() -> None:
    service = Service({f"r{n}": [] for n in range(20)})
    assert [one.id for one in service.ask(1, 3)] == [f"r{n}" for n in range(20)]


@settings(max_examples=10)
@given(plans=st.lists(st.lists(st.just("quota"), max_size=2), min_size=1, max_size=4))
def test_no_call_begins_before_the_service_wants_to_hear_of_us(plans: list[list[str]]) -> None:
    """One at a time, so that nothing is under way when the service says so."""
    planned = {f"r{n}": kinds for n, kinds in enumerate(plans)}
    service = Service(planned, retry_after=0.01)
    assert len(list(service.ask(1, 5))) == len(plans)
    pauses = [then[0] - before[1] for before, then in pairwise(service.spans)]
    refused = sum(map(len, plans))
    assert sum(pause >= 0.0095 for pause in pauses) >= refused


def test_a_fatal_failure_stops_at_once_and_is_raised_as_it_was_classified() -> None:
    service = Service({"a": [], "b": ["fatal"], **{f"r{n}": [] for n in range(50)}})
    answers = service.ask(1, 5)
    assert next(answers).id == "a"
    with pytest.raises(Fails, match="fatal"):
        next(answers)
    assert service.calls == {"a": 1, "b": 1}


def test_a_service_that_is_down_is_said_once_and_can_be_asked_later() -> None:
    service = Service({f"r{n}": ["transient"] * 9 for n in range(100)})
    with pytest.raises(BackendError, match=r"10 requests in a row, 2 tries each.*says") as caught:
        list(service.ask(4, 2))
    assert caught.value.transient
    assert sum(service.calls.values()) < 200, "the rest is not tried to the end"


def test_a_few_requests_without_any_answer_are_a_service_that_is_down() -> None:
    service = Service({"a": ["transient"] * 3, "b": ["quota"] * 3})
    with pytest.raises(BackendError, match="does not answer"):
        list(service.ask(2, 3))


def test_a_mistake_in_classify_ends_the_run_instead_of_hanging_it() -> None:
    def classify(error: Exception, attempt: int) -> Failure:
        raise KeyError("no such code")

    service = Service({"a": ["transient"]})
    requests = [Request("a", (Turn("user", "a"),))]
    limits = OnlineCalls(start=1, ceiling=1)
    with pytest.raises(KeyError, match="no such code"):
        list(ask_all(service.call, classify, requests, limits))


def test_closing_begins_no_further_call() -> None:
    service = Service({f"r{n}": [] for n in range(50)})
    answers = service.ask(2, 3)
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    assert sum(service.calls.values()) <= 4


@pytest.mark.parametrize("at_once", [1, 3])
def test_answers_that_nobody_took_count_as_under_way(at_once: int) -> None:
    """What is paid for and not on record yet is never more than the limit."""
    service = Service({f"r{n}": [] for n in range(30)})
    for taken, _ in enumerate(service.ask(at_once, 1), 1):
        time.sleep(0.003)  # far longer than the service takes
        assert sum(service.calls.values()) <= taken - 1 + at_once


def test_calls_share_as_many_threads_as_are_under_way_and_leave_none() -> None:
    seen = set[int]()

    def call(request: Request) -> Prediction:
        seen.add(threading.get_ident())
        return Prediction(request.id, "yes")

    requests = [Request(f"r{n}", (Turn("user", "?"),)) for n in range(200)]
    before = set(threading.enumerate())
    answers = ask_all(call, Service({}).classify, requests, OnlineCalls(start=4, ceiling=4))
    assert len(list(answers)) == 200
    assert len(seen) <= 4
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=10)
        assert not thread.is_alive()


def test_a_service_with_a_limit_of_calls_a_second_answers_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It bears 400 calls a second, 20 at once, and is asked as fast as it can be, with the waits
    that hold outside of these tests."""
    monkeypatch.setattr(engine, "FIRST_WAIT", FIRST_WAIT)
    monkeypatch.setattr(engine, "LONGEST_WAIT", LONGEST_WAIT)
    monkeypatch.setattr(pace, "FIRST_HOLD", FIRST_HOLD)
    monkeypatch.setattr(pace, "LONGEST_HOLD", LONGEST_HOLD)
    level, at, lock = [20.0], [time.monotonic()], threading.Lock()

    def call(request: Request) -> Prediction:
        with lock:
            now = time.monotonic()
            level[0], at[0] = min(20.0, level[0] + 400 * (now - at[0])), now
            if level[0] < 1:
                raise Fails("quota")
            level[0] -= 1
        return Prediction(request.id, "yes")

    requests = [Request(f"r{n}", (Turn("user", "?"),)) for n in range(300)]
    found = list(ask_all(call, Service({}).classify, requests, OnlineCalls()))
    assert len(found) == 300
    assert not any(one.error for one in found)
