"""The life of one tuning job, from its turn in the queue to its end."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.base.errors import SftError
from runner.config import GeminiModel
from runner.emulator import endpoints, tensorboard
from runner.emulator.dataset import Dataset, drop_long, read_dataset, statistics
from runner.emulator.faults import JobFault
from runner.emulator.generate import evaluate
from runner.emulator.refusals import Refusal
from runner.emulator.registry import ADAPTERS, SIZES, StoredResource
from runner.emulator.schema import api
from runner.emulator.service import JobWatch, base_model
from runner.emulator.trainer import SavedCheckpoint, TrainingStopped, TrainingUpdate, TrainingWork

if TYPE_CHECKING:
    from runner.emulator.service import EmulatedService

CANCELLED, DEADLINE, INVALID, INTERNAL = 1, 4, 3, 13
"""`google.rpc.Code` of a job's error."""
DROPPED_SHARE = 0.1
"""A job with more dropped rows than this fails before it trains."""


class TuningRun:
    """Takes one job through its states. Whatever goes wrong ends up in the job's `error`."""

    def __init__(self, service: EmulatedService, job: StoredResource, watch: JobWatch) -> None:
        self.service = service
        self.job = job
        self.watch = watch
        name = "supervisedTuningSpec"
        self.preference = name not in job.body
        self.spec_name = "preferenceOptimizationSpec" if self.preference else name
        self.spec: dict[str, Any] = job.body[self.spec_name]
        self.model = base_model(job.inner["model"])

    def run(self) -> None:
        """All of it."""
        try:
            self._run()
        except TrainingStopped:
            found = self.service.registry.get(self.job.kind, self.job.name)
            if found and found.body["state"] == "JOB_STATE_CANCELLING":
                self.cancelled()
        except Refusal as refusal:
            self._end("JOB_STATE_FAILED", INVALID, refusal.message)
        except Exception as error:  # the job's end, never its thread's
            if not isinstance(error, SftError):
                traceback.print_exc(file=sys.stderr)
            self._end("JOB_STATE_FAILED", INTERNAL, f"Internal error: {error}")

    def cancelled(self) -> None:
        """The job was cancelled."""
        self._end("JOB_STATE_CANCELLED", CANCELLED, "The tuning job was cancelled.")

    def _run(self) -> None:
        script, outcome = self.service.script, self.service.faults.outcome(self.job)
        self._turn()
        self.watch.pause(script.queue_seconds)
        self._change("RUNNING", "PROCESSING_DATASET", startTime=self.service.clock.stamp())
        self.watch.pause(script.dataset_seconds)
        train, validation = self._datasets(outcome)
        work = self._work(train, validation)
        self._change("RUNNING", "WAITING_FOR_CAPACITY")
        self.watch.pause(script.capacity_seconds)
        board = tensorboard.open_board(self.service, self.job)
        self._change("RUNNING", "TUNING", experiment=board.context)
        saved = self._train(work, board, outcome)
        for counted in self.stats.values():
            counted["tuningStepCount"] = str(self.steps)
        self._change("RUNNING", "POST_PROCESSING", tuningDataStats=self.stats)
        self.watch.pause(script.deploy_seconds)
        tuned = endpoints.deploy(self.service, self.job, self.model, saved)
        runs = evaluate(self.service, self.job, saved, validation.rows)
        partial = outcome and outcome.do == "partial"
        state = "JOB_STATE_PARTIALLY_SUCCEEDED" if partial else "JOB_STATE_SUCCEEDED"
        self._end(state, tunedModel=tuned, evaluateDatasetRuns=runs or None)

    def _turn(self) -> None:
        """The quota is there: the job waits for nothing but its start."""
        if self.watch.stopped.is_set():
            raise TrainingStopped
        waiting = {"state": "JOB_STATE_PENDING", "tuningJobState": None}
        self.service.registry.change(self.job, waiting)

    def _datasets(self, outcome: JobFault | None) -> tuple[Dataset, Dataset]:
        """The rows that are kept; the job's statistics say what became of the others."""
        train = self._rows(self.spec["trainingDatasetUri"])
        uri = self.spec.get("validationDatasetUri")
        validation = self._rows(uri) if uri else Dataset((), ())
        limit = min(self.model.context_tokens, self.service.trainer.limit)
        forced = outcome.share if outcome and outcome.do == "drop_rows" else 0.0
        counts = self.service.trainer.tokens(train.rows)
        kept, counts, dropped = drop_long(train, counts, limit, forced)
        self.work_spec = resolved(self.spec, self.model, self.service.default_epochs)
        self.stats = statistics(kept, counts, dropped, self.work_spec.epochs, self.preference)
        self._change("RUNNING", "PROCESSING_DATASET", tuningDataStats=self.stats)
        if len(dropped) > DROPPED_SHARE * len(train.rows):
            raise Refusal(
                400,
                f"{len(dropped)} of {len(train.rows)} examples were dropped: "
                f"{dropped[0].reason} More than 10% of the dataset may not be dropped.",
            )
        return kept, validation

    def _rows(self, uri: str) -> Dataset:
        content = self.service.storage.read(uri)
        if content is None:
            raise Refusal(400, f"Dataset {uri} does not exist any more.")
        return read_dataset(api("v1beta1"), content, uri, preference=self.preference)

    def _work(self, train: Dataset, validation: Dataset) -> TrainingWork:
        chosen = self.work_spec
        spec = {**self.spec, "hyperParameters": chosen.body}
        self._change("RUNNING", "PROCESSING_DATASET", **{self.spec_name: spec})
        label = self.job.body.get("labels", {}).get("sft-seed", "")
        return TrainingWork(
            job=self.job.name.rpartition("/")[2],
            dataset=self.spec["trainingDatasetUri"],
            train=train.rows,
            validation=validation.rows,
            epochs=chosen.epochs,
            multiplier=chosen.multiplier,
            adapter=chosen.adapter,
            seed=int(label) if label.isdigit() else self.service.seed,
            start=self.job.inner["start"],
        )

    def _train(
        self, work: TrainingWork, board: tensorboard.Board, outcome: JobFault | None
    ) -> list[SavedCheckpoint]:
        """Every point goes to the board as it comes; returns the checkpoints that are kept."""
        saved: list[SavedCheckpoint] = []
        # Closed at once, so that a trainer hears of a job that ends early.
        with closing(self.service.trainer.train(work, self.watch)) as training:
            for news in training:
                if isinstance(news, SavedCheckpoint):
                    saved.append(news)
                    continue
                self.steps = news.step
                board.plot(news.points)
                self._progress(news)
                if outcome:
                    self._suffer(outcome, news, work)
        if outcome and outcome.do == "partial" and len(saved) > 1:
            saved = saved[:-1]
        wanted = kept_epochs(work.epochs, bool(self.spec.get("exportLastCheckpointOnly")))
        return [one for one in saved if one.epoch in wanted]

    def _progress(self, news: TrainingUpdate) -> None:
        done = {"completedEpochCount": str(news.epoch), "completedStepCount": str(news.step)}
        self._change("RUNNING", "TUNING", tuningJobMetadata=done)

    def _suffer(self, outcome: JobFault, news: TrainingUpdate, work: TrainingWork) -> None:
        """A planned end, once the job has come half way."""
        if news.epoch < work.epochs // 2:
            return
        match outcome.do:
            case "stuck":
                while True:
                    self.watch.look(3600)
            case "failed":
                raise Refusal(400, "Internal error encountered while tuning the model.")
            case "expired":
                self._end("JOB_STATE_EXPIRED", DEADLINE, "The tuning job ran out of time.")
                raise TrainingStopped
            case "cancelled":
                self.cancelled()
                raise TrainingStopped

    def _change(self, state: str, phase: str, **more: Any) -> None:
        """Write progress, unless somebody has asked for the job's end."""
        if self.watch.stopped.is_set():
            raise TrainingStopped
        body = {"state": f"JOB_STATE_{state}", "tuningJobState": f"TUNING_JOB_STATE_{phase}"}
        stamp = {"updateTime": self.service.clock.stamp()}
        self.service.registry.change(self.job, {**body, **more, **stamp})

    def _end(self, state: str, code: int = 0, message: str = "", **more: Any) -> None:
        now = self.service.clock.stamp()
        error = {"error": {"code": code, "message": message}} if code else {}
        body = {"state": state, "tuningJobState": None, "endTime": now, "updateTime": now}
        self.service.registry.change(self.job, {**body, **error, **more})


# What a job's hyperparameters come to when the client leaves some of them open.

DEFAULT_ADAPTER = 2
"""As the service chose for a set of 166 rows."""
EVERY_EPOCH = 10
"""Up to this many epochs each has its checkpoint; with more there are ten, evenly spaced,
and the last."""


@dataclass(frozen=True, slots=True)
class ResolvedHyperparameters:
    """The numbers, and `body`: the same as the job's `hyperParameters` show them."""

    epochs: int
    multiplier: float
    adapter: int
    body: Mapping[str, Any]


def resolved(
    spec: Mapping[str, Any], model: GeminiModel, default_epochs: int
) -> ResolvedHyperparameters:
    """Every hyperparameter of a tuning spec."""
    asked = spec.get("hyperParameters", {})
    epochs = int(asked.get("epochCount") or default_epochs)
    multiplier = float(asked.get("learningRateMultiplier") or 1.0)
    sizes = model.adapter_sizes
    default = DEFAULT_ADAPTER if DEFAULT_ADAPTER in sizes else sizes[0]
    adapter = SIZES.get(asked.get("adapterSize", ""), default)
    body = {
        **asked,
        "epochCount": str(epochs),
        "learningRateMultiplier": multiplier,
        "adapterSize": ADAPTERS[adapter],
    }
    return ResolvedHyperparameters(epochs, multiplier, adapter, body)


def kept_epochs(epochs: int, last_only: bool) -> set[int]:
    """The epochs after which a checkpoint is kept."""
    if last_only:
        return {epochs}
    if epochs <= EVERY_EPOCH:
        return set(range(1, epochs + 1))
    return {round(epochs * part / EVERY_EPOCH) for part in range(1, EVERY_EPOCH + 1)}
