"""Scores with intervals, and every row with its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.base.digests import digest_of
from runner.experiment.predict_stage import PredictStage
from runner.experiment.render_stage import RenderStage, examples
from runner.experiment.stage import AnswerSet, AnswerStage, ArmRun, Stage
from runner.records import write_rows
from runner.records.results import Scores

ROWS = "rows.jsonl"


@dataclass(frozen=True)
class ScoreStage(AnswerStage[Scores]):
    answers: AnswerSet
    name = "score"

    @staticmethod
    def version() -> str:
        from runner.evaluation import SCORE_VERSION

        return SCORE_VERSION

    def needs(self, run: ArmRun) -> Iterable[Stage[Any]]:
        return (RenderStage(), PredictStage(self.answers))

    def key(self, run: ArmRun) -> Mapping[str, Any]:
        from runner.evaluation import NOT_SCORED

        suite, split = run.experiment.suite, self.answers.split
        return {
            "version": self.version(),
            "predicted": run.digest(PredictStage(self.answers)),
            "examples": digest_of([example.to_json() for example in examples(run, split)]),
            "suite": suite.model_dump(mode="json", exclude=NOT_SCORED),
            "split": split,
            "seed": run.experiment.seed,
        }

    def build(self, run: ArmRun, out: Path) -> None:
        from runner.evaluation import score

        suite, split, seed = run.experiment.suite, self.answers.split, run.experiment.seed
        answers = run.read(PredictStage(self.answers))
        scores, rows = score(examples(run, split), answers, suite, split, seed)
        (out / "scores.json").write_text(scores.model_dump_json(), encoding="utf-8")
        write_rows(out / ROWS, rows)

    def read(self, path: Path) -> Scores:
        return Scores.model_validate_json((path / "scores.json").read_text(encoding="utf-8"))


def rows_file(run: ArmRun, answers: AnswerSet) -> Path:
    """Every row with its answer and its scores."""
    return run.make(ScoreStage(answers)).path / ROWS


def check_targets(run: ArmRun) -> None:
    """Raise DataError for evaluation rows that the suite cannot score an answer by."""
    from runner.evaluation import check_targets

    every = [example for split in ("validation", "test") for example in examples(run, split)]
    check_targets(every, run.experiment.suite)
