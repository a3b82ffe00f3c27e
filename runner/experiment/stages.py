"""The order of the stages, on one screen. Each is a step from inputs to one artifact.

    source -> prepare -> (reword) -> render -> (tune) -> predict -> score

Once for an arm's data: `PrepareStage` reads, cleans, deduplicates, splits and keeps train apart
from evaluation; `RewordStage` asks the untuned model for other wordings, where that is wanted;
`RenderStage` selects, adds new rows and makes prompts. Texts are encoded while these two work
(`paid_vectors`). `TuneStage` is the job. Then, for each set of answers (every checkpoint on
validation, and the one that did best on test; a baseline on test, and one of several on validation
as well), `PredictStage` asks and `ScoreStage` measures.

An artifact's key names everything that determines its content, so arms share what they have in
common: a sweep over hyperparameters prepares its data once, and an edited template reruns only
what depends on it.

`sft check` makes the stages of the data, `sft plan` lists and prices all of them, `sft run` holds
their prices against the budget and makes them: all three go by `STAGES`. A new stage is a file
that says what it is and a line here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from runner.base.errors import MissingExtraError
from runner.config import Experiment
from runner.experiment.answer_sets import answer_sets
from runner.experiment.predict_stage import PredictStage
from runner.experiment.prepare_stage import PrepareStage
from runner.experiment.render_stage import RenderStage
from runner.experiment.reword_stage import RewordStage
from runner.experiment.score_stage import ScoreStage
from runner.experiment.stage import AnswerSet, ArmRun, Stage
from runner.experiment.tune_stage import TuneStage

Stages = Sequence[type[Stage[Any]]]

STAGES: Stages = (
    PrepareStage,
    RewordStage,
    RenderStage,
    TuneStage,
    PredictStage,
    ScoreStage,
)


def in_order(
    run: ArmRun,
    stages: Stages,
    sets: Callable[[ArmRun], Iterable[AnswerSet]] = answer_sets,
) -> Iterator[Stage[Any]]:
    """Every stage of the arm in the order in which it is made.

    Lazy, like `sets`: what is answered may depend on what the stages before have come to.
    """
    for kind in stages:
        yield from kind.of(run)
    for answers in sets(run):
        for kind in stages:
            yield from kind.about(run, answers)


def data_stages(run: ArmRun, stages: Stages) -> list[Stage[Any]]:
    """The stages that make what is tuned on."""
    return [stage for kind in stages if kind.of_data for stage in kind.of(run)]


def stage_versions(experiment: Experiment, stages: Stages) -> list[str]:
    """The code versions of all stages that the experiment wants: results of other code are other
    results. What is kept among another stage's artifacts has that one's version."""
    wanted = [kind for kind in stages if kind.wanted(experiment)]
    return [kind.version() for kind in wanted if kind.folder == kind.name]


# What exact token counts take: the backend's tokenizer.


def get_tokenizer(run: ArmRun, say: Callable[[str], None]) -> None:
    """Fetch it before tokens are counted; without the extra that has it, counts are estimates,
    which is said. A service has none to fetch, so that checks and plans need no account."""
    if run.terms.remote:
        return
    try:
        run.backend.setup(run.context.watch("model"))
    except MissingExtraError as error:
        say(f"token counts are estimates: {error}")
