"""Answers from Gemini by single calls, as many at a time as the service bears."""

from __future__ import annotations

import heapq
import itertools
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from runner.config import GeminiModel, OnlineCalls
from runner.errors import BackendError
from runner.records import Generation, Prediction, Request
from runner.vertex.errors import translated
from runner.vertex.pace import Pace
from runner.vertex.requests import body_of, prediction_of, sdk_config
from runner.vertex.thinking import How
from runner.vertex.trouble import Trouble, trouble_of

log = logging.getLogger(__name__)

ASKING = "asking the model"
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before a call is tried again: doubled each time, with jitter."""
GIVE_UP = 10
"""So many requests in a row for which all tries failed: the service is down, so stop and say so
rather than fill the rest with errors."""


@dataclass(slots=True)
class Task:
    """One request on its way to an answer."""

    request: Request
    attempt: int = 0
    began: float = 0.0


Outcome = Mapping[str, Any] | Trouble
Call = Callable[[Request], Mapping[str, Any]]
"""Makes the call; returns the response as JSON or raises what the SDK raises."""
Read = Callable[[str, Mapping[str, Any]], Prediction]
"""From a request's id and the response to its answer."""


def caller(
    client: Any, name: str, model: GeminiModel, how: How, generation: Generation, timeout: float
) -> Call:
    """Calls `generateContent` on `name`: a full endpoint name, or the id of a base model."""

    def call(request: Request) -> Mapping[str, Any]:
        body = body_of(request, generation, model, how)
        config = {
            **sdk_config(body),
            "automaticFunctionCalling": {"disable": True},
            "httpOptions": {"timeout": int(1000 * timeout)},
        }
        response = client.models.generate_content(
            model=name, contents=body["contents"], config=config
        )
        found: dict[str, Any] = response.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude={"sdk_http_response", "parsed"}
        )
        return found

    return call


def ask_online(
    call: Call, requests: Sequence[Request], limits: OnlineCalls, read: Read = prediction_of
) -> Iterator[Prediction]:
    """Predictions in the order in which answers come, `read` from the responses.

    Calls that met 429, 5xx or a lost connection are tried again, `limits.attempts` times in
    all; then, and for a row that the service refuses, the prediction carries the error. Raises
    BackendError when no call can work (permission, wrong name) or the service is down. Closing
    the iterator begins no further call.
    """
    crew = _Crew(call, Pace(limits.start, limits.ceiling), limits.attempts, read)
    crew.ready.extend(Task(request) for request in requests)
    try:
        yield from crew.predictions()
    finally:
        log.debug("%d calls, limit at the end %d", crew.calls, int(crew.pace.limit))


@dataclass
class _Crew:
    """Drives the calls from one thread; each call has a thread of its own, which a daemon may
    be: when nobody waits for answers any more, none is waited for."""

    call: Call
    pace: Pace
    attempts: int
    read: Read
    ready: deque[Task] = field(default_factory=deque)
    later: list[tuple[float, int, Task]] = field(default_factory=list)
    """A heap: when to try again, a tie-breaker, the task."""
    done: SimpleQueue[tuple[Task, Outcome]] = field(default_factory=SimpleQueue)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    under_way: int = 0
    calls: int = 0
    answers: int = 0
    exhausted: list[Trouble] = field(default_factory=list)
    """Requests in a row for which every try failed."""

    def predictions(self) -> Iterator[Prediction]:
        """Everything, to the end."""
        while self.ready or self.later or self.under_way:
            self._begin()
            try:
                task, outcome = self.done.get(timeout=self._patience())
            except Empty:
                continue
            self.under_way -= 1
            prediction = self._settle(task, outcome)
            if prediction is not None:
                yield prediction
        if self.exhausted and not self.answers:
            raise self._down()

    def _begin(self) -> None:
        """Begin as many calls as may be under way now."""
        now = time.monotonic()
        while self.later and self.later[0][0] <= now:
            self.ready.append(heapq.heappop(self.later)[2])
        while self.ready and self.pace.allows(self.under_way, now):
            task = self.ready.popleft()
            task.attempt, task.began = task.attempt + 1, now
            self.under_way, self.calls = self.under_way + 1, self.calls + 1
            threading.Thread(target=self._work, args=(task,), daemon=True).start()

    def _work(self, task: Task) -> None:
        outcome: Outcome
        try:
            outcome = self.call(task.request)
        except Exception as error:  # judged, and raised again where it is not understood
            outcome = trouble_of(error, task.attempt)
        self.done.put((task, outcome))

    def _patience(self) -> float | None:
        """Seconds until something else than an answer may happen; None for never."""
        moments = [self.later[0][0]] if self.later else []
        if self.ready and self.pace.resume_at > time.monotonic():
            moments.append(self.pace.resume_at)
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _settle(self, task: Task, outcome: Outcome) -> Prediction | None:
        """What became of a call: a prediction, or None when it is to be tried again."""
        if not isinstance(outcome, Trouble):
            self.pace.answered(self.under_way + 1)
            self.answers += 1
            self.exhausted.clear()
            return self.read(task.request.id, outcome)
        if outcome.kind == "fatal":
            with translated(ASKING):
                raise outcome.error
        if outcome.kind == "row":
            self.answers += 1  # the service is there, it does not want this row
            return Prediction(task.request.id, "", outcome.says, "error", cause="refused")
        return self._put_off(task, outcome)

    def _put_off(self, task: Task, trouble: Trouble) -> Prediction | None:
        now = time.monotonic()
        if trouble.kind == "busy":
            self.pace.refused(task.began, now, trouble.retry_after)
        if task.attempt < self.attempts:
            wait = max(backoff(task.attempt), trouble.retry_after or 0.0)
            heapq.heappush(self.later, (now + wait, next(self.numbers), task))
            return None
        self.exhausted.append(trouble)
        if len(self.exhausted) >= GIVE_UP:
            raise self._down()
        says = f"no answer after {task.attempt} tries: {trouble.says}"
        return Prediction(task.request.id, "", says, "error", cause="service")

    def _down(self) -> BackendError:
        tries = f"{len(self.exhausted)} requests in a row, {self.attempts} tries each"
        return BackendError(
            f"the service does not answer ({tries}): {self.exhausted[-1].says}\n"
            "  answers so far are kept; give the same command again later to go on",
            transient=True,
        )


def backoff(attempt: int) -> float:
    """Seconds to wait after the `attempt`-th try: doubling, with jitter so that calls which
    failed together do not come back together."""
    longest = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (attempt - 1))
    return longest * random.uniform(0.5, 1.0)
