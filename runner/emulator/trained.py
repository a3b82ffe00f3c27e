"""The trainer that tunes for real: the local backend, given exactly the rows of the request."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runner.backends.protocol import TuningJob
from runner.backends.registry import make_backend
from runner.config import Tuning
from runner.emulator.batcher import Batcher
from runner.emulator.trainer import Saved, Stopped, Update, Watch, Work
from runner.errors import BackendError
from runner.records import (
    Checkpoint,
    Example,
    Generation,
    Prediction,
    Request,
    quiet,
    write_jsonl,
)

if TYPE_CHECKING:
    from runner.config import Experiment

POLL_SECONDS = 0.2


class LocalTrainer:
    """Real curves and real checkpoints from a small model, in the place of Gemini.

    `experiment` is a composed one with ``backend: local``. An arm that is tuned through here
    comes out as through that backend: same rows in the same order, seed and hyperparameters.
    """

    def __init__(self, experiment: Experiment, home: Path) -> None:
        self.experiment = experiment
        self.home = home
        self.backend = make_backend(experiment, home)
        # One that answers while the other tunes: a backend does one of them at a time, and
        # clients of the service do not wait for as long as a job lasts.
        self.answers = make_backend(experiment, home / "answers")
        self._batcher = Batcher(self._ask)

    @property
    def limit(self) -> int:
        """The open model's context."""
        return self.experiment.model.context_tokens

    def tokens(self, examples: Sequence[Example]) -> list[tuple[int, int]]:
        """Exact counts of the open model."""
        self.backend.setup(quiet)
        counts = self.backend.count_tokens(examples)
        assert counts is not None  # setup has asked for the packages
        return counts

    def train(self, work: Work, watch: Watch) -> Generator[Update | Saved, None, None]:
        """Run the job as the local backend does; resumes what an earlier emulator began."""
        if work.start:
            raise BackendError("continuous tuning is emulated with a script only, not --model")
        if any(row.rejected for row in work.train):
            raise BackendError("preference tuning is emulated with a script only, not --model")
        self.backend.setup(quiet)
        self.backend.submit(self._job(work))
        try:
            yield from self._follow(work.job, watch)
        except (Stopped, GeneratorExit):
            self.backend.cancel(work.job)
            raise

    def _job(self, work: Work) -> TuningJob:
        folder = self.home / "rows" / work.job
        folder.mkdir(parents=True, exist_ok=True)
        train, validation = folder / "train.jsonl", folder / "validation.jsonl"
        write_jsonl(train, (row.to_json() for row in work.train))
        write_jsonl(validation, (row.to_json() for row in work.validation))
        tuning = Tuning.model_validate(
            {
                "epochs": work.epochs,
                "learning_rate_multiplier": work.multiplier,
                "adapter_size": work.adapter,
            }
        )
        return TuningJob(
            work.job, train, validation if work.validation else None, tuning, work.seed
        )

    def _follow(self, label: str, watch: Watch) -> Iterator[Update | Saved]:
        seen = 0
        while True:
            status = self.backend.find(label)
            points = self.backend.metrics(label)
            if len(points) > seen:
                epoch = int(max(point.epoch for point in points))
                yield Update(points[-1].step, epoch, tuple(points[seen:]))
                seen = len(points)
            if status is None or status.state in ("failed", "cancelled", "interrupted"):
                raise BackendError(f"local tuning ended: {status.error if status else 'no job'}")
            if status.state == "succeeded":
                break
            watch.look(POLL_SECONDS)
        for one in self.backend.result(label).checkpoints:
            yield Saved(round(one.epoch), one.step, one.path)

    def answer(
        self, handle: str, requests: Sequence[Request], generation: Generation
    ) -> list[Prediction]:
        """Answers; requests that wait at the same time are answered in one batch. Leave for
        more tokens than the open model could hold (Gemini takes 65,536) comes to a quarter of
        its context."""
        fits = generation.max_tokens <= self.limit // 2
        most = generation.max_tokens if fits else self.limit // 4
        asked = Generation(most, generation.temperature, generation.seed, generation.stop)
        return self._batcher.answer(handle, requests, asked)

    def _ask(
        self, handle: str, requests: Sequence[Request], generation: Generation
    ) -> Iterator[Prediction]:
        self.answers.setup(quiet)
        checkpoint = Checkpoint("1", 0.0, 0, handle, float("nan")) if handle else None
        return self.answers.generate(checkpoint, requests, generation)

    def close(self) -> None:
        """End the worker processes."""
        self._batcher.close()
        self.answers.close()
        self.backend.close()
