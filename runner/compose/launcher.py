"""The Hydra launcher all sweeps end in: composes a batch of jobs, judges every point of it, and
only then hands the whole to whoever asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from runner.compose.folders import shadows
from runner.compose.grid import axes, combinations
from runner.compose.judge import Draft, judged
from runner.compose.overrides import assignment, forced, parse, text_of
from runner.compose.points import Composition
from runner.compose.request import CURRENT, GROUP, Request
from runner.compose.sweeper import PLUGIN_MODULE


class ArmsLauncher(Launcher):
    """Turns Hydra's jobs into points."""

    __module__ = PLUGIN_MODULE

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.loader = hydra_context.config_loader
        self.master = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Expand and judge the batch, run it, and return one objective value a job: the mean of
        the job's points. Raises ConfigError with every problem of every point."""
        request = CURRENT.get()
        jobs = [list(self._drafts(request, overrides)) for overrides in job_overrides]
        points = judged(request, [draft for job in jobs for draft in job])
        values = iter(
            request.on_batch(
                Composition(
                    file=request.file,
                    overrides=tuple(override.text for override in request.typed),
                    points=points,
                    shadowed=shadows(request.confs),
                )
            )
        )
        return [_returned([next(values) for _ in job]) for job in jobs]

    def _drafts(self, request: Request, job: Sequence[str]) -> Iterator[Draft]:
        """The points of one job: its config, times the groups and values of ``sweep.grid``."""
        swept = _swept(request, job)
        plain = self._composed(request, job)
        grid = axes(plain.get("sweep"), fixed=request.typed_keys())
        groups = [key for key in grid if request.is_group(key)]
        bases: dict[tuple[str, ...], dict[str, Any]] = {(): plain}
        for chosen in combinations(grid):
            extra = tuple(f"{key}={chosen[key]}" for key in groups)
            if extra not in bases:
                bases[extra] = self._composed(request, [*job, *extra])
            yield Draft(
                overrides=tuple(_typed(job))
                + tuple(assignment(key, value) for key, value in chosen.items()),
                swept={**swept, **{key: text_of(value) for key, value in chosen.items()}},
                base=bases[extra],
                values={key: value for key, value in chosen.items() if key not in groups},
            )

    def _composed(self, request: Request, overrides: Sequence[str]) -> dict[str, Any]:
        """The job's config as plain values, interpolations unresolved, without ``hydra``."""
        texts = [forced(text, request.is_group) for text in overrides]
        config = self.loader.load_sweep_config(self.master, texts)
        plain = OmegaConf.to_container(config, resolve=False)
        assert isinstance(plain, dict)
        return {str(key): value for key, value in plain.items() if key != "hydra"}


def _typed(job: Iterable[str]) -> Iterator[str]:
    """The job's overrides as one would type them, ours left out."""
    for text in job:
        if not text.startswith((f"{GROUP}=", "hydra")):
            yield text.removeprefix("++")


def _swept(request: Request, job: Sequence[str]) -> dict[str, str]:
    """The job's overrides that are not on the command line as they stand: swept ones."""
    fixed = {forced(override.text, request.is_group) for override in request.typed}
    found: dict[str, str] = {}
    for text in _typed(forced(text, request.is_group) for text in job):
        override = parse(text)
        if override and override.value and not fixed & {text, f"++{text}"}:
            found[override.key] = override.value.strip("'\"")
    return found


def _returned(values: Sequence[float]) -> JobReturn:
    returned = JobReturn(status=JobStatus.COMPLETED)
    returned.return_value = sum(values) / len(values)
    return returned


def register(store: ConfigStore) -> None:
    """Make the launcher known as ``hydra/launcher: arms``."""
    node = {"_target_": f"{PLUGIN_MODULE}.{ArmsLauncher.__name__}"}
    store.store(group="hydra/launcher", name="arms", node=node, provider="sft")
