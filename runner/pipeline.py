"""The order of the stages, on one screen. Each stage is a pure step from inputs to one artifact.

    source -> prepare -> render -> (tune) -> predict -> score

An artifact's key names everything that determines its content, so arms share what they have in
common: a sweep over hyperparameters prepares its data once, and an edited template reruns only
what depends on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from runner.backend import Backend, TuningJob
from runner.config import Experiment, GeminiModel
from runner.embedding import Embedding
from runner.errors import GateError, SftError
from runner.house import House
from runner.identity import backend_facts, file_digest
from runner.inference import Question
from runner.money import Purse
from runner.once import once
from runner.presence import check_there, note_uploads
from runner.records import (
    SPLITS,
    Checkpoint,
    Example,
    Generation,
    Prediction,
    Request,
    TuningResult,
    Turn,
    read_jsonl,
    write_jsonl,
    write_rows,
)
from runner.results import Scores
from runner.store import Artifact, digest_of
from runner.text_calls import text_calls


@dataclass(frozen=True, slots=True)
class Scored:
    """One set of predictions with its scores; `artifact` holds ``rows.jsonl``."""

    scores: Scores
    artifact: Artifact

    @property
    def rows(self) -> Path:
        return self.artifact.path / "rows.jsonl"


class Pipeline:
    """The stages of one arm. Every property is made once and found again in the store."""

    def __init__(
        self, experiment: Experiment, backend: Backend, house: House, purse: Purse | None = None
    ) -> None:
        self.experiment = experiment
        self.backend = backend
        self.house = house
        self.purse = purse or Purse(house.ledger, experiment, "", "")
        self._answers: dict[tuple[str, str, int], Artifact] = {}
        self._encode = Embedding(backend, house, self.purse)

    # --- data ------------------------------------------------------------------------------

    @once
    def data_digest(self) -> str:
        """Digest of the content of every source file and of how it is read, and of the suites
        that train must not hold."""
        from runner.sources import source_digest, suites_digest

        cache, suites = self._known_digests, self.experiment.prepare.leakage.suites
        source = source_digest(self.experiment.source, cache)
        return digest_of([source, suites_digest(suites, cache)]) if suites else source

    @property
    def _known_digests(self) -> Path:
        """Digests of files by size and time, so that none is read without need."""
        return self.house.home / "source_digests.json"

    @once
    def prepare_key(self) -> dict[str, Any]:
        """Everything that determines the prepared rows."""
        from runner.prepare import PREPARE_VERSION, past_digest

        past = past_digest(self.experiment.prepare)
        return {
            "version": PREPARE_VERSION,
            "data": self.data_digest,
            **({"past": past} if past else {}),
            "config": self.experiment.prepare.model_dump(
                mode="json", exclude={"select": True, "augment": True, "leakage": {"suites"}}
            ),
            "seed": self.experiment.seed,
            **self._encode.identity(self.experiment.prepare.leakage.semantic),
        }

    @property
    def prepare_digest(self) -> str:
        return digest_of({"stage": "prepare", **self.prepare_key})

    @once
    def prepared(self) -> Artifact:
        """Rows, cleaned, deduplicated, split and free of leaks; what was dropped and why."""
        from runner.prepare import Reader, prepare
        from runner.sources import open_split, open_suites

        config, source = self.experiment.prepare, self.experiment.source

        def build(out: Path) -> None:
            given = [split for split in SPLITS if getattr(source, split) is not None]
            seed = self.experiment.seed
            rows: dict[str, Reader] = {
                split: partial(open_split, source, split, seed) for split in given
            }
            if suites := config.leakage.suites:
                rows["suites"] = partial(open_suites, source, suites)
            progress = self.house.watch("prepare")
            try:
                prepare(rows, config, source.max_bad_share, seed, out, progress, self._encode)
            except GateError as error:
                raise self._refused(error, out) from error

        return self._encode.make("prepare", self.prepare_key, build)

    def _refused(self, error: GateError, out: Path) -> GateError:
        """The refusal, and where its leaks can be read once the folder `out` is gone."""
        from runner.report.leaks import keep_refused

        page = self.house.home / "reports" / f"leaks_{self.prepare_digest[:8]}.html"
        file = keep_refused(out, page)
        seen = f"\n  every pair: {page}\n  one a line: {file}" if file else ""
        return GateError(f"{error}{seen}")

    @once
    def rendered(self) -> Artifact:
        """Examples as the model will see them, within its limits, and the Gemini JSONL."""
        from runner.prepare import RENDER_VERSION, Augmentation, render

        experiment, exact = self.experiment, self.backend.count_tokens([]) is not None
        limits = experiment.model.limits if isinstance(experiment.model, GeminiModel) else None
        key = {
            "version": RENDER_VERSION,
            "prepared": self.prepared.digest,
            "template": experiment.template.model_dump(mode="json"),
            "select": experiment.prepare.select.model_dump(mode="json"),
            "scores": self._hard_scores,
            "augment": experiment.prepare.augment.model_dump(mode="json"),
            "reworded": self._reworded.digest if self._reworded else "",
            "context": experiment.model.context_tokens,
            "tokens": self.backend.identity().get("tokenizer", "") if exact else "estimate",
            "seed": experiment.seed,
            "limits": limits.validation_rule() if limits else None,
            **self._encode.identity(experiment.prepare.select.diverse),
        }

        def build(out: Path) -> None:
            render(
                self.prepared.path,
                experiment.template,
                experiment.prepare.select,
                experiment.model.context_tokens,
                experiment.seed,
                out,
                self.backend.count_tokens,
                self.house.watch("render"),
                Augmentation(
                    experiment.prepare,
                    self._reworded.path / "predictions.jsonl" if self._reworded else None,
                ),
                limits,
                self._encode,
            )

        return self._encode.make("render", key, build)

    @once
    def _reworded(self) -> Artifact | None:
        """The untuned model's wordings of training rows, where `prepare.augment` asks for them."""
        from runner.prepare import reword_prompts

        prepare, seed = self.experiment.prepare, self.experiment.seed
        if not (asked := prepare.augment.paraphrase):
            return None
        path = self.prepared.path
        prompts = reword_prompts(path, prepare.select, prepare.augment, seed, self._encode)
        requests = [Request(name, (Turn("user", prompt),)) for name, prompt in prompts]
        generation = Generation(asked.max_tokens, asked.temperature, seed)
        model = {"backend": self.backend.identity(), "checkpoint": None}
        return self._ask(Question(requests, model, generation), None, "paraphrase")

    @property
    def _hard_scores(self) -> str:
        """Digest of the scores that `prepare.select.hard` goes by: a file outside the store."""
        hard = self.experiment.prepare.select.hard
        there = hard and Path(hard.scores).is_file()
        return file_digest(Path(hard.scores)) if hard and there else ""

    def split_file(self, split: str) -> Path:
        return self.rendered.path / f"{split}.jsonl"

    def examples(self, split: str) -> list[Example]:
        """The split's examples in file order; of validation a seeded draw of
        ``suite.max_validation``, since the first rows of a sorted file are of one class."""
        from runner.inference import sample

        found = [Example.from_json(row) for row in read_jsonl(self.split_file(split))]
        limit = self.experiment.suite.max_validation if split == "validation" else None
        return found if limit is None else sample(found, limit, self.experiment.seed)

    def check_targets(self) -> None:
        """Raise DataError for evaluation rows that the suite cannot judge an answer by."""
        from runner.evaluation import check_targets

        every = [example for split in ("validation", "test") for example in self.examples(split)]
        check_targets(every, self.experiment.suite)

    # --- tuning ----------------------------------------------------------------------------

    @once
    def tune_key(self) -> dict[str, Any]:
        """Everything that determines what tuning leaves: data by content, knobs, backend."""
        from runner.sources import examples_digest
        from runner.tuning import TUNE_VERSION

        both = (self.split_file("train"), self.split_file("validation"))
        files = [examples_digest(file, self._known_digests) for file in both]
        return {
            "version": TUNE_VERSION,
            "train": file_digest(both[0]),
            "validation": file_digest(both[1]),
            "tuning": self.experiment.tuning.model_dump(mode="json", exclude={"max_epochs"}),
            "seed": self.experiment.seed,
            "backend": self.backend.identity(),
            "settings": backend_facts(self.experiment, but={"generation_batch"}),
            "learning_rate": self.experiment.model.base_learning_rate,
            **({"files": files} if any(files) else {}),
        }

    @property
    def job_label(self) -> str:
        return digest_of({"stage": "tune", **self.tune_key})

    @once
    def tuned(self) -> Artifact:
        """The finished tuning job: ``result.json`` with its curves and checkpoints."""
        from runner.tuning import tune

        experiment, ledger, label = self.experiment, self.house.ledger, self.job_label
        validation = self.split_file("validation")
        job = TuningJob(
            label=label,
            train=self.split_file("train"),
            validation=validation if validation.stat().st_size else None,
            tuning=experiment.tuning,
            seed=experiment.seed,
            record=lambda item: ledger.add_resources(label, [item], anew=True),
        )

        def intend() -> None:
            self.purse.reserve(label)
            ledger.claim(self.purse.experiment, self.purse.arm, label)
            ledger.intend_job(label, experiment.model.name, self.trained_tokens)

        def build(out: Path) -> None:
            try:
                with self.house.turns:
                    result = tune(
                        self.backend, job, self.house.watch("tune"), self.house.listen, intend
                    )
            except SftError as error:
                ledger.end_job(label, "failed", 0.0, str(error))
                if not getattr(error, "transient", False):  # else it may be running, and billed
                    self.purse.release(label)
                raise
            # A service that does not say is taken at the upper estimate.
            self.purse.settle(label, result.billable_tokens or self.trained_tokens)
            ledger.add_resources(label, result.resources)
            ledger.end_job(label, "succeeded", result.seconds)
            (out / "result.json").write_text(json.dumps(asdict(result)), encoding="utf-8")

        self.purse.used.add(label)
        return self.house.store.make("tune", self.tune_key, build)

    @once
    def tuning_result(self) -> TuningResult:
        raw = json.loads((self.tuned.path / "result.json").read_text(encoding="utf-8"))
        return TuningResult.from_json(raw)

    @once
    def trained_tokens(self) -> int:
        """Tokens of all epochs; the upper estimate where no exact count is possible."""
        summary = json.loads((self.rendered.path / "summary.json").read_text(encoding="utf-8"))
        tokens = summary["tokens"]["train"]
        per_epoch = tokens["exact"] if tokens["exact"] is not None else tokens["high"]
        return int(per_epoch) * self.experiment.tuning.most_epochs

    # --- answers and scores ----------------------------------------------------------------

    def predicted(self, split: str, checkpoint: Checkpoint | None, shots: int = 0) -> Artifact:
        """Answers to every example of the split, by a checkpoint or by the untuned model."""
        wanted = (split, checkpoint.id if checkpoint else "", shots)
        if wanted not in self._answers:
            self._answers[wanted] = self._predict(split, checkpoint, shots)
        return self._answers[wanted]

    def question(self, split: str, checkpoint: Checkpoint | None, shots: int = 0) -> Question:
        """What `predicted` asks, and whom."""
        from runner.inference import draw_shots, requests_for
        from runner.sources import with_files

        settings = self.experiment.suite.generation
        generation = Generation(
            settings.max_tokens, settings.temperature, self.experiment.seed, tuple(settings.stop)
        )
        drawn = draw_shots(self.examples("train"), shots, self.experiment.seed) if shots else []
        model = {
            "backend": self.backend.identity(),
            "checkpoint": [self.job_label, checkpoint.id] if checkpoint else None,
        }
        requests = with_files(requests_for(self.examples(split), drawn), self._known_digests)
        return Question(requests, model, generation)

    def unanswered(self, question: Question) -> list[Request]:
        """The requests that have no answer in the store or the cache yet."""
        from runner.inference import PredictionCache, unanswered

        if self.house.store.get("predict", question.label):
            return []
        cache = PredictionCache(self.house.home / "predictions.db")
        return unanswered(question.requests, cache, question.model, question.generation)

    def _predict(self, split: str, checkpoint: Checkpoint | None, shots: int) -> Artifact:
        question = self.question(split, checkpoint, shots)
        return self._ask(question, checkpoint, split if checkpoint else f"baseline {split}")

    def _ask(self, question: Question, checkpoint: Checkpoint | None, what: str) -> Artifact:
        """The answers: ``predictions.jsonl`` in the order of the requests."""
        from runner.inference import PredictionCache, predict

        label, generation = question.label, question.generation

        def ask(requests: Sequence[Request]) -> Iterator[Prediction]:
            ledger, who = self.house.ledger, (self.purse.experiment, self.purse.arm)
            if what == "paraphrase":
                most, batch = generation.max_tokens, self.purse.batch_from
                self.purse.allow(what, text_calls(what, requests, most, batch))
            if checkpoint:
                check_there(ledger, self.job_label, checkpoint, self.tuned.path)
            try:
                answers = self.backend.generate(checkpoint, requests, generation)
            finally:
                note_uploads(self.backend, ledger, who, label)
            tuned, asked = checkpoint is not None, len(requests)
            return self.purse.paying(label, what, answers, tuned=tuned, requests=asked)

        def build(out: Path) -> None:
            cache = PredictionCache(self.house.home / "predictions.db")
            watch = self.house.watch(f"answer {what}")
            answers = predict(question.requests, ask, cache, question.model, generation, watch)
            write_jsonl(out / "predictions.jsonl", (answer.to_json() for answer in answers))

        self.purse.used.add(label)
        return self.house.store.make("predict", question.key, build)

    def scored(self, split: str, checkpoint: Checkpoint | None, shots: int = 0) -> Scored:
        """Scores with intervals, and every row with its own."""
        from runner.evaluation import NOT_SCORED, SCORE_VERSION, score
        from runner.inference import stored_answers

        suite = self.experiment.suite
        predicted = self.predicted(split, checkpoint, shots)
        key = {
            "version": SCORE_VERSION,
            "predicted": predicted.digest,
            "examples": digest_of([example.to_json() for example in self.examples(split)]),
            "suite": suite.model_dump(mode="json", exclude=NOT_SCORED),
            "split": split,
            "seed": self.experiment.seed,
        }

        def build(out: Path) -> None:
            answers = stored_answers(predicted.path / "predictions.jsonl")
            scores, rows = score(self.examples(split), answers, suite, split, self.experiment.seed)
            (out / "scores.json").write_text(scores.model_dump_json(), encoding="utf-8")
            write_rows(out / "rows.jsonl", rows)

        artifact = self.house.store.make("score", key, build)
        text = (artifact.path / "scores.json").read_text(encoding="utf-8")
        return Scored(Scores.model_validate_json(text), artifact)
