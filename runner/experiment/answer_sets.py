"""Which sets of answers an arm has, and which checkpoint is chosen by them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runner.config import RowsGuard
from runner.experiment.predict_stage import PredictStage
from runner.experiment.render_stage import examples
from runner.experiment.score_stage import ScoreStage, rows_file
from runner.experiment.stage import ONCE, AnswerSet, ArmRun, CheckpointsToCome
from runner.experiment.tune_stage import TuneStage, checkpoints_to_come
from runner.records import Checkpoint, read_rows
from runner.records.gates import GUARD
from runner.records.results import CheckpointScores, Scores
from runner.verdict.same_rows import common_scores

ONE_TO_COME = CheckpointsToCome(ONCE)


def answer_sets(run: ArmRun) -> Iterator[AnswerSet]:
    """What is to be answered, in order: every checkpoint on validation, then the chosen one the
    guard's rows and test, unless that is sealed. Test comes last: an arm's artifacts are those.
    Baselines have no checkpoint to choose: they answer validation only where it chooses among
    several of them.

    Lazy: which checkpoint is chosen is known, and worked out, once validation is scored.
    """
    if run.kind == "tuned":
        yield from on_validation(run)
        if run.test == "open":
            by = chosen(run)
            yield from _guarded(run, by)
            yield AnswerSet("test", by)
    else:
        yield from _untuned(run, run.test == "open")


def _untuned(run: ArmRun, tested: bool) -> Iterator[AnswerSet]:
    if run.contested and examples(run, "validation"):
        yield AnswerSet("validation", None, run.shots)
    if tested:
        yield from _guarded(run, None)
        yield AnswerSet("test", None, run.shots)


def _guarded(run: ArmRun, by: Checkpoint | CheckpointsToCome | None) -> Iterator[AnswerSet]:
    """The guard's rows, of whoever answers test; worked examples are for the task alone."""
    if isinstance(run.experiment.guard, RowsGuard) and not run.shots:
        yield AnswerSet(GUARD, by)


def foreseen(run: ArmRun) -> Iterator[AnswerSet]:
    """The same before anything was asked, with the finalists that are to be expected. Of a job that
    is still to be done they are those of the checkpoints it will leave. Of checkpoints that are
    there, any may be the one that answers test, at the same price; one that has answered it
    already, it is."""
    asked = run.test != "sealed"
    if run.kind != "tuned":
        yield from _untuned(run, asked)
    elif run.find(TuneStage()):
        yield from on_validation(run)
        if not asked:
            return
        tests = [AnswerSet("test", made) for made in run.read(TuneStage()).checkpoints]
        answers = next((each for each in tests if run.find(PredictStage(each))), tests[-1])
        yield from _guarded(run, answers.by)
        yield answers
    else:
        if examples(run, "validation"):
            one = run.experiment.suite.checkpoint == "last"
            yield AnswerSet("validation", ONE_TO_COME if one else checkpoints_to_come(run))
        if asked and examples(run, "test"):
            yield from _guarded(run, ONE_TO_COME)
            yield AnswerSet("test", ONE_TO_COME)


def on_validation(run: ArmRun) -> list[AnswerSet]:
    """One for each checkpoint that may be chosen; none without validation rows."""
    if not examples(run, "validation"):
        return []
    made = run.read(TuneStage()).checkpoints
    able = made[-1:] if run.experiment.suite.checkpoint == "last" else made
    return [AnswerSet("validation", one) for one in able]


def chosen(run: ArmRun) -> Checkpoint:
    """The checkpoint that `suite.checkpoint` chooses on validation. Without validation rows there
    is nothing to choose by: the last it is."""
    from runner.evaluation import pick_checkpoint

    made = run.read(TuneStage()).checkpoints
    if not (scored := checkpoint_scores(run)):
        return made[-1]
    suite = run.experiment.suite
    best = pick_checkpoint(scored, suite.primary, suite.checkpoint)
    return next(item for item in made if item.id == best)


def checkpoint_scores(run: ArmRun) -> list[CheckpointScores]:
    """Every checkpoint with its scores on validation, all of them over the same rows."""
    sets = {made.id: each for each in on_validation(run) if (made := each.checkpoint)}
    scores = _comparable(run, sets)
    scored = [
        CheckpointScores(
            id=made.id,
            epoch=made.epoch,
            step=made.step,
            eval_loss=made.eval_loss,
            path=made.path,
            validation=scores[made.id],
        )
        for answers in sets.values()
        if (made := answers.checkpoint)
    ]
    return _with_ties(run, sets, scored)


def _with_ties(
    run: ArmRun, sets: Mapping[str, AnswerSet], scored: list[CheckpointScores]
) -> list[CheckpointScores]:
    """The same, each knowing whether it can be told from the best one."""
    from runner.evaluation import pick_checkpoint, tied

    if len(scored) < 2:
        return scored
    suite = run.experiment.suite
    best = pick_checkpoint(scored, suite.primary)
    rows = {name: list(read_rows(rows_file(run, answers))) for name, answers in sets.items()}
    return [
        one.model_copy(
            update={
                "tied": one.id != best
                and tied(rows[best], rows[one.id], suite.primary, suite, run.experiment.seed)
            }
        )
        for one in scored
    ]


def _comparable(run: ArmRun, sets: Mapping[str, AnswerSet]) -> Mapping[str, Scores]:
    """Scores by checkpoint over the same rows: none is picked for having left the hard ones out."""
    suite = run.experiment.suite
    if suite.unanswered == "wrong" or not sets:
        return {name: run.read(ScoreStage(answers)) for name, answers in sets.items()}
    rows = {name: list(read_rows(rows_file(run, answers))) for name, answers in sets.items()}
    return common_scores(rows, suite, "validation", run.experiment.seed)
