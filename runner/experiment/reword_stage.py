"""The untuned model's wordings of training rows, where `prepare.augment` asks for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from runner.config import Experiment
from runner.experiment.asking import Asking
from runner.experiment.prepare_stage import Prepare
from runner.experiment.stage import ArmRun, Stage
from runner.inference import PREDICT_VERSION, Question
from runner.records import Generation, Request, Turn


@dataclass(frozen=True)
class Reword(Asking):
    """Answers to one prompt a training row that is selected."""

    name = "reword"
    folder = "predict"
    """Answers like all others: kept among them, under their version."""
    of_data = True
    group = "prepare"
    what = "paraphrase"

    @staticmethod
    def version() -> str:
        return PREDICT_VERSION

    @classmethod
    def wanted(cls, experiment: Experiment) -> bool:
        return experiment.prepare.augment.paraphrase is not None

    def needs(self, run: ArmRun) -> Iterable[Stage[Any]]:
        return (Prepare(),)

    def question(self, run: ArmRun) -> Question:
        return run.hold(self, lambda: self._question(run))

    def expected(self, run: ArmRun) -> list[Request]:
        return self.question(run).requests

    def _question(self, run: ArmRun) -> Question:
        from runner.prepare import reword_prompts

        prepare, seed = run.experiment.prepare, run.experiment.seed
        asked = prepare.augment.paraphrase
        assert asked is not None
        path = run.make(Prepare()).path
        prompts = reword_prompts(path, prepare.select, prepare.augment, seed, run.encode)
        requests = [Request(name, (Turn("user", prompt),)) for name, prompt in prompts]
        generation = Generation(asked.max_tokens, asked.temperature, seed)
        model = {"backend": run.backend.identity(), "checkpoint": None}
        return Question(requests, model, generation)
