"""The Hydra launcher all sweeps end in: composes a batch of jobs, judges every point of it, and
only then hands the whole to whoever asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from runner.compose.composer import Composer
from runner.compose.drafts import Draft, asked_by
from runner.compose.folders import shadows
from runner.compose.grid import axes, combinations
from runner.compose.judge import judged
from runner.compose.overlaps import open_axes
from runner.compose.overrides import assignment
from runner.compose.points import Composition
from runner.compose.request import CURRENT, Request
from runner.compose.sweeper import PLUGIN_MODULE, ArmsSweeper
from runner.compose.swept import as_typed, known_axes, known_options


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
        """Expand and judge the batch, run it, and return one objective value a job: the mean of
        the job's points. Raises ConfigError with every problem of every point."""
        request = CURRENT.get()
        jobs = [list(self._drafts(request, overrides)) for overrides in job_overrides]
        drafts = [draft for job in jobs for draft in job]
        composition = Composition(
            file=request.file,
            overrides=tuple(override.text for override in request.typed),
            points=judged(request, drafts, self._all_at_once(), self.composer.places),
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

    def _drafts(self, request: Request, overrides: Sequence[str]) -> Iterator[Draft]:
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
            yield Draft(
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
