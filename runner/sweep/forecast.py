"""What each arm will still cost: from its rows and settings to the parts that `runner.money`
prices. What is in the store or the answer cache, and what an earlier arm pays for, is free."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from runner.config import GeminiModel, VertexBackend
from runner.inference import Question, requests_for
from runner.money import (
    Band,
    Calls,
    DatasetTokens,
    Part,
    Price,
    answer_part,
    by_batch,
    checkpoints,
    dataset_tokens,
    readings,
    total,
    tuning_parts,
)
from runner.pipeline import Pipeline
from runner.records import Example, Origin, Request, Turn, read_jsonl
from runner.sweep.arms import Arm
from runner.vertex.thinking import room


@dataclass
class Forecast:
    """Prices the arms of one experiment, in the order in which they run."""

    seen: set[str] = field(default_factory=set)
    """Labels of jobs and answers that an arm before pays for."""
    rows: dict[tuple[str, str], DatasetTokens] = field(default_factory=dict)
    """Digest of the rendered data and split, to its tokens."""

    def price(self, arm: Arm, pipeline: Pipeline) -> Price | None:
        """What is left to pay for the arm; None where nothing has a price."""
        model = arm.experiment.model
        if not isinstance(model, GeminiModel):
            return None
        if arm.kind != "tuned":
            question = pipeline.question("test", None, arm.shots)
            parts = self._asked(arm, model, pipeline, "baseline", "test", question)
            return Price(tuple(parts))
        if pipeline.house.store.get("tune", pipeline.job_label):
            return Price(tuple(self._after_tuning(arm, model, pipeline)))
        return self._from_scratch(arm, model, pipeline)

    def _from_scratch(self, arm: Arm, model: GeminiModel, pipeline: Pipeline) -> Price:
        """An arm whose job is still to be done: how many checkpoints there will be is a guess."""
        epochs = _epochs(arm)
        parts, shown = self._tuning(model, pipeline, epochs)
        once = Band(1.0, 1.0)
        sets = (("validation", _checkpoints(arm, epochs)), ("test", once))
        for split, times in sets:
            examples = pipeline.examples(split)
            if examples:
                requests = requests_for(examples)
                calls = _calls(arm, "evaluation", split, requests, examples, times)
                parts = (*parts, answer_part(model, calls))
                if split == "validation" and _auto_evaluated(arm):
                    auto = replace(calls, what="validation, by the service", batch=True)
                    parts = (*parts, answer_part(model, auto))
        return Price(parts, shown)

    def _tuning(
        self, model: GeminiModel, pipeline: Pipeline, epochs: Band
    ) -> tuple[tuple[Part, ...], dict[str, Band | None]]:
        if pipeline.job_label in self.seen:
            return (), {}
        self.seen.add(pipeline.job_label)
        train, validation = (self._dataset(pipeline, name) for name in ("train", "validation"))
        parts = tuning_parts(model, train, validation, epochs)
        return parts, readings(model, train, epochs)

    def _dataset(self, pipeline: Pipeline, split: str) -> DatasetTokens:
        """Billed tokens of one pass over a split's file, each file read once."""
        key = (pipeline.rendered.digest, split)
        if key not in self.rows:
            lines = read_jsonl(pipeline.split_file(split))
            self.rows[key] = dataset_tokens(map(Example.from_json, lines), _count)
        return self.rows[key]

    def _after_tuning(self, arm: Arm, model: GeminiModel, pipeline: Pipeline) -> Iterable[Part]:
        """What is still to be asked once the checkpoints are there. Any of them may be the one
        that answers the test rows; their questions cost the same."""
        made = pipeline.tuning_result.checkpoints
        for checkpoint in made if pipeline.examples("validation") else ():
            question = pipeline.question("validation", checkpoint)
            yield from self._asked(arm, model, pipeline, "evaluation", "validation", question)
        asked = [pipeline.question("test", checkpoint) for checkpoint in made]
        if not any(pipeline.house.store.get("predict", each.label) for each in asked):
            yield from self._asked(arm, model, pipeline, "evaluation", "test", asked[-1])

    def _asked(
        self,
        arm: Arm,
        model: GeminiModel,
        pipeline: Pipeline,
        group: str,
        split: str,
        question: Question,
    ) -> Iterable[Part]:
        """The requests of a question that have no answer yet."""
        if question.label in self.seen:
            return
        self.seen.add(question.label)
        left = {request.id: request for request in pipeline.unanswered(question)}
        if left:
            examples = [row for row in pipeline.examples(split) if row.id in left]
            requests = list(left.values())
            yield answer_part(model, _calls(arm, group, split, requests, examples, Band(1.0, 1.0)))


def _calls(
    arm: Arm, group: str, what: str, requests: list[Request], examples: list[Example], times: Band
) -> Calls:
    """A set of requests, asked `times` times. Answers are between their targets' length and the
    most that may be generated, thoughts included, which is also the most that is billed."""
    limit = arm.experiment.suite.generation.max_tokens
    answers = [Request("", (Turn("model", example.target),)) for example in examples]
    least = sum(min(_count(answer)[0], limit) for answer in answers)
    most = (limit + _thoughts(arm)) * len(requests)
    tuned = arm.kind == "tuned"
    backend = arm.experiment.backend
    batch_from = backend.batch_from if isinstance(backend, VertexBackend) else None
    return Calls(
        group,
        what,
        times * len(requests),
        total(Band(*_count(request)) for request in requests) * times,
        Band(least, most) * times,
        tuned=tuned,
        batch=by_batch(batch_from, len(requests), tuned=tuned),
    )


def _thoughts(arm: Arm) -> int:
    """Tokens a call may spend on thoughts on top of its answer: they are billed as output."""
    model, backend = arm.experiment.model, arm.experiment.backend
    if isinstance(model, GeminiModel) and isinstance(backend, VertexBackend):
        return room(model, backend.thinking)
    return 0


def _count(request: Request) -> tuple[int, int]:
    """Fewest and most tokens, as the data's own counts are estimated."""
    from runner.prepare.tokens import estimate, file_tokens, texts

    nowhere = Origin("", 0)
    shown = Example("", request.contents, "", nowhere, request.system, extras=request.extras)
    said, files = estimate(texts(shown)[0]), file_tokens(shown)
    return said[0] + files[0], said[1] + files[1]


def _epochs(arm: Arm) -> Band:
    """Left to the service, it may be any number up to the one at which the job is stopped."""
    tuning = arm.experiment.tuning
    return Band(tuning.epochs or 1, tuning.most_epochs)


def _auto_evaluated(arm: Arm) -> bool:
    """Google bills its own evaluation of checkpoints as batch prediction."""
    backend = arm.experiment.backend
    return isinstance(backend, VertexBackend) and backend.auto_evaluation


def _checkpoints(arm: Arm, epochs: Band) -> Band:
    backend = arm.experiment.backend
    last = isinstance(backend, VertexBackend) and backend.last_checkpoint_only
    low, high = (checkpoints(count, last_only=last) for count in (epochs.low, epochs.high))
    return Band(low, high)
