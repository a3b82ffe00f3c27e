"""Several arms at a time, for a backend that does its work elsewhere."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

EVALUATING = 3
"""Arms that may be evaluated while others are tuned."""


class Slots:
    """Lets `count` tuning jobs be under way at a time. Entering raises KeyboardInterrupt once
    `order`, the file that `sft cancel` writes, is there: also for arms that waited for a turn."""

    def __init__(self, count: int, order: Path) -> None:
        self._free = threading.Semaphore(count)
        self._order = order

    def __enter__(self) -> None:
        self._free.acquire()
        if self._order.exists():
            self._free.release()
            raise KeyboardInterrupt

    def __exit__(self, *_: object) -> None:
        self._free.release()


def stop_order(home: Path, experiment: str) -> Path:
    """A file that tells the process that runs the experiment to begin no further arm."""
    return home / "locks" / f"{experiment}.stop"


def run_parallel(jobs: Sequence[Callable[[], None]], width: int, stop: threading.Event) -> None:
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
