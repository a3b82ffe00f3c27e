"""The Hydra launcher all sweeps end in: composes a batch of jobs, validates every point of it, and
only then hands the whole to whoever asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf

from runner.compose.claims import touch
from runner.compose.command_line import claim_of
from runner.compose.drafts import SweptValue, UncheckedPoint, Values, asked_by
from runner.compose.folders import shadows
from runner.compose.grid import axes, combinations
from runner.compose.origin import KeyOrigins, Layers, beats_all
from runner.compose.overlaps import open_axes
from runner.compose.points import Composition
from runner.compose.precedence import above_files, swept_at
from runner.compose.request import CURRENT, ComposeRequest
from runner.compose.sweeper import (
    PLUGIN_MODULE,
    ArmsSweeper,
    as_typed,
    known_axes,
    known_options,
    swept,
)
from runner.compose.validate import validated
from runner.compose.values import TypedOverride, assignment, parse_override


class ArmsLauncher(Launcher):
    """Turns Hydra's jobs into points."""

    __module__ = PLUGIN_MODULE

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.master = config
        self.composer = Composer(CURRENT.get(), hydra_context.config_loader, config)

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Expand and validate the batch, run it, and return one objective value a job: the mean of
        the job's points. Raises ConfigError with every problem of every point."""
        request = CURRENT.get()
        jobs = [list(self._drafts(request, overrides)) for overrides in job_overrides]
        drafts = [draft for job in jobs for draft in job]
        composition = Composition(
            file=request.file,
            overrides=tuple(override.text for override in request.typed),
            points=validated(request, drafts, self._all_at_once(), self.composer.places),
            shadowed=shadows(request.confs),
            replaced=tuple(request.replaced),
        )
        if not self._all_at_once():
            # Such a sweeper writes a summary there, and relies on the launcher for the folder.
            Path(str(self.master.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        with request.outside.apply():
            values = iter(request.on_batch(composition))
        return [_returned([next(values) for _ in job]) for job in jobs]

    def _all_at_once(self) -> bool:
        """Whether the sweeper is our own, whose jobs are all in one batch; an optimising one
        learns from batch to batch."""
        target = str(self.master.hydra.sweeper.get("_target_"))
        return target.endswith(f".{ArmsSweeper.__name__}")

    def _drafts(
        self, request: ComposeRequest, overrides: Sequence[str]
    ) -> Iterator[UncheckedPoint]:
        """The points of one job: its config, times the groups and values of ``sweep.grid``."""
        job = tuple(known_options(request, overrides))
        sweep = self.composer.compose(job).base.get("sweep")
        grid = known_axes(request, open_axes(request, axes(request, sweep)))
        asked = tuple(self.composer.asked(job))
        over, typed = self.composer.over(job, [axis.key for axis in grid if not axis.chooses])
        under = [text for text in job if text not in over]
        for chosen in combinations(grid):
            options = [f"{axis.key}={value}" for axis, value in chosen if axis.chooses]
            composed = self.composer.compose((*job, *options))
            values = [(axis.key, value) for axis, value in chosen if not axis.chooses]
            axis_texts = [assignment(axis.key, value) for axis, value in chosen]
            yield UncheckedPoint(
                job=(*job, *options),
                overrides=(*as_typed(under), *axis_texts, *as_typed(over)),
                asked=(*asked, *(each for pair in chosen for each in asked_by(*pair))),
                base=composed.base,
                values=(*composed.values, *values, *typed),
                options=composed.options,
                axes=tuple(key for key, _ in values),
            )


def _returned(values: Sequence[float]) -> JobReturn:
    returned = JobReturn(status=JobStatus.COMPLETED)
    returned.return_value = sum(values) / len(values)
    return returned


def register(store: ConfigStore) -> None:
    """Make the launcher known as ``hydra/launcher: arms``."""
    node = {"_target_": f"{PLUGIN_MODULE}.{ArmsLauncher.__name__}"}
    store.store(group="hydra/launcher", name="arms", node=node, provider="sft")


# Hydra's composition of jobs, done as seldom as possible: jobs that differ only in values share
# one, and the values are set on top, which is what Hydra does with overrides too.

Job = tuple[str, ...]
"""Hydra's overrides of one job."""


@dataclass(frozen=True, slots=True)
class ComposedConfig:
    """The config of one job."""

    base: Mapping[str, Any]
    """Plain values, references not followed, without ``hydra``."""
    values: Values
    """To be set on top of it."""
    options: Mapping[str, str]
    """The option that was taken of every group."""


class Composer:
    """Composes the jobs of one request, and says where their keys were set."""

    def __init__(self, request: ComposeRequest, loader: ConfigLoader, master: DictConfig) -> None:
        """`master` is the config that Hydra has composed already, without what is swept."""
        self._request = request
        self._loader = loader
        self._master = master
        self._parser = OverridesParser.create()
        self._bases: dict[Job, tuple[dict[str, Any], dict[str, str]]] = {}
        self._layers: dict[Job, Layers] = {}

    def compose(self, job: Job) -> ComposedConfig:
        """The job's config, in the two parts it is made of."""
        loose = self._loose(job)
        rest = tuple(text for text in job if text not in loose)
        if rest not in self._bases:
            self._bases[rest] = self._base(rest)
        base, options = self._bases[rest]
        return ComposedConfig(base, self._values(loose), options)

    def asked(self, job: Job) -> Iterator[SweptValue]:
        """What the job's swept overrides ask for."""
        for override in swept(self._request, job):
            known = [c for c in self._request.claims if c.key == override.key and c.swept]
            parsed = self._parser.parse_override(override.text)
            where = swept_at(self._request, override.key)
            own = claim_of(override.key, where, parsed, self._parser, self._request)
            claim = replace(known[0], chooses=own.chooses) if known else own
            for value in own.values:
                yield from asked_by(claim, value)

    def over(self, job: Job, axes: Iterable[str]) -> tuple[Job, Values]:
        """The job's typed values that have to do with `axes` of the grid, which they win over,
        as texts and by dotted key."""
        typed = {claim.key for claim in self._request.claims if not claim.chooses}
        texts = [
            override.text
            for text in job
            if (override := parse_override(text))
            and override.sign == "++"
            and override.key in typed
            and any(touch(override.key, axis) for axis in axes)
        ]
        return tuple(texts), self._values(texts)

    def _values(self, texts: Iterable[str]) -> Values:
        parsed = (self._parser.parse_override(text) for text in texts)
        return tuple((each.key_or_group, each.value()) for each in parsed)

    def _loose(self, job: Job) -> list[str]:
        """The job's swept values that no other override, and no axis, has to do with."""
        overrides = [override for text in job if (override := parse_override(text))]
        keys = ["sweep", *(override.key for override in overrides)]
        moving = {override.key for override in swept(self._request, job)}
        return [
            override.text
            for override in overrides
            if override.sign == "++"
            and override.key in moving
            and sum(touch(override.key, key) for key in keys) == 1
        ]

    def _base(self, job: Job) -> tuple[dict[str, Any], dict[str, str]]:
        sweeping = self._request.sweeping
        task = [str(text) for text in self._master.hydra.overrides.task]
        still = [text for text in task if not (o := parse_override(text)) or o.key not in sweeping]
        same = list(job) == still
        with above_files(self._request, _parsed(job)):
            config = (
                self._master if same else self._loader.load_sweep_config(self._master, list(job))
            )
        keys = [str(key) for key in config if key != "hydra"]
        plain = OmegaConf.to_container(OmegaConf.masked_copy(config, keys), resolve=False)
        assert isinstance(plain, dict)
        options = {str(group): str(name) for group, name in config.hydra.runtime.choices.items()}
        return {str(key): value for key, value in plain.items()}, options

    def places(self, draft: UncheckedPoint) -> KeyOrigins:
        """Where the draft's keys were set; only needed when something is wrong with them."""

        def defaults() -> Sequence[tuple[str, str]]:
            hydra = self._master.hydra
            with above_files(self._request, overrides):
                found = self._loader.compute_defaults_list(
                    hydra.job.config_name, [*hydra.overrides.hydra, *draft.job], RunMode.RUN
                ).defaults
            return [(item.config_path or "", item.package or "") for item in found]

        overrides = _parsed(draft.job)
        if draft.job not in self._layers:
            strongest = beats_all(self._request, draft.job)
            with above_files(self._request, overrides) as above:
                self._layers[draft.job] = Layers(self._request, strongest, defaults, above)
        layers = self._layers[draft.job]
        return KeyOrigins(self._request, draft.axes, overrides, layers)


def _parsed(job: Job) -> list[TypedOverride]:
    return [override for text in job if (override := parse_override(text))]
