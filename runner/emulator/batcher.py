"""Calls that come one by one, answered many at a time.

Clients of the service send one prompt a call, many calls at once; a model on this machine
answers a batch in little more time than one prompt. One thread gathers what waits for the
same checkpoint with the same settings and asks once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from runner.errors import BackendError
from runner.records import Generation, Prediction, Request

GATHER_SECONDS = 0.02
"""How long the first call waits for company."""

Ask = Callable[[str, Sequence[Request], Generation], Iterable[Prediction]]


@dataclass(frozen=True, slots=True)
class Waiting:
    """One request and who waits for its answer."""

    handle: str
    request: Request
    generation: Generation
    answer: Future[Prediction] = field(default_factory=Future)


class Batcher:
    """Safe to use from threads; `ask` is called from one thread only."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._news = threading.Condition()
        self._queue: list[Waiting] = []
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="answers", daemon=True)
        self._thread.start()

    def answer(
        self, handle: str, requests: Sequence[Request], generation: Generation
    ) -> list[Prediction]:
        """Answers in the order of the requests. Raises what `ask` raises."""
        waiting = [Waiting(handle, request, generation) for request in requests]
        with self._news:
            if self._closing:
                raise BackendError("the emulator is closing", transient=True)
            self._queue += waiting
            self._news.notify()
        return [one.answer.result() for one in waiting]

    def close(self) -> None:
        """Finish what is being answered; whoever still waits gets a BackendError."""
        with self._news:
            self._closing = True
            self._news.notify()
        self._thread.join()
        for one in self._queue:
            one.answer.set_exception(BackendError("the emulator is closing", transient=True))

    def _work(self) -> None:
        while batch := self._next():
            numbered = [replace(one.request, id=str(number)) for number, one in enumerate(batch)]
            try:
                found = {
                    answer.id: answer
                    for answer in self._ask(batch[0].handle, numbered, batch[0].generation)
                }
                for number, one in enumerate(batch):
                    answer = found[str(number)]
                    one.answer.set_result(replace(answer, id=one.request.id))
            except Exception as error:  # belongs to whoever asked, in their thread
                for one in batch:
                    if not one.answer.done():
                        one.answer.set_exception(error)

    def _next(self) -> list[Waiting]:
        with self._news:
            while not self._queue and not self._closing:
                self._news.wait()
            if self._closing:
                return []
        time.sleep(GATHER_SECONDS)
        with self._news:
            first = self._queue[0]
            batch = [
                one
                for one in self._queue
                if (one.handle, one.generation) == (first.handle, first.generation)
            ]
            self._queue = [one for one in self._queue if one not in batch]
        return batch
