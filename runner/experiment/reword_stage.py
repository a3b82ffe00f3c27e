"""The untuned model's wordings of training rows, where `prepare.augment` asks for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from runner.config import Experiment
from runner.experiment.asking import AskingStage
from runner.experiment.prepare_stage import PrepareStage
from runner.experiment.stage import ArmRun, Stage
from runner.inference import PREDICT_VERSION
from runner.records import Generation, Request, Turn


@dataclass(frozen=True)
class RewordStage(AskingStage):
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
        return (PrepareStage(),)

    def requests(self, run: ArmRun) -> list[Request]:
        from runner.prepare import reword_prompts

        prepare, path = run.experiment.prepare, run.make(PrepareStage()).path
        seed, encode = run.run_seed, run.encode
        prompts = reword_prompts(path, prepare.select, prepare.augment, seed, encode)
        return [Request(name, (Turn("user", prompt),)) for name, prompt in prompts]

    def generation(self, run: ArmRun) -> Generation:
        asked = run.experiment.prepare.augment.paraphrase
        assert asked is not None
        return Generation(asked.max_tokens, asked.temperature, run.run_seed)
