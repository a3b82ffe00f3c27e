"""The default Hydra sweeper: every combination of the swept keys is one job, all in one batch.

It does what Hydra's basic sweeper does, with two differences. Jobs are composed once, by the
launcher, which judges all of them before anything runs (the basic sweeper composes each once more
for itself). And an override on the command line takes the place of ``hydra.sweeper.params`` for
its key, however the two are spelled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from runner.compose.overrides import assignment, parse
from runner.compose.request import CURRENT
from runner.errors import ConfigError, Problem

PLUGIN_MODULE = "hydra_plugins.sft_runner"
"""Hydra makes plugins only from below `hydra_plugins`, see `runner.compose.hydra_app`."""


class ArmsSweeper(Sweeper):
    """Multiplies out the swept keys."""

    __module__ = PLUGIN_MODULE

    def __init__(self, params: Mapping[str, str] | None = None) -> None:
        self.params = dict(params or {})

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.arms = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Sequence[JobReturn]:
        """Launch all jobs; `arguments` are the command line's overrides."""
        request = CURRENT.get()
        declared = [parse(f"{key}={_listed(value)}") for key, value in self.params.items()]
        texts = [override.hydra(request.is_group) for override in declared if override]
        parsed = OverridesParser.create().parse_overrides([*texts, *arguments])
        choices = {override.get_key_element(): _choices(override) for override in parsed}
        jobs = [list(job) for job in product(*choices.values())]
        returned: Sequence[JobReturn] = self.arms.launch(jobs, initial_job_idx=0)
        return returned


def _listed(values: Any) -> str:
    """Several values as Hydra writes them, also when YAML has them as a list."""
    if isinstance(values, list):
        return ",".join(assignment("", value).removeprefix("=") for value in values)
    return str(values)


def _choices(override: Override) -> list[str]:
    """The override once for each of its values; once as it is when it is no sweep."""
    key = override.get_key_element()
    if not override.is_sweep_override():
        return [override.input_line or key]
    if not override.is_discrete_sweep():
        raise ConfigError(
            [
                Problem(
                    override.key_or_group,
                    "an interval has no end of values; list them, or use range(start, stop, step)",
                    where=f"override {(override.input_line or '').lstrip('+')}",
                    hint="an optimising sweeper may search an interval: "
                    "`- override /hydra/sweeper: optuna`",
                )
            ]
        )
    return [f"{key}={value}" for value in override.sweep_string_iterator()]


def register(store: ConfigStore) -> None:
    """Make the sweeper known as ``hydra/sweeper: arms``."""
    node = {"_target_": f"{PLUGIN_MODULE}.{ArmsSweeper.__name__}", "_convert_": "all", "params": {}}
    store.store(group="hydra/sweeper", name="arms", node=node, provider="sft")
