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
from runner.compose.folders import shadows
from runner.compose.grid import axes, combinations
from runner.compose.judge import Draft, differing, judged
from runner.compose.overrides import assignment, text_of
from runner.compose.points import Composition
from runner.compose.request import CURRENT, Request
from runner.compose.sweeper import PLUGIN_MODULE, ArmsSweeper
from runner.compose.swept import as_typed, chooses, known_axes, known_options, swept


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
            points=judged(request, drafts, self._varying(drafts), self.composer.places),
            shadowed=shadows(request.confs),
        )
        if not self._all_at_once():
            # Such a sweeper writes a summary there, and relies on the launcher for the folder.
            Path(str(self.master.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        with request.outside.apply():
            values = iter(request.on_batch(composition))
        return [_returned([next(values) for _ in job]) for job in jobs]

    def _varying(self, drafts: Sequence[Draft]) -> set[str]:
        """Swept keys that tell points apart, also points of another batch."""
        if self._all_at_once():
            return differing(drafts)
        return {key for draft in drafts for key in draft.swept}

    def _all_at_once(self) -> bool:
        """Whether the sweeper is our own, whose jobs are all in one batch; an optimising one
        learns from batch to batch."""
        target = str(self.master.hydra.sweeper.get("_target_"))
        return target.endswith(f".{ArmsSweeper.__name__}")

    def _drafts(self, request: Request, overrides: Sequence[str]) -> Iterator[Draft]:
        """The points of one job: its config, times the groups and values of ``sweep.grid``."""
        job = tuple(known_options(request, overrides))
        base, _ = self.composer.compose(job)
        grid = known_axes(request, axes(base.get("sweep"), fixed=request.typed_keys()))
        groups = [key for key in grid if chooses(request, key, grid[key])]
        moving = swept(request, job)
        for chosen in combinations(grid):
            full = (*job, *(f"{key}={chosen[key]}" for key in groups))
            base, values = self.composer.compose(full)
            chosen_values = {key: value for key, value in chosen.items() if key not in groups}
            axis_texts = [assignment(key, value) for key, value in chosen.items()]
            yield Draft(
                job=full,
                overrides=(*as_typed(job), *axis_texts),
                swept={**moving, **{key: text_of(value) for key, value in chosen.items()}},
                base=base,
                values={**values, **chosen_values},
                axes=tuple(chosen_values),
            )


def _returned(values: Sequence[float]) -> JobReturn:
    returned = JobReturn(status=JobStatus.COMPLETED)
    returned.return_value = sum(values) / len(values)
    return returned


def register(store: ConfigStore) -> None:
    """Make the launcher known as ``hydra/launcher: arms``."""
    node = {"_target_": f"{PLUGIN_MODULE}.{ArmsLauncher.__name__}"}
    store.store(group="hydra/launcher", name="arms", node=node, provider="sft")
