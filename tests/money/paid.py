"""A service that takes money: a backend plug-in that answers at once and counts what it is asked.

Jobs and calls are counted in ``service.json`` in the runner's home, as a service would remember
them, so that tests see what was bought however often the runner was started.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from runner.backends.protocol import BackendTerms, JobStatus, TuningJob
from runner.base.errors import BackendError
from runner.config import Experiment
from runner.records import (
    Checkpoint,
    CurvePoint,
    Example,
    Generation,
    Prediction,
    Progress,
    Request,
    TuningResult,
)

PROMPT_TOKENS, OUTPUT_TOKENS = 1000, 100
"""Of every call."""
BILLED = 2_000_000
"""Tokens of every tuning job: 6.00 USD on gemini-3.1-flash-lite."""


class PaidBackend:
    """`options.fail` makes every tuning job fail; with a file ``lose`` in the home the answer
    to a submit is lost."""

    def __init__(self, experiment: Experiment, home: Path) -> None:
        self.options = experiment.backend.options  # type: ignore[union-attr]
        self.epochs = experiment.tuning.most_epochs
        self.state = home / "service.json"

    def _read(self) -> dict[str, list[str]]:
        known: dict[str, list[str]] = {"jobs": [], "calls": []}
        return json.loads(self.state.read_text()) if self.state.exists() else known

    def _remember(self, kind: str, what: str) -> None:
        known = self._read()
        known[kind].append(what)
        self.state.write_text(json.dumps(known))

    def identity(self) -> dict[str, object]:
        return {"service": "paid"}

    def terms(self) -> BackendTerms:
        return BackendTerms(remote=True)

    def setup(self, progress: Progress) -> None:
        progress(1, 1)

    def count_tokens(self, examples: Sequence[Example]) -> None:
        return None

    def submit(self, job: TuningJob) -> None:
        self._remember("jobs", job.label)
        if self.state.with_name("lose").exists():
            raise BackendError("no connection", transient=True)

    def find(self, label: str) -> JobStatus | None:
        if label not in self._read()["jobs"]:
            return None
        if self.options.get("fail"):
            return JobStatus("failed", error="no such bucket")
        return JobStatus("succeeded", 1, 1)

    def metrics(self, label: str) -> list[CurvePoint]:
        return []

    def result(self, label: str) -> TuningResult:
        made = tuple(Checkpoint(str(n), n, n, f"endpoints/{n}", 0.5) for n in (1, 2))
        return TuningResult(made, (), 8, 100, 60.0, {}, billable_tokens=BILLED)

    def cancel(self, label: str) -> None:
        raise AssertionError("nothing runs here")

    def generate(
        self, checkpoint: Checkpoint | None, requests: Sequence[Request], generation: Generation
    ) -> Iterator[Prediction]:
        for request in requests:
            self._remember("calls", request.id)
            right = "refund" if checkpoint else "?"
            yield Prediction(
                request.id, right, prompt_tokens=PROMPT_TOKENS, output_tokens=OUTPUT_TOKENS
            )

    def close(self) -> None:
        pass
