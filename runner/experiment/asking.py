"""Stages whose content is what a model answers. They are priced, held against the budget, put
on record as paid, cached and resumed by what stands here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from runner.experiment.context import note_uploads
from runner.experiment.paid_answers import BookingLabel, calls_of, paid_answers
from runner.experiment.stage import ArmRun, Stage
from runner.inference import Question
from runner.money import AnswerOrder, Band, Calls, Order, Rates
from runner.records import Generation, Prediction, Request, write_jsonl

PREDICTIONS = "predictions.jsonl"


class AskingStage(Stage[list[Prediction]]):
    """A stage that asks the untuned model of the arm, unless it says otherwise. A subclass says
    what is asked (`requests`, `generation`) and, where `requests` go by what another stage made,
    what stands for them in a plan before it is made (`expected`)."""

    group: ClassVar[str] = "evaluation"
    """The column of a plan's prices."""

    @abstractmethod
    def requests(self, run: ArmRun) -> list[Request]:
        """What is asked, each request under an id of its own."""

    def expected(self, run: ArmRun) -> list[Request]:
        """What stands for the requests while an input is missing: a plan counts its tokens."""
        return self.requests(run)

    @abstractmethod
    def generation(self, run: ArmRun) -> Generation:
        """How it is answered; its `max_tokens` are what a plan takes an answer to have at most."""

    def fewest_tokens(self, run: ArmRun, requests: Sequence[Request]) -> int:
        """Tokens that all answers together have at least."""
        return 0

    @property
    def what(self) -> str:
        """What the bill calls the answers."""
        return self.name

    @property
    def planned(self) -> str:
        """What a plan calls them, below `group`."""
        return self.what

    @property
    def times(self) -> Band:
        """How often `expected` will be asked."""
        return Band(1.0, 1.0)

    # --- to be said as well where another model answers ---------------------------------------

    @property
    def tuned(self) -> bool:
        """Whether it is a tuned model that answers."""
        return False

    def model(self, run: ArmRun) -> Mapping[str, Any]:
        """Which model answers, as JSON: everything about it that determines an answer."""
        return {"backend": run.backend_identity(), "checkpoint": None}

    def generate(self, run: ArmRun, requests: Sequence[Request]) -> Iterator[Prediction]:
        """Put the requests to it."""
        return run.backend.generate(None, requests, self.generation(run))

    def rates(self, run: ArmRun) -> Rates | None:
        """US dollars for a token of a prompt and of an answer; None for the arm's model's. A
        stage that has some says so in `may_cost`, too."""
        return None

    # --- what follows from these ------------------------------------------------------------

    def question(self, run: ArmRun) -> Question:
        """Everything that determines the answers."""
        return run.hold(
            self, lambda: Question(self.requests(run), self.model(run), self.generation(run))
        )

    def key(self, run: ArmRun) -> Mapping[str, Any]:
        return {**self.question(run).key, "version": self.version()}

    def asks(self, run: ArmRun) -> Iterable[Order]:
        if run.find(self):
            return
        there = all(run.find(need) for need in self.needs(run))
        left = self._unanswered(run) if there else self.expected(run)
        if left:
            label = run.digest(self) if there else ""
            yield AnswerOrder(label, self._calls(run, left), self.rates(run))

    def build(self, run: ArmRun, out: Path) -> None:
        question, ledger = self.question(run), run.context.ledger
        account, label = run.account, run.digest(self)

        def generate(missing: Sequence[Request]) -> Iterator[Prediction]:
            if self.of_data:  # no forecast has gone before
                account.allow(self.what, self._calls(run, missing), self.rates(run))
            try:
                return self.generate(run, missing)
            finally:
                note_uploads(run.backend, ledger, (account.experiment, account.arm), label)

        bill = BookingLabel(label, self.what, self.tuned, self.rates(run))
        watch = f"answer {self.what}"
        answers = paid_answers(run.context, account, question, bill, generate, watch)
        write_jsonl(out / PREDICTIONS, (answer.to_json() for answer in answers))

    def read(self, path: Path) -> list[Prediction]:
        from runner.inference import stored_answers

        return stored_answers(path / PREDICTIONS)

    def _unanswered(self, run: ArmRun) -> list[Request]:
        """The requests that nobody has been asked before."""
        from runner.inference import PredictionCache, unanswered

        asked, cache = self.question(run), PredictionCache(run.context.answers)
        return unanswered(asked.requests, cache, asked.model, asked.generation)

    def _calls(self, run: ArmRun, requests: Sequence[Request]) -> Calls:
        """Answers are between the fewest tokens and the most that may be generated, thoughts
        included, which is also the most that is billed."""
        most = (self.generation(run).max_tokens + run.terms.thoughts) * len(requests)
        return calls_of(
            self.group,
            self.planned,
            requests,
            Band(self.fewest_tokens(run, requests), most),
            times=self.times,
            tuned=self.tuned,
            batch_from=run.terms.batch_from,
        )
