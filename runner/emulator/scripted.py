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
from collections.abc import Callable, Generator, Iterator, Sequence

from runner.emulator.script import Script
from runner.emulator.trainer import Saved, Update, Watch, Work
from runner.records import CurvePoint, Example, Generation, Prediction, Request

STEPS_AN_EPOCH = 50
CHARACTERS_A_TOKEN = 4
WORDS = re.compile(r"\w+")


class ScriptedTrainer:
    """Deterministic: the same rows, script and seed give the same curves and answers."""

    def __init__(self, script: Script, rows: Callable[[str], tuple[Example, ...]]) -> None:
        self.script = script
        self._rows = rows
        self._memories: dict[str, Memory] = {}
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

    def train(self, work: Work, watch: Watch) -> Generator[Update | Saved, None, None]:
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
            yield Update(step, done, tuple(points))
            if ends:
                low, high = self.script.accuracy
                good = low + (high - low) * share
                yield Saved(done, step, json.dumps({"rows": work.dataset, "accuracy": good}))

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
                memory = self._memories[raw["rows"]] = Memory(self._rows(raw["rows"]))
            return memory.answer(request.contents[-1].text, raw["accuracy"])

    def close(self) -> None:
        """Nothing is held."""


class Memory:
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
