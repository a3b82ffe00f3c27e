"""The finished tuning job: its curves and its checkpoints."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from runner.backends.protocol import TuningJob
from runner.base.errors import SftError
from runner.experiment.identity import file_digest
from runner.experiment.paid_answers import count
from runner.experiment.render_stage import RenderedRows, RenderStage
from runner.experiment.stage import ArmRun, CheckpointsToCome, Stage
from runner.money import Band, DatasetTokens, Order, TuningOrder, checkpoints, dataset_tokens
from runner.records import Example, TuningResult, read_jsonl, read_record

BOTH = ("train", "validation")


@dataclass(frozen=True)
class TuneStage(Stage[TuningResult]):
    name = "tune"

    @staticmethod
    def version() -> str:
        from runner.tuning import TUNE_VERSION

        return TUNE_VERSION

    @classmethod
    def of(cls, run: ArmRun) -> Iterable[Stage[Any]]:
        return (cls(),) if run.kind == "tuned" else ()

    def needs(self, run: ArmRun) -> Iterable[Stage[Any]]:
        return (RenderStage(),)

    def key(self, run: ArmRun) -> Mapping[str, Any]:
        from runner.sources import examples_digest

        experiment, rendered = run.experiment, run.read(RenderStage())
        train, validation = (rendered.file(split) for split in BOTH)
        files = [examples_digest(file, run.context.known_digests) for file in (train, validation)]
        # How many answers are asked for at a time changes nothing that was tuned.
        settings = experiment.backend.shaping()
        settings.pop("generation_batch", None)
        return {
            "version": self.version(),
            "train": file_digest(train),
            "validation": file_digest(validation),
            "tuning": experiment.tuning.model_dump(mode="json", exclude={"max_epochs"}),
            "seed": run.run_seed,
            "backend": run.backend_identity(),
            "settings": settings,
            "learning_rate": experiment.model.base_learning_rate,
            **({"files": files} if any(files) else {}),
        }

    def asks(self, run: ArmRun) -> Iterable[Order]:
        if run.find(self):
            return
        rendered = run.read(RenderStage())
        train, validation = (_billed(rendered.file(split)) for split in BOTH)
        yield TuningOrder(run.digest(self), train, validation, epochs(run))

    def build(self, run: ArmRun, out: Path) -> None:
        from runner.tuning import tune

        experiment, ledger, account = run.experiment, run.context.ledger, run.account
        label, rendered = run.digest(self), run.read(RenderStage())
        tokens = trained_tokens(run, rendered)

        def intend() -> None:
            account.reserve(label)
            ledger.claim(account.experiment, account.arm, label)
            ledger.intend_job(label, experiment.model.name, tokens)

        job = _job(run, rendered, label)
        try:
            with run.context.slots:
                watch, listen = run.context.watch("tune"), run.context.listen
                result = tune(run.backend, job, watch, listen, intend)
        except SftError as error:
            if not getattr(error, "in_doubt", False):  # else the intent stays open
                ledger.end_job(label, "failed", 0.0, str(error))
            if not getattr(error, "transient", False):  # else it may be running, and billed
                account.release(label)
            raise
        account.settle(label, result.billed(tokens))
        ledger.add_resources(label, result.resources)
        ledger.end_job(label, "succeeded", result.seconds)
        (out / "result.json").write_text(json.dumps(asdict(result)), encoding="utf-8")

    def read(self, path: Path) -> TuningResult:
        return read_record(path / "result.json", TuningResult)


def _job(run: ArmRun, rendered: RenderedRows, label: str) -> TuningJob:
    validation, ledger = rendered.file("validation"), run.context.ledger
    return TuningJob(
        label=label,
        train=rendered.file("train"),
        validation=validation if validation.stat().st_size else None,
        tuning=run.experiment.tuning.settled(),
        seed=run.run_seed,
        record=lambda item: ledger.add_resources(label, [item], anew=True),
        forget=ledger.mark_deleted,
        sought=ledger.is_intended(label),
    )


def epochs(run: ArmRun) -> Band:
    """Left to the service, it may be any number up to the one at which the job is stopped."""
    tuning = run.experiment.tuning
    return Band(tuning.fewest_epochs, tuning.most_epochs)


def checkpoints_to_come(run: ArmRun) -> CheckpointsToCome:
    """Those that a job leaves which has not ended."""
    last, passes = run.terms.last_checkpoint_only, epochs(run)
    low, high = (checkpoints(number, last_only=last) for number in (passes.low, passes.high))
    return CheckpointsToCome(Band(low, high))


def trained_tokens(run: ArmRun, rendered: RenderedRows) -> int:
    """Tokens of all epochs; the upper estimate where no exact count is possible."""
    return int(rendered.train_tokens.high) * run.experiment.tuning.most_epochs


@lru_cache(maxsize=64)
def _billed(file: Path) -> DatasetTokens:
    """Billed tokens of one pass over a file of an artifact, which never changes."""
    return dataset_tokens(map(Example.from_json, read_jsonl(file)), count)
