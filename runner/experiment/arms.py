"""From composed points to arms: the untuned baselines join by themselves, every arm gets a name
made of what varies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from runner.base.digests import digest_of
from runner.base.errors import ConfigError, Problem
from runner.base.redact import masked
from runner.config import Augment, Experiment, Select
from runner.experiment.guard_rows import check_guard
from runner.experiment.identity import MODEL_FACTS, WHO_IS_ASKED, arm_digest
from runner.experiment.stages import STAGES, Stages, stage_versions
from runner.records.advice import Advised
from runner.records.results import ArmKind, ArmResult


class Point(Protocol):
    """One composed point, as `runner.compose` makes it."""

    @property
    def varying(self) -> Mapping[str, str]: ...
    @property
    def config(self) -> Mapping[str, Any]: ...
    @property
    def experiment(self) -> Experiment: ...


@dataclass(frozen=True)
class Arm:
    """One arm to run. `digest` is its identity."""

    digest: str
    name: str
    kind: ArmKind
    shots: int
    varying: dict[str, str]
    config: dict[str, Any]
    """To be kept and shown: without the passwords that `experiment` has."""
    experiment: Experiment
    recipe: str = ""
    """Of a tuned arm: the digest of its recipe's first replicate, so its own where it is that."""
    replicate: int = 1
    advised: Advised | None = None
    """What its hyperparameters rest on, if any of them was recommended."""

    @property
    def waits(self) -> bool:
        """Whether it is run only if its recipe may still win when all have had one run."""
        return self.replicate > 1 and self.experiment.replicates.of == "contenders"

    def pending(self) -> ArmResult:
        """The arm before anything happened to it."""
        return ArmResult(
            digest=self.digest,
            name=self.name,
            kind=self.kind,
            shots=self.shots,
            varying=self.varying,
            config=self.config,
            model=self.experiment.model.name,
            recipe=self.recipe,
            replicate=self.replicate,
            advised=self.advised,
        )


SHORT = {
    "prepare.select.size": "rows",
    "tuning.epochs": "epochs",
    "tuning.learning_rate_multiplier": "lr",
    "tuning.adapter_size": "rank",
}
"""Keys whose value reads better with a word than with the whole path."""

PLAIN = {name for name, field in Experiment.model_fields.items() if field.annotation in (int, str)}
"""Keys at the top that are no groups, such as `seed`: their value alone says nothing."""

UNTOLD = {"default", "given"}
"""Options that several groups have: alone they do not say which is meant."""

IRRELEVANT = {"tuning", "advice", "baseline", "backend"}
"""Groups that cannot change what an untuned model answers."""


TRAIN_ONLY = {"select", "augment"}
"""Groups of `prepare` that touch training rows only, after worked examples are drawn."""
APART = {"dedup", "leakage"}
"""Those that touch training rows only when the source gives the test rows: they are protected."""
TUNING_ONLY = {"base_learning_rate", *MODEL_FACTS}
"""Keys of a model that cannot change what it answers untuned."""


def expand(points: Sequence[Point], data: Sequence[str], stages: Stages = STAGES) -> list[Arm]:
    """Every baseline and every tuned arm of the points, each once: baselines first, then the first
    replicate of every recipe, then the second of each, so that a run that ends early has seen all.

    `data` holds the data digest of each point. Points with the same config and data are one arm,
    as an optimising sweeper may ask twice. `stages` are those that arms go through. Raises
    ConfigError when points differ, but in nothing that an arm depends on: their arm would be
    named after one of them.
    """
    pairs = list(zip(points, data, strict=True))
    tuned = [_tuned(point, tuned_digest(point, digest, stages)) for point, digest in pairs]
    _check_distinct(tuned)
    again = [
        _replicate(point, digest, number, stages)
        for number in range(2, 1 + max((p.experiment.replicates.count for p in points), default=1))
        for point, digest in pairs
        if number <= point.experiment.replicates.count
    ]
    arms = [*_baselines(pairs, stages), *tuned, *again]
    return _distinct_names({arm.digest: arm for arm in arms}.values())


def tuned_digest(point: Point, data: str, stages: Stages = STAGES, replicate: int = 1) -> str:
    """Identity of one of the point's tuned arms; the first replicate's is its recipe's."""
    versions = stage_versions(point.experiment, stages)
    which = {"replicate": replicate} if replicate > 1 else {}
    return arm_digest(point.experiment, data, {"kind": "tuned", **which}, versions)


def _replicate(point: Point, data: str, number: int, stages: Stages) -> Arm:
    recipe = _tuned(point, tuned_digest(point, data, stages))
    digest = tuned_digest(point, data, stages, number)
    return replace(
        recipe, digest=digest, name=f"{recipe.name} · replicate {number}", replicate=number
    )


def _check_distinct(arms: Sequence[Arm]) -> None:
    first: dict[str, Arm] = {}
    merged = {}
    for arm in arms:
        other = first.setdefault(arm.digest, arm)
        keys = [key for key, text in arm.varying.items() if other.varying.get(key) != text]
        if keys:
            message = f"{other.name!r} and {arm.name!r} are the same arm: no result depends on it"
            merged[arm.name] = Problem(keys[0], message, hint="leave one of the two out")
    if merged:
        raise ConfigError(list(merged.values()))


def _tuned(point: Point, digest: str) -> Arm:
    varying = masked(point.varying)
    name = label(varying) or "tuned"
    config = _kept(point.config)
    return Arm(digest, name, "tuned", 0, varying, config, point.experiment, recipe=digest)


def _baselines(pairs: Sequence[tuple[Point, str]], stages: Stages) -> list[Arm]:
    asked: dict[str, list[tuple[Point, Experiment, int]]] = {}
    for point, data in pairs:
        baseline = point.experiment.baseline
        kinds: list[int] = [0] if baseline.zero_shot else []
        for shots in [*kinds, *baseline.few_shot]:
            digest = _baseline_digest(point.experiment, data, shots, stages)
            asked.setdefault(digest, []).append((point, point.experiment, shots))
        if thinker := _thinker(point.experiment):
            digest = _baseline_digest(thinker, data, 0, stages)
            asked.setdefault(digest, []).append((point, thinker, 0))
    arms = [
        _baseline(digest, [point for point, *_ in same], same[0][1], same[0][2])
        for digest, same in asked.items()
    ]
    return sorted(arms, key=lambda arm: arm.shots)


def _thinker(experiment: Experiment) -> Experiment | None:
    """The experiment with the model thinking as it does by default; None where that is no
    question. Tuned models are asked to think as little as they can, and so is the untuned one;
    but whoever would not tune would leave it at its default, so that is a bar as well."""
    baseline, thinking = experiment.baseline, experiment.backend.at_default_thinking()
    asked = experiment.model.thinks and baseline.zero_shot and baseline.default_thinking
    return experiment.model_copy(update={"backend": thinking}) if thinking and asked else None


def _baseline_digest(experiment: Experiment, data: str, shots: int, stages: Stages) -> str:
    """Identity of an untuned arm: only what can change its answers, so that a sweep over
    tuning knobs or training size measures it once."""
    config = experiment.model_dump(
        mode="json",
        include={"template": True, "model": True, "suite": True, "seed": True},
        exclude={"model": TUNING_ONLY, "suite": WHO_IS_ASKED},
    )
    prepare = experiment.prepare.model_dump(mode="json", exclude=_unfelt(experiment, shots))
    # The local backend's settings are about tuning; a plug-in's options may be about anything.
    chosen = experiment.backend
    backend = chosen.kind if chosen.kind == "local" else chosen.model_dump(mode="json")
    versions = stage_versions(experiment, stages)
    return digest_of([versions, config, prepare, backend, data, shots])


def _unfelt(experiment: Experiment, shots: int) -> set[str]:
    """Groups of `prepare` that cannot change what an untuned arm is asked."""
    return TRAIN_ONLY | APART if not shots and experiment.source.test else TRAIN_ONLY


def _baseline(digest: str, points: Sequence[Point], asked: Experiment, shots: int) -> Arm:
    """The untuned arm of all `points`; what varies between them is nothing of it."""
    point = points[0]
    unfelt = IRRELEVANT | {f"prepare.{group}" for group in _unfelt(asked, shots)}
    varying = {
        key: value
        for key, value in masked(point.varying).items()
        if not f"{key.replace('/', '.')}.".startswith(tuple(f"{group}." for group in unfelt))
        and all(other.varying.get(key) == point.varying[key] for other in points)
    }
    # Worked examples are drawn from the whole of train, whatever rows the sweep tries.
    prepare = asked.prepare.model_copy(update={"select": Select(), "augment": Augment()})
    experiment = asked.model_copy(update={"prepare": prepare})
    config = _kept({**point.config, "prepare": prepare.model_dump(mode="json")})
    words = [f"{shots}-shot" if shots else "zero-shot"]
    if asked.backend is not point.experiment.backend:
        config["backend"] = masked(asked.backend.model_dump(mode="json"))
        words.append("default thinking")
    kind: ArmKind = "few_shot" if shots else "zero_shot"
    name = " · ".join(filter(None, [*words, label(varying)]))
    return Arm(digest, name, kind, shots, varying, config, experiment)


def _kept(config: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a configuration: no passwords, and no rules, which are used up once every
    knob has its number."""
    kept: dict[str, Any] = masked({key: each for key, each in config.items() if key != "advice"})
    return kept


def label(varying: Mapping[str, str]) -> str:
    """``80 rows · lr 1.5``: short words for the usual knobs, the last part of a path else. What
    two keys have in common names neither."""
    words = []
    lasts = [key.rsplit(".", 1)[-1] for key in varying]
    for key, value in varying.items():
        twice = list(varying.values()).count(value) > 1
        value = Path(value).name if "/" in value else value
        if key == "prepare.select.size":
            words.append("all rows" if value in ("null", "None") else f"{value} rows")
        elif "." in key or key in PLAIN:
            last = key.rsplit(".", 1)[-1]
            longer = " ".join(key.split(".")[-2:]) if lasts.count(last) > 1 else last
            words.append(f"{SHORT.get(key, longer)} {value}")
        elif value == "none":
            words.append(f"no {key.rpartition('/')[2]}")
        elif value in UNTOLD or twice:
            words.append(f"{key.rpartition('/')[2]} {value}")
        else:
            words.append(value)
    return " · ".join(words)


def _distinct_names(arms: Any) -> list[Arm]:
    """Arms with one name get the first digits of their digest behind it."""
    arms = list(arms)
    names = [arm.name for arm in arms]
    return [
        replace(arm, name=f"{arm.name} ({arm.digest[:6]})") if names.count(arm.name) > 1 else arm
        for arm in arms
    ]


# What a sweep cannot vary: its points have to be arms of one experiment.

ONE_PLACE = ("name", "paths", "store", "tracking")
"""Where an experiment is kept is the same for all of its arms."""

SEEDS = "one recipe under other seeds is no other arm: the luckiest would win"

SCORED_BY = {"name", "metrics", "primary", "normalize", "extract", "bootstrap", "slice_min"}
SCORED_BY |= {"unanswered", "max_unanswered", "margin", "not_worse", "row_tolerance"}
SCORED_BY |= WHO_IS_ASKED
"""What of a suite decides how an answer is scored; how it is generated may vary."""


def check_one_experiment(points: Sequence[Point]) -> None:
    """Raise ConfigError for points that differ in where they are kept or how they are scored, and
    DataError for a guard whose rows cannot be used."""
    problems = [
        Problem(
            key,
            "differs between the arms, but one experiment is kept in one place",
            hint="run one experiment for each value",
        )
        for key in ONE_PLACE
        if _differ([point.experiment.model_dump(mode="json")[key] for point in points])
    ]
    if _differ([point.experiment.diagnosis.model_dump(mode="json") for point in points]):
        message = "differs between the arms, but they are all searched for the same things"
        problems.append(Problem("diagnosis", message, hint="leave it out of the sweep"))
    suites = [point.experiment.suite.model_dump(mode="json", include=SCORED_BY) for point in points]
    if _differ(suites):
        message = "differs between the arms, but arms are compared by one and the same measure"
        hint = "put all metrics into one suite, or run one experiment for each suite"
        problems.append(Problem("suite", message, hint=hint))
    if _differ([point.experiment.guard.model_dump(mode="json") for point in points]):
        message = "differs between the arms, but arms are held against one guard"
        problems.append(Problem("guard", message, hint="run one experiment for each guard"))
    if _differ([point.experiment.baseline.chosen_on for point in points]):
        message = "differs between the arms, but one untuned arm is chosen for all of them"
        problems.append(Problem("baseline.chosen_on", message, hint="leave one of the two out"))
    if _differ([str(point.experiment.seed) for point in points]):
        count = len({point.experiment.seed for point in points})
        problems.append(Problem("seed", SEEDS, hint=f"replicates: {count}"))
    if problems:
        raise ConfigError(problems)
    check_guard(points[0].experiment.guard)


def _differ(values: Sequence[Mapping[str, Any] | str]) -> bool:
    return any(value != values[0] for value in values)
