"""Answers to every example of a split, by a checkpoint or by the untuned model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runner.experiment.asking import AskingStage
from runner.experiment.context import check_there
from runner.experiment.guard_rows import suite_for
from runner.experiment.paid_answers import count_text
from runner.experiment.render_stage import RenderStage, examples
from runner.experiment.stage import AnswerSet, AnswerStage, ArmRun, CheckpointsToCome, Stage
from runner.experiment.tune_stage import TuneStage
from runner.inference import PREDICT_VERSION, requests_for
from runner.money import AnswerOrder, Band, Order
from runner.records import Generation, Prediction, Request
from runner.records.gates import GUARD


@dataclass(frozen=True)
class PredictStage(AskingStage, AnswerStage[list[Prediction]]):
    answers: AnswerSet
    name = "predict"

    @staticmethod
    def version() -> str:
        return PREDICT_VERSION

    def needs(self, run: ArmRun) -> Iterable[Stage[Any]]:
        return (RenderStage(), TuneStage()) if self.answers.tuned else (RenderStage(),)

    @property
    def group(self) -> str:  # type: ignore[override]
        return "evaluation" if self.answers.tuned else "baseline"

    @property
    def what(self) -> str:
        return self.answers.what

    @property
    def planned(self) -> str:
        return self.answers.split

    @property
    def times(self) -> Band:
        return self.answers.times

    @property
    def tuned(self) -> bool:
        return self.answers.tuned

    def requests(self, run: ArmRun) -> list[Request]:
        from runner.sources import with_files

        return with_files(self.expected(run), run.context.known_digests)

    def expected(self, run: ArmRun) -> list[Request]:
        from runner.inference import draw_shots

        shots, seed = self.answers.shots, run.experiment.seed
        drawn = draw_shots(examples(run, "train"), shots, seed) if shots else []
        return requests_for(examples(run, self.answers.split), drawn)

    def generation(self, run: ArmRun) -> Generation:
        asked, seed = suite_for(run, self.answers.split).generation, run.experiment.seed
        return Generation(asked.max_tokens, asked.temperature, seed, tuple(asked.stop))

    def fewest_tokens(self, run: ArmRun, requests: Sequence[Request]) -> int:
        """As many as the targets have; those of a guard are conditions."""
        if self.answers.split == GUARD:
            return 0
        asked, most = {request.id for request in requests}, self.generation(run).max_tokens
        rows = [row for row in examples(run, self.answers.split) if row.id in asked]
        return sum(min(count_text(row.target)[0], most) for row in rows)

    def model(self, run: ArmRun) -> Mapping[str, Any]:
        checkpoint = self.answers.checkpoint
        asked = [run.digest(TuneStage()), checkpoint.id] if checkpoint else None
        return {"backend": run.backend_identity(), "checkpoint": asked}

    def asks(self, run: ArmRun) -> Iterable[Order]:
        """The service's own evaluation of checkpoints puts the same requests, and is billed as
        batch prediction."""
        to_come = isinstance(self.answers.by, CheckpointsToCome)
        for order in super().asks(run):
            yield order
            assert isinstance(order, AnswerOrder)
            if to_come and run.terms.evaluates and self.answers.split == "validation":
                calls = replace(order.calls, what="validation, by the service", batch=True)
                yield replace(order, calls=calls)

    def generate(self, run: ArmRun, requests: Sequence[Request]) -> Iterator[Prediction]:
        checkpoint = self.answers.checkpoint
        if checkpoint:
            tuned = run.make(TuneStage())
            check_there(run.context.ledger, tuned.digest, checkpoint, tuned.path)
        return run.backend.generate(checkpoint, requests, self.generation(run))
