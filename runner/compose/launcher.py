"""The Hydra launcher all sweeps end in: composes a batch of jobs, judges every point of it, and
only then hands the whole to whoever asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf

from runner.compose.folders import shadows
from runner.compose.grid import axes, combinations
from runner.compose.judge import Draft, differing, judged
from runner.compose.locate import Layer, Places, layers
from runner.compose.overrides import assignment, parse, text_of
from runner.compose.points import Composition
from runner.compose.request import CURRENT, Request, surroundings
from runner.compose.sweeper import PLUGIN_MODULE, ArmsSweeper
from runner.compose.swept import as_typed, chooses, known_axes, known_options, swept


class ArmsLauncher(Launcher):
    """Turns Hydra's jobs into points."""

    __module__ = PLUGIN_MODULE

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.loader = hydra_context.config_loader
        self.master = config
        self.layers: dict[tuple[str, ...], tuple[Layer, ...]] = {}

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
            points=judged(request, drafts, self._varying(drafts), self._places),
            shadowed=shadows(request.confs),
        )
        with surroundings(*request.outside):
            values = iter(request.on_batch(composition))
        return [_returned([next(values) for _ in job]) for job in jobs]

    def _varying(self, drafts: Sequence[Draft]) -> set[str]:
        """Swept keys that tell points apart: for our own sweeper, which makes all points in one
        batch, those that differ; an optimising one tries different values batch by batch."""
        target = str(self.master.hydra.sweeper.get("_target_"))
        if target.endswith(f".{ArmsSweeper.__name__}"):
            return differing(drafts)
        return {key for draft in drafts for key in draft.swept}

    def _drafts(self, request: Request, overrides: Sequence[str]) -> Iterator[Draft]:
        """The points of one job: its config, times the groups and values of ``sweep.grid``."""
        job = tuple(known_options(request, overrides))
        bases: dict[tuple[str, ...], dict[str, Any]] = {(): self._composed(job)}
        grid = known_axes(request, axes(bases[()].get("sweep"), fixed=request.typed_keys()))
        groups = [key for key in grid if chooses(request, key, grid[key])]
        fixed = swept(request, job)
        for chosen in combinations(grid):
            extra = tuple(f"{key}={chosen[key]}" for key in groups)
            if extra not in bases:
                bases[extra] = self._composed((*job, *extra))
            grid_texts = [assignment(key, value) for key, value in chosen.items()]
            yield Draft(
                job=(*job, *extra),
                overrides=(*as_typed(job), *grid_texts),
                swept={**fixed, **{key: text_of(value) for key, value in chosen.items()}},
                base=bases[extra],
                values={key: value for key, value in chosen.items() if key not in groups},
            )

    def _composed(self, job: tuple[str, ...]) -> dict[str, Any]:
        """The job's config as plain values, references not followed, without ``hydra``."""
        # Hydra has composed the job already when nothing is swept.
        same = job == tuple(self.master.hydra.overrides.task)
        config = self.master if same else self.loader.load_sweep_config(self.master, list(job))
        keys = [str(key) for key in config if key != "hydra"]
        plain = OmegaConf.to_container(OmegaConf.masked_copy(config, keys), resolve=False)
        assert isinstance(plain, dict)
        return {str(key): value for key, value in plain.items()}

    def _places(self, draft: Draft) -> Places:
        """Where the draft's keys were set; only needed when something is wrong with them."""
        request, hydra = CURRENT.get(), self.master.hydra
        if draft.job not in self.layers:
            defaults = self.loader.compute_defaults_list(
                hydra.job.config_name, [*hydra.overrides.hydra, *draft.job], RunMode.RUN
            ).defaults
            found = [(item.config_path or "", item.package or "") for item in defaults]
            self.layers[draft.job] = layers(request, found)
        overrides = [override for text in draft.job if (override := parse(text))]
        return Places(request, tuple(draft.values), overrides, self.layers[draft.job])


def _returned(values: Sequence[float]) -> JobReturn:
    returned = JobReturn(status=JobStatus.COMPLETED)
    returned.return_value = sum(values) / len(values)
    return returned


def register(store: ConfigStore) -> None:
    """Make the launcher known as ``hydra/launcher: arms``."""
    node = {"_target_": f"{PLUGIN_MODULE}.{ArmsLauncher.__name__}"}
    store.store(group="hydra/launcher", name="arms", node=node, provider="sft")
