"""The trainer that plays a script: curves by formula, answers from the training rows."""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.backends.protocol import TuningJob
from runner.backends.registry import make_backend
from runner.base.errors import BackendError
from runner.config import Tuning
from runner.emulator.trainer import (
    SavedCheckpoint,
    Script,
    StopWatch,
    TrainingStopped,
    TrainingUpdate,
    TrainingWork,
)
from runner.records import (
    Checkpoint,
    CurvePoint,
    Example,
    Generation,
    Prediction,
    Request,
    quiet,
    write_jsonl,
)

if TYPE_CHECKING:
    from runner.config import Experiment

STEPS_AN_EPOCH = 50
CHARACTERS_A_TOKEN = 4
WORDS = re.compile(r"\w+")


class ScriptedTrainer:
    """Deterministic: the same rows, script and seed give the same curves and answers."""

    def __init__(self, script: Script, rows: Callable[[str], tuple[Example, ...]]) -> None:
        self.script = script
        self._rows = rows
        self._memories: dict[str, RowsByPrompt] = {}
        self._lock = threading.Lock()

    @property
    def limit(self) -> int:
        """No limit of its own."""
        return sys.maxsize

    def tokens(self, examples: Sequence[Example]) -> list[tuple[int, int]]:
        """Four characters a token."""
        return [
            (count(example.system) + sum(count(turn.text) for turn in example.contents),
             count(example.target))
            for example in examples
        ]  # fmt: skip

    def train(
        self, work: TrainingWork, watch: StopWatch
    ) -> Generator[TrainingUpdate | SavedCheckpoint, None, None]:
        """One update a step, one checkpoint an epoch."""
        batch = max(self.script.batch_size, math.ceil(len(work.train) / STEPS_AN_EPOCH))
        per_epoch = math.ceil(len(work.train) / batch)
        total = per_epoch * work.epochs
        dice = random.Random(f"{work.seed}/{work.multiplier}/{work.adapter}")
        for step in range(1, total + 1):
            watch.pause(self.script.tuning_seconds / total)
            done, share = step // per_epoch, step / total
            points = list(self._points("train", share, step, per_epoch, batch, dice))
            ends = step % per_epoch == 0
            if work.validation and (ends or step == 1):
                rows = len(work.validation)
                points += self._points("eval", share, step, per_epoch, rows, dice)
            yield TrainingUpdate(step, done, tuple(points))
            if ends:
                low, high = self.script.accuracy
                good = low + (high - low) * share
                yield SavedCheckpoint(
                    done, step, json.dumps({"rows": work.dataset, "accuracy": good})
                )

    def _points(
        self, kind: str, share: float, step: int, per_epoch: int, rows: int, dice: random.Random
    ) -> Iterator[CurvePoint]:
        """Loss falls exponentially; the share of right tokens is what it leaves."""
        script = self.script
        floor = script.end_loss * (1.25 if kind == "eval" else 1.0)
        loss = floor + (script.start_loss - floor) * math.exp(-5 * share)
        if kind == "eval":
            loss += max(0.0, share - script.overfit_from) * script.start_loss
        loss *= 1 + script.noise * dice.uniform(-1, 1)
        now, epoch = int(time.time() * 1000), step / per_epoch
        values = {
            "total_loss": loss,
            "fraction_of_correct_next_step_preds": math.exp(-0.7 * loss),
            "num_predictions": float(rows * 20),
        }
        for name, value in values.items():
            yield CurvePoint(f"{kind}_{name}", step, value, now, epoch)

    def answer(
        self, handle: str, requests: Sequence[Request], generation: Generation
    ) -> list[Prediction]:
        """The nearest training row's target, or another row's, as the accuracy has it."""
        return [self._answer(handle, request, generation) for request in requests]

    def _answer(self, handle: str, request: Request, generation: Generation) -> Prediction:
        text = self._tuned(handle, request) if handle else self._base(request)
        for stop in generation.stop:
            text = text.split(stop)[0]
        cut = text[: generation.max_tokens * CHARACTERS_A_TOKEN]
        asked = count(request.system) + sum(count(turn.text) for turn in request.contents)
        return Prediction(
            request.id,
            cut,
            finish="length" if len(cut) < len(text) else "stop",
            prompt_tokens=asked,
            output_tokens=count(cut),
        )

    def _base(self, request: Request) -> str:
        worked = [turn.text for turn in request.contents if turn.role == "model"]
        return self.script.base_answer or (worked or [request.contents[-1].text])[-1]

    def _tuned(self, handle: str, request: Request) -> str:
        raw = json.loads(handle)
        with self._lock:
            memory = self._memories.get(raw["rows"])
            if memory is None:
                memory = self._memories[raw["rows"]] = RowsByPrompt(self._rows(raw["rows"]))
            return memory.answer(request.contents[-1].text, raw["accuracy"])

    def close(self) -> None:
        """Nothing is held."""


class RowsByPrompt:
    """The training rows of one data set, found again by the words of their prompts."""

    def __init__(self, rows: Sequence[Example]) -> None:
        self.rows = rows
        self.words = [set(WORDS.findall(row.prompt.lower())) for row in rows]
        self.places: dict[str, list[int]] = defaultdict(list)
        for number, words in enumerate(self.words):
            for word in words:
                self.places[word].append(number)
        self._known: dict[str, int] = {}

    def answer(self, prompt: str, accuracy: float) -> str:
        """A question that is answered well once is answered well by all better checkpoints."""
        digest = int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:8], "big")
        if digest / 2**64 < accuracy:
            return self.rows[self._nearest(prompt)].target
        return self.rows[digest % len(self.rows)].target

    def _nearest(self, prompt: str) -> int:
        """Row with the highest Jaccard similarity of words; the first of equals."""
        if prompt not in self._known:
            words = set(WORDS.findall(prompt.lower()))
            shared = Counter(row for word in words for row in self.places.get(word, ()))
            self._known[prompt] = max(
                sorted(shared) or [0],
                key=lambda row: shared[row] / (len(words | self.words[row]) or 1),
            )
        return self._known[prompt]


def count(text: str) -> int:
    """Tokens of a text, estimated."""
    return math.ceil(len(text) / CHARACTERS_A_TOKEN)


# The trainer that tunes for real: the local backend, given exactly the rows of the request.

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
        self._batcher = RequestBatcher(self._ask)

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

    def train(
        self, work: TrainingWork, watch: StopWatch
    ) -> Generator[TrainingUpdate | SavedCheckpoint, None, None]:
        """Run the job as the local backend does; resumes what an earlier emulator began."""
        if work.start:
            raise BackendError("continuous tuning is emulated with a script only, not --model")
        if any(row.rejected for row in work.train):
            raise BackendError("preference tuning is emulated with a script only, not --model")
        self.backend.setup(quiet)
        self.backend.submit(self._job(work))
        try:
            yield from self._follow(work.job, watch)
        except (TrainingStopped, GeneratorExit):
            self.backend.cancel(work.job)
            raise

    def _job(self, work: TrainingWork) -> TuningJob:
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

    def _follow(self, label: str, watch: StopWatch) -> Iterator[TrainingUpdate | SavedCheckpoint]:
        seen = 0
        while True:
            status = self.backend.find(label)
            points = self.backend.metrics(label)
            if len(points) > seen:
                epoch = int(max(point.epoch for point in points))
                yield TrainingUpdate(points[-1].step, epoch, tuple(points[seen:]))
                seen = len(points)
            if status is None or status.state in ("failed", "cancelled", "interrupted"):
                raise BackendError(f"local tuning ended: {status.error if status else 'no job'}")
            if status.state == "succeeded":
                break
            watch.look(POLL_SECONDS)
        for one in self.backend.result(label).checkpoints:
            yield SavedCheckpoint(round(one.epoch), one.step, one.path)

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


# Calls that come one by one, answered many at a time.
#
# Clients of the service send one prompt a call, many calls at once; a model on this machine
# answers a batch in little more time than one prompt. One thread gathers what waits for the same
# checkpoint with the same settings and asks once.

GATHER_SECONDS = 0.02
"""How long the first call waits for company."""

Ask = Callable[[str, Sequence[Request], Generation], Iterable[Prediction]]


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """One request and who waits for its answer."""

    handle: str
    request: Request
    generation: Generation
    answer: Future[Prediction] = field(default_factory=Future)


class RequestBatcher:
    """Safe to use from threads; `ask` is called from one thread only."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._news = threading.Condition()
        self._queue: list[WaitingRequest] = []
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="answers", daemon=True)
        self._thread.start()

    def answer(
        self, handle: str, requests: Sequence[Request], generation: Generation
    ) -> list[Prediction]:
        """Answers in the order of the requests. Raises what `ask` raises."""
        waiting = [WaitingRequest(handle, request, generation) for request in requests]
        with self._news:
            if self._closing:
                raise BackendError("the emulator is closing", transient=True)
            self._queue += waiting
            self._news.notify()
        return [one.answer.result() for one in waiting]

    def close(self) -> None:
        """Finish what is being answered; whoever still waits gets a BackendError."""
        with self._news:
            self._closing = True
            self._news.notify()
        self._thread.join()
        for one in self._queue:
            one.answer.set_exception(BackendError("the emulator is closing", transient=True))

    def _work(self) -> None:
        while batch := self._next():
            numbered = [replace(one.request, id=str(number)) for number, one in enumerate(batch)]
            try:
                found = {
                    answer.id: answer
                    for answer in self._ask(batch[0].handle, numbered, batch[0].generation)
                }
                for number, one in enumerate(batch):
                    answer = found[str(number)]
                    one.answer.set_result(replace(answer, id=one.request.id))
            except Exception as error:  # belongs to whoever asked, in their thread
                for one in batch:
                    if not one.answer.done():
                        one.answer.set_exception(error)

    def _next(self) -> list[WaitingRequest]:
        with self._news:
            while not self._queue and not self._closing:
                self._news.wait()
            if self._closing:
                return []
        time.sleep(GATHER_SECONDS)
        with self._news:
            first = self._queue[0]
            batch = [
                one
                for one in self._queue
                if (one.handle, one.generation) == (first.handle, first.generation)
            ]
            self._queue = [one for one in self._queue if one not in batch]
        return batch
