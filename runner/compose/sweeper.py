"""The default Hydra sweeper: every combination of the swept keys is one job, all in one batch.

It does what Hydra's basic sweeper does, with two differences. Jobs are composed once, by the
launcher, which validates all of them before anything runs (the basic sweeper composes each once
more for itself). And an override on the command line takes the place of ``hydra.sweeper.params``
for its key, however the two are spelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from runner.base.errors import Problem
from runner.compose.claims import Claim
from runner.compose.command_line import claim_of
from runner.compose.overlaps import open_axes
from runner.compose.precedence import said
from runner.compose.request import CURRENT, GROUP, ComposeRequest
from runner.compose.user_yaml import unknown_option
from runner.compose.values import TypedOverride, assignment, parse_override, place, quoted
from runner.compose.yaml_files import key_lines

PLUGIN_MODULE = "hydra_plugins.sft_runner"
"""Hydra makes plugins only from below `hydra_plugins`, see `runner.compose.hydra_app`."""


class ArmsSweeper(Sweeper):
    """Multiplies out the swept keys."""

    __module__ = PLUGIN_MODULE

    def __init__(self, params: Mapping[str, Any] | None = None, **unknown: Any) -> None:
        self.params = dict(params or {})
        self.unknown = unknown

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.loader = hydra_context.config_loader
        self.arms = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Sequence[JobReturn]:
        """Launch all jobs; `arguments` are the command line's overrides."""
        request, parser = CURRENT.get(), OverridesParser.create(self.loader)
        for key in self.unknown:
            request.report(_problem(request, key, "unknown key; the only one is params"))
        declared = list(self._declared(request, parser))
        kept = open_axes(request, [axis for axis, _ in declared])
        parsed = [override for axis, override in declared if axis in kept]
        parsed += _last(parser.parse_overrides(arguments))
        jobs = [list(job) for job in product(*(_choices(request, each) for each in parsed))]
        returned: Sequence[JobReturn] = self.arms.launch(jobs, initial_job_idx=0)
        return returned

    def _declared(
        self, request: ComposeRequest, parser: OverridesParser
    ) -> Iterator[tuple[Claim, Override]]:
        """The sweeps of ``hydra.sweeper.params``."""
        for key, values in self.params.items():
            text = f"{key}={_listed(values)}"
            override = parse_override(text)
            try:
                parsed = parser.parse_override(
                    override.hydra(request.is_group) if override else text
                )
                where = _problem(request, f"params.{key}", "").where
                yield claim_of(parsed.key_or_group, where, parsed, parser, request), parsed
            except HydraException as error:
                message = f"{quoted(_listed(values))} cannot be read: {str(error).splitlines()[0]}"
                request.report(_problem(request, f"params.{key}", message))


def _last(overrides: Sequence[Override]) -> list[Override]:
    """The overrides, of several of one key only the last. Content for the key of a group and the
    choice of its option are two things."""
    last: dict[tuple[str, bool], Override] = {}
    for override in overrides:
        chooses = not (override.input_line or "").partition("=")[2].lstrip().startswith("{")
        key = (override.get_key_element(), chooses)
        last.pop(key, None)
        last[key] = override
    return list(last.values())


def _problem(request: ComposeRequest, key: str, message: str) -> Problem:
    """A problem with ``hydra.sweeper.KEY``."""
    head, _, name = key.partition(".")
    path = ("hydra", "sweeper", head, name) if name else ("hydra", "sweeper", head)
    line = key_lines(request.file).get(path)
    return Problem(f"hydra.sweeper.{key}", message, place(request.file, line))


def _listed(values: Any) -> str:
    """Several values as Hydra writes them, also when YAML has them as a list."""
    if isinstance(values, list):
        return ",".join(assignment("", value).removeprefix("=") for value in values)
    return str(values)


def _choices(request: ComposeRequest, override: Override) -> list[str]:
    """The override once for each of its values; once as it is when it is no sweep."""
    key = override.get_key_element()
    if not override.is_sweep_override():
        return [override.input_line or key]
    if override.is_discrete_sweep():
        return [f"{key}={value}" for value in override.sweep_string_iterator()]
    name = override.key_or_group
    message = "an interval has no end of values; list them, or use range(start, stop, step)"
    hint = "an optimising sweeper may search an interval: `- override /hydra/sweeper: optuna`"
    typed = request.typed_keys().get(name)
    where = typed.named if typed else _problem(request, f"params.{name}", "").where
    request.report(Problem(name, message, where, hint))
    return []


def register(store: ConfigStore) -> None:
    """Make the sweeper known as ``hydra/sweeper: arms``."""
    node = {"_target_": f"{PLUGIN_MODULE}.{ArmsSweeper.__name__}", "_convert_": "all", "params": {}}
    store.store(group="hydra/sweeper", name="arms", node=node, provider="sft")


# The overrides of one Hydra job: which ones are swept, and whether swept options exist.


def as_typed(job: Sequence[str]) -> Iterator[str]:
    """The job's overrides as one would type them, those that steer Hydra left out."""
    for text in job:
        plain = text.removeprefix("++")
        if not plain.startswith((f"{GROUP}=", "hydra.", "hydra/")):
            yield plain


def swept(request: ComposeRequest, job: Sequence[str]) -> list[TypedOverride]:
    """The job's overrides that the command line does not fix to one value."""
    fixed = request.typed_keys().keys() - request.sweeping
    found = (override for text in as_typed(job) if (override := parse_override(text)))
    return [override for override in found if override.key not in fixed]


def _plain(override: TypedOverride) -> str:
    return (override.value or "").strip("'\"")


def known_options(request: ComposeRequest, job: Sequence[str]) -> Iterator[str]:
    """The job's overrides for Hydra, without choices of options that are not there."""
    for text in job:
        override = parse_override(text)
        if override is None or not _reported(request, override):
            yield override.hydra(request.is_group) if override else text


def _reported(request: ComposeRequest, override: TypedOverride) -> bool:
    """Whether the override chooses an option that is not there. Lists are Hydra's."""
    option = _plain(override)
    if override.key not in request.groups - {GROUP} or option[:1] in ("", "[", "{"):
        return False
    where = said(request, override.key)
    problem = unknown_option(request, override.key, option, where)
    if problem:
        request.report(problem, unchosen=override.key)
    return problem is not None


def known_axes(request: ComposeRequest, grid: Iterable[Claim]) -> list[Claim]:
    """The axes of ``sweep.grid``, without options that are not there."""
    kept = []
    for axis in grid:
        good = axis.values
        if axis.chooses:
            names = dict.fromkeys(map(str, axis.values))
            faulty = {name: unknown_option(request, axis.key, name, axis.where) for name in names}
            for problem in filter(None, faulty.values()):
                request.report(problem, unchosen=axis.key)
            good = tuple(value for value in axis.values if not faulty[str(value)])
        if good:
            kept.append(replace(axis, values=good))
    return kept
