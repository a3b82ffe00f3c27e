"""Several arms at a time, for a backend that does its work elsewhere."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from runner.config import Experiment, VertexBackend

EVALUATING = 3
"""Arms that may be evaluated while others are tuned."""


def jobs_at_once(experiment: Experiment) -> int:
    """Tuning jobs of this arm's backend that may be under way at a time; 0 for a backend on this
    machine, which does one thing after the other."""
    backend = experiment.backend
    return backend.concurrency if isinstance(backend, VertexBackend) else 0


def run_abreast(jobs: Sequence[Callable[[], None]], width: int, stop: threading.Event) -> None:
    """Run all `jobs`, `width` at a time, begun in order; raise what one of them raised first.

    When this thread is interrupted, `stop` is set and no thread is waited for: they are daemons,
    and what they do elsewhere goes on without them.
    """
    waiting, failures = deque(jobs), list[BaseException]()

    def work() -> None:
        while waiting and not stop.is_set():
            try:
                job = waiting.popleft()
            except IndexError:
                return
            try:
                job()
            except BaseException as error:
                failures.append(error)
                stop.set()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(width, len(jobs)))]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)  # a wait without end would not hear of Ctrl-C
    except BaseException:
        stop.set()
        raise
    if failures:
        raise failures[0]
