"""The host's end of the generate worker: keeps one alive and passes questions and answers.

Wire format, one JSON object a line. To the worker: ``{"adapter", "generation", "requests"}``.
Back: ``{"prediction": ...}`` for each request in any order, then ``{"done": true}``; or
``{"error": sentence}`` when the call as a whole failed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from runner.backends.local.jobs import holding
from runner.backends.local.process import GENERATE_NEEDS, Worker, require
from runner.base.errors import BackendError
from runner.records import Checkpoint, Generation, Prediction, Request


@dataclass
class Generator:
    """Starts the worker at the first question, and again after a crash."""

    folder: Path
    context_tokens: int
    device: str
    threads: int
    batch: int
    jobs: Path
    _worker: Worker | None = None
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def log(self) -> Path:
        return self.jobs / "generate.log"

    def answer(
        self, checkpoint: Checkpoint | None, requests: Sequence[Request], generation: Generation
    ) -> Iterator[Prediction]:
        """One call; others wait for their turn, and for a tuning job that has the device.

        Raises BackendError when the worker crashed; the next call starts a new one.
        """
        if not requests:
            return
        question = {
            "adapter": checkpoint.path if checkpoint else None,
            "generation": asdict(generation),
            "requests": [asdict(request) for request in requests],
        }
        with self._turn, holding(self.jobs / "device.lock"):
            worker = self._alive()
            finished = False
            try:
                worker.input.write(json.dumps(question).encode() + b"\n")
                worker.input.flush()
                for line in worker.output:
                    reply: dict[str, Any] = json.loads(line)
                    if "prediction" in reply:
                        yield Prediction.from_json(reply["prediction"])
                        continue
                    finished = True
                    if "error" in reply:
                        raise BackendError(reply["error"], log=str(self.log))
                    return
                raise BrokenPipeError
            except BrokenPipeError:
                worker.stop()
                raise BackendError(
                    f"generation stopped: {worker.exit_note() or 'the worker is gone'}",
                    transient=True,
                    log=str(self.log),
                ) from None
            finally:
                if not finished:  # crashed, or nobody wants the rest of the answers
                    self.close()

    def close(self) -> None:
        """End the worker. The next question starts a new one."""
        worker, self._worker = self._worker, None
        if worker:
            worker.stop()

    def _alive(self) -> Worker:
        if self._worker and self._worker.process.poll() is not None:
            self.close()
        if self._worker is None:
            require(GENERATE_NEEDS, "Generation on this machine")
            self.jobs.mkdir(parents=True, exist_ok=True)
            settings = {
                "folder": str(self.folder),
                "context_tokens": self.context_tokens,
                "device": self.device,
                "threads": self.threads,
                "batch": self.batch,
            }
            self._worker = Worker(
                "runner.backends.local.generate_worker",
                [json.dumps(settings)],
                log=self.log,
                threads=self.threads,
                talk=True,
            )
        return self._worker
