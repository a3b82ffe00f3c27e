"""Scores with intervals, and every row with its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.base.digests import digest_of
from runner.base.errors import ConfigError, SftError
from runner.experiment.guard_rows import suite_for
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
        from runner.evaluation import NOT_SCORED, settled

        split = self.answers.split
        asked = examples(run, split)
        texts = [text for each in asked for text in (each.target, *each.references)]
        # A tokenizer that the suite leaves open depends on what is installed.
        suite = settled(suite_for(run, split), texts)
        return {
            "version": self.version(),
            "predicted": run.digest(PredictStage(self.answers)),
            "examples": digest_of([example.to_json() for example in asked]),
            "suite": suite.model_dump(mode="json", exclude=NOT_SCORED),
            "split": split,
            "seed": run.experiment.seed,
        }

    def build(self, run: ArmRun, out: Path) -> None:
        from runner.evaluation import score

        split, seed = self.answers.split, run.experiment.seed
        suite = suite_for(run, split)
        answers = run.read(PredictStage(self.answers))
        scores, rows = score(examples(run, split), answers, suite, split, seed)
        (out / "scores.json").write_text(scores.model_dump_json(), encoding="utf-8")
        write_rows(out / ROWS, rows)

    def read(self, path: Path) -> Scores:
        return Scores.model_validate_json((path / "scores.json").read_text(encoding="utf-8"))


def rows_file(run: ArmRun, answers: AnswerSet) -> Path:
    """Every row with its answer and its scores."""
    return run.make(ScoreStage(answers)).path / ROWS


def check_targets(run: ArmRun) -> tuple[str, ...]:
    """What to know before any score of the arm is believed: where right answers would not be
    scored as such, by the references scored against themselves.

    Raises DataError for evaluation rows that the suite cannot score an answer by, ConfigError for
    a metric to which right answers are as bad as wrong ones.
    """
    from runner.evaluation import check_targets, self_score

    splits = {split: examples(run, split) for split in ("validation", "test")}
    suite = run.experiment.suite
    check_targets([example for rows in splits.values() for example in rows], suite)
    known = run.context.self_scores
    found = []
    for split, rows in splits.items():
        # Arms of a sweep mostly have them in common.
        rendered, seed = run.digest(RenderStage()), run.experiment.seed
        key = digest_of([rendered, split, seed, suite.model_dump(mode="json")])
        if key not in known:
            known[key] = self_score(rows, suite, split)
        found.append(known[key])
    if refused := [each for one in found for each in one.refused]:
        raise ConfigError(refused)
    return tuple(str(each) for one in found for each in one.warned)


def refuse_unfit(runs: Sequence[ArmRun]) -> None:
    """Raise ConfigError when a metric is of no use for any of the arms: one sentence before the
    first of them, and not a red row for each. Where arms differ, each finds out for itself, and
    so do arms of several models, since this machine holds one at a time."""
    if len({id(run.backend) for run in runs}) != 1:
        return
    refused = []
    for run in runs:
        try:
            check_targets(run)
            return
        except ConfigError as error:
            refused.append(error)
        except SftError:
            return  # that is told where the arm runs
    raise refused[0]
