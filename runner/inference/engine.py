"""Many requests at a time, each answered once, at the rate that the service bears.

No service is known here. Whoever asks one brings `call`, which puts one request and returns its
answer, and `classify`, which says what it means that `call` raised.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Literal

from runner.base.errors import BackendError
from runner.config import OnlineCalls
from runner.inference.pace import Pace
from runner.inference.rate_limit import RateLimit
from runner.records import Prediction, Request

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before a call is tried again: doubled each time, with jitter."""
GIVE_UP = 10
"""So many requests in a row for which all tries failed: the service is down, so stop and say so
rather than fill the rest with errors."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What it means that a call raised."""

    kind: Literal["quota", "transient", "permanent", "fatal"]
    """`quota`: too many calls, the same one may work later and fewer go at a time. `transient`:
    the same call may work later. `permanent`: this request gets no answer, others may. `fatal`:
    every further call would end the same way."""
    says: str
    """For the request's record: never the request's own text."""
    error: Exception
    """What a `fatal` failure raises."""
    retry_after: float | None = None
    """Seconds the service wants to be left alone."""


Call = Callable[[Request], Prediction]
Classify = Callable[[Exception, int], Failure]
"""From what a call raised, and on which try (from 1), to what that means."""


def ask_all(
    call: Call, classify: Classify, requests: Sequence[Request], limits: OnlineCalls
) -> Iterator[Prediction]:
    """One prediction a request, in the order in which answers come.

    A call that failed for `quota` or in a `transient` way is tried again, `limits.attempts` times
    in all; then, and when it failed for good, the prediction carries the error. Raises the
    `error` of a `fatal` failure, and BackendError when the service is down. Closing the iterator
    begins no further call.
    """
    workers = _Workers(call, classify, RateLimit(limits.start, limits.ceiling), limits.attempts)
    workers.ready.extend(_Task(request) for request in requests)
    try:
        yield from workers.predictions()
    finally:
        workers.close()
        log.debug(
            "%d calls, at the end %d at a time, %s a second",
            workers.calls, int(workers.rate.limit), workers.pace.rate or "any number",
        )  # fmt: skip


@dataclass(slots=True)
class _Task:
    """One request on its way to an answer."""

    request: Request
    attempt: int = 0
    began: float = 0.0
    number: int = 0
    """Of its last call, for the pace."""


@dataclass
class _Workers:
    """Drives the calls from one thread. A call that is under way has a thread to itself, which
    takes the next one when it has ended. They are daemons: when nobody waits for answers any
    more, none is waited for."""

    call: Call
    classify: Classify
    rate: RateLimit
    attempts: int
    pace: Pace = field(default_factory=Pace)
    ready: deque[_Task] = field(default_factory=deque)
    later: list[tuple[float, int, _Task]] = field(default_factory=list)
    """A heap: when to try again, a tie-breaker, the task."""
    begun: SimpleQueue[_Task | None] = field(default_factory=SimpleQueue)
    """Calls that a thread is to make; None ends one."""
    done: SimpleQueue[tuple[_Task, Prediction | Failure]] = field(default_factory=SimpleQueue)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    threads: int = 0
    under_way: int = 0
    """Calls whose end was not taken note of; no more begin while whoever takes the answers is busy
    with one."""
    calls: int = 0
    answers: int = 0
    exhausted: list[Failure] = field(default_factory=list)
    """Requests in a row for which every try failed."""

    def predictions(self) -> Iterator[Prediction]:
        """Everything, to the end."""
        while self.ready or self.later or self.under_way:
            self._begin()
            try:
                task, outcome = self.done.get(timeout=self._longest_wait())
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
            self.ready.appendleft(heapq.heappop(self.later)[2])
        while self.ready and self.rate.allows(self.under_way, now) and now >= self.pace.opens_at:
            task = self.ready.popleft()
            task.attempt, task.began, task.number = task.attempt + 1, now, self.pace.begin(now)
            self.under_way, self.calls = self.under_way + 1, self.calls + 1
            self.begun.put(task)
            if self.threads < self.under_way:
                self.threads += 1
                threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while (task := self.begun.get()) is not None:
            outcome: Prediction | Failure
            try:
                outcome = self.call(task.request)
            except Exception as error:  # classified, and raised again where it is not understood
                outcome = self._classified(error, task.attempt)
            self.done.put((task, outcome))

    def close(self) -> None:
        """Make no further call; threads end with the calls that they are at."""
        try:
            while True:
                self.begun.get_nowait()
        except Empty:
            for _ in range(self.threads):
                self.begun.put(None)

    def _classified(self, error: Exception, attempt: int) -> Failure:
        """A `classify` that raises must not leave the driver waiting for this call for ever."""
        try:
            return self.classify(error, attempt)
        except Exception as mistake:
            return Failure("fatal", type(mistake).__name__, mistake)

    def _longest_wait(self) -> float | None:
        """Seconds until something else than an answer may happen; None for never."""
        moments = [self.later[0][0]] if self.later else []
        if self.ready and self.rate.room(self.under_way):
            moments.append(max(self.rate.resume_at, self.pace.opens_at))
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _settle(self, task: _Task, outcome: Prediction | Failure) -> Prediction | None:
        """What became of a call: a prediction, or None when it is to be tried again."""
        if not isinstance(outcome, Failure):
            self.rate.answered(self.under_way + 1)
            self.answers += 1
            self.exhausted.clear()
            return outcome
        if outcome.kind == "fatal":
            raise outcome.error
        if outcome.kind == "permanent":
            self.answers += 1  # the service is there, it does not want this request
            return Prediction(task.request.id, "", outcome.says, "error", cause="refused")
        return self._put_off(task, outcome)

    def _put_off(self, task: _Task, failure: Failure) -> Prediction | None:
        now = time.monotonic()
        if failure.kind == "quota":
            self.pace.refused(task.number, task.began, now)
            self.rate.refused(task.began, now, failure.retry_after, cut=self.pace.rate is None)
        if task.attempt < self.attempts:
            wait = max(backoff(task.attempt), failure.retry_after or 0.0)
            heapq.heappush(self.later, (now + wait, next(self.numbers), task))
            return None
        self.exhausted.append(failure)
        if len(self.exhausted) >= GIVE_UP:
            raise self._down()
        says = f"no answer after {task.attempt} tries: {failure.says}"
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
