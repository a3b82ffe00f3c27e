"""A backend plug-in that plays a script, and a metric plug-in that counts errors.

Rows are ``... question N`` with the answer ``answer N``. `backend.options` say for every model
(``0`` is the untuned one, ``E.C`` the C-th checkpoint of the arm that is tuned for E epochs, and
``E.C@SEED`` that of one replicate) up to which row it is right, and from which row on its answers
are withheld; ``0+N`` is the untuned one after N worked examples, and ``validation`` up to which row
of that split it is right, where it differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.backends.protocol import JobStatus, TuningJob
from runner.config import Experiment, Suite
from runner.evaluation.measure import MetricResult, ScoredAnswer
from runner.records import (
    Checkpoint,
    CurvePoint,
    Example,
    Generation,
    Prediction,
    Progress,
    Request,
    Scale,
    TuningResult,
)
from runner.statistics.measure import mean_of


class ScriptedBackend:
    """Rows named in the file ``busy`` in the home meet a service that has no time."""

    def __init__(self, experiment: Experiment, home: Path) -> None:
        self.script: Mapping[str, Mapping[str, int]] = experiment.backend.options  # type: ignore[union-attr]
        self.jobs, self.calls, self.busy = home / "jobs", home / "calls", home / "busy"
        self.jobs.mkdir(parents=True, exist_ok=True)

    def identity(self) -> dict[str, object]:
        """Says nothing of its script: what the user sets is the runner's to notice."""
        return {"service": "scripted"}

    def setup(self, progress: Progress) -> None:
        progress(1, 1)

    def count_tokens(self, examples: Sequence[Example]) -> None:
        return None

    def submit(self, job: TuningJob) -> None:
        (self.jobs / job.label).write_text(f"{job.tuning.epochs} {job.seed}")

    def find(self, label: str) -> JobStatus | None:
        return JobStatus("succeeded", 1, 1) if (self.jobs / label).exists() else None

    def metrics(self, label: str) -> list[CurvePoint]:
        return []

    def result(self, label: str) -> TuningResult:
        epochs, seed = (self.jobs / label).read_text().split()
        paths = [(n, f"{epochs}.{n}@{seed}") for n in (1, 2)]
        made = tuple(
            Checkpoint(str(n), n, n, path if path in self.script else f"{epochs}.{n}", 0.5)
            for n, path in paths
        )
        return TuningResult(made, (), 8, 100, 1.0, {}, billable_tokens=100)

    def cancel(self, label: str) -> None:
        raise AssertionError("nothing runs here")

    def generate(
        self, checkpoint: Checkpoint | None, requests: Sequence[Request], generation: Generation
    ) -> Iterator[Prediction]:
        shots = (len(requests[0].contents) - 1) // 2 if requests else 0
        untuned = f"0+{shots}" if f"0+{shots}" in self.script else "0"
        script = self.script[checkpoint.path if checkpoint else untuned]
        busy = self.busy.read_text().split() if self.busy.exists() else []
        for request in requests:
            with self.calls.open("a") as out:
                out.write(f"{request.id}\n")
            split, *_, number = request.contents[-1].text.split()
            right_to = script.get(split, script["right_to"])
            if number in busy:
                yield Prediction(request.id, "", "503: busy", "error", cause="service")
            elif int(number) >= script.get("withheld_from", 10**6):
                yield Prediction(request.id, "", "withheld: SAFETY", "error", cause="blocked")
            else:
                said = "answer" if int(number) < right_to else "no answer"
                yield Prediction(request.id, f"{said} {number}")

    def close(self) -> None:
        pass


def names(metric: Any, fields: Sequence[str]) -> list[str]:
    return ["errors"]


def measure(rows: Sequence[ScoredAnswer], metric: Any, suite: Suite) -> MetricResult:
    """Errors of an answer: none, or two; of no answer the metric itself knows nothing."""
    values = [
        float("nan") if row.answer is None else 2.0 * (row.answer != row.references[0])
        for row in rows
    ]
    scale = Scale("errors", 0.0, 3.0, higher_is_better=False)
    return MetricResult([mean_of("errors", values, scale=scale)])
