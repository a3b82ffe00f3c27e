"""Examples as the model will see them, within its limits, and the Gemini JSONL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from runner.config import Augment, RowsGuard, Select
from runner.experiment.asking import PREDICTIONS
from runner.experiment.guard_rows import guard_rows
from runner.experiment.identity import file_digest
from runner.experiment.prepare_stage import PrepareStage
from runner.experiment.reword_stage import RewordStage
from runner.experiment.stage import ArmRun, Stage
from runner.money import Band
from runner.records import Example, read_jsonl
from runner.records.gates import GUARD
from runner.records.summaries import read_rendered, read_train_tokens


@dataclass(frozen=True, slots=True)
class RenderedRows:
    """What `runner.prepare.rendering` wrote."""

    folder: Path
    rows: Mapping[str, int]
    """Rows of each split."""
    train_tokens: Band
    """Tokens of one pass over the training rows; no range where they could be counted."""

    def file(self, split: str) -> Path:
        """The split's examples, one a line."""
        return self.folder / f"{split}.jsonl"


@dataclass(frozen=True)
class RenderStage(Stage[RenderedRows]):
    name = "render"
    of_data = True

    @staticmethod
    def version() -> str:
        from runner.prepare import RENDER_VERSION

        return RENDER_VERSION

    def needs(self, run: ArmRun) -> Iterable[Stage[Any]]:
        return (PrepareStage(), *RewordStage.of(run))

    def key(self, run: ArmRun) -> Mapping[str, Any]:
        experiment, prepare = run.experiment, run.experiment.prepare
        exact, limits = run.backend.count_tokens([]) is not None, experiment.model.row_limits
        return {
            "version": self.version(),
            "prepared": run.digest(PrepareStage()),
            "template": experiment.template.model_dump(mode="json"),
            "select": prepare.select.model_dump(mode="json"),
            "scores": _hard_scores(run),
            "augment": prepare.augment.model_dump(mode="json"),
            "reworded": "".join(map(run.digest, RewordStage.of(run))),
            "context": experiment.model.context_tokens,
            "tokens": run.backend.identity().get("tokenizer", "") if exact else "estimate",
            "seed": experiment.seed,
            **({"draw": run.run_seed} if _own_draw(run) else {}),
            "limits": limits.validation_rule() if limits else None,
            **run.encode.identity(prepare.select.diverse),
        }

    def build(self, run: ArmRun, out: Path) -> None:
        from runner.prepare import render
        from runner.prepare.inputs import Augmentation

        experiment = run.experiment
        reworded = [run.make(stage).path / PREDICTIONS for stage in RewordStage.of(run)]
        render(
            run.make(PrepareStage()).path,
            experiment.template,
            experiment.prepare.select,
            experiment.model.context_tokens,
            experiment.seed,
            out,
            run.backend.count_tokens,
            run.context.watch("render"),
            Augmentation(experiment.prepare, reworded[0] if reworded else None),
            experiment.model.row_limits,
            run.encode,
            draw=run.run_seed if _own_draw(run) else None,
        )

    def read(self, path: Path) -> RenderedRows:
        summary, train = read_rendered(path), read_train_tokens(path)
        return RenderedRows(path, Counter(summary.rows), Band(train.least, train.most))


def _own_draw(run: ArmRun) -> bool:
    """Whether this replicate has other training rows than the first one of its recipe: only where
    rows are drawn at all, so that replicates share what is the same for them."""
    prepare = run.experiment.prepare
    return run.replicate > 1 and (prepare.select != Select() or prepare.augment != Augment())


def _hard_scores(run: ArmRun) -> str:
    """Digest of the scores that `prepare.select.hard` goes by: a file outside the store."""
    hard = run.experiment.prepare.select.hard
    return file_digest(Path(hard.scores)) if hard and Path(hard.scores).is_file() else ""


def examples(run: ArmRun, split: str) -> list[Example]:
    """The split's examples, or the guard's, in file order, with their groups; of validation a
    seeded draw of ``suite.max_validation``, since the first rows of a sorted file are of one
    class."""
    from runner.inference import sample

    if split == GUARD:
        guard = run.experiment.guard
        return guard_rows(guard) if isinstance(guard, RowsGuard) else []
    found = list(_examples_in(run.read(RenderStage()).file(split)))
    if getattr(run.experiment.source, "group", None):
        groups = _groups_in(run.read(PrepareStage()) / f"{split}.jsonl")
        found = [replace(example, group=groups.get(example.id, "")) for example in found]
    limit = run.experiment.suite.max_validation if split == "validation" else None
    return found if limit is None else sample(found, limit, run.experiment.seed)


@lru_cache(maxsize=2)
def _examples_in(file: Path) -> tuple[Example, ...]:
    """An artifact's file never changes, and those of the evaluation splits are asked for a dozen
    times an arm."""
    return tuple(Example.from_json(row) for row in read_jsonl(file))


@lru_cache(maxsize=2)
def _groups_in(file: Path) -> Mapping[str, str]:
    """Id to group of the rows as prepared: rendered ones do not say it."""
    return {row["id"]: row["group"] for row in read_jsonl(file) if row.get("group")}
