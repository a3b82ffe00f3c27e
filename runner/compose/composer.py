"""Hydra's composition of jobs, done as seldom as possible: jobs that differ only in values share
one, and the values are set on top, which is what Hydra does with overrides too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from runner.compose.judge import Draft
from runner.compose.locate import Layers, Places, beats_all
from runner.compose.overrides import parse
from runner.compose.request import Request
from runner.compose.swept import swept

Job = tuple[str, ...]
"""Hydra's overrides of one job."""


class Composer:
    """Composes the jobs of one request, and says where their keys were set."""

    def __init__(self, request: Request, loader: ConfigLoader, master: DictConfig) -> None:
        """`master` is the config that Hydra has composed already, without what is swept."""
        self._request = request
        self._loader = loader
        self._master = master
        self._parser = OverridesParser.create()
        self._bases: dict[Job, Mapping[str, Any]] = {}
        self._layers: dict[Job, Layers] = {}

    def compose(self, job: Job) -> tuple[Mapping[str, Any], dict[str, Any]]:
        """A config as plain values, references not followed, without ``hydra``; and values by
        dotted key, to be set on top of it."""
        loose = self._loose(job)
        rest = tuple(text for text in job if text not in loose)
        if rest not in self._bases:
            self._bases[rest] = self._base(rest)
        parsed = (self._parser.parse_override(text) for text in loose)
        return self._bases[rest], {each.key_or_group: each.value() for each in parsed}

    def _loose(self, job: Job) -> list[str]:
        """The job's swept values that no other override, and no axis, has to do with."""
        overrides = [override for text in job if (override := parse(text))]
        keys = ["sweep", *(override.key for override in overrides)]
        moving = swept(self._request, job).keys()
        return [
            override.text
            for override in overrides
            if override.sign == "++"
            and override.key in moving
            and sum(_touch(override.key, key) for key in keys) == 1
        ]

    def _base(self, job: Job) -> dict[str, Any]:
        sweeping = self._request.sweeping
        task = [str(text) for text in self._master.hydra.overrides.task]
        still = [text for text in task if not (o := parse(text)) or o.key not in sweeping]
        same = list(job) == still
        config = self._master if same else self._loader.load_sweep_config(self._master, list(job))
        keys = [str(key) for key in config if key != "hydra"]
        plain = OmegaConf.to_container(OmegaConf.masked_copy(config, keys), resolve=False)
        assert isinstance(plain, dict)
        return {str(key): value for key, value in plain.items()}

    def places(self, draft: Draft) -> Places:
        """Where the draft's keys were set; only needed when something is wrong with them."""

        def defaults() -> Sequence[tuple[str, str]]:
            hydra = self._master.hydra
            found = self._loader.compute_defaults_list(
                hydra.job.config_name, [*hydra.overrides.hydra, *draft.job], RunMode.RUN
            ).defaults
            return [(item.config_path or "", item.package or "") for item in found]

        layers = self._layers.setdefault(
            draft.job, Layers(self._request, beats_all(self._request, draft.job), defaults)
        )
        overrides = [override for text in draft.job if (override := parse(text))]
        return Places(self._request, draft.axes, overrides, layers)


def _touch(key: str, other: str) -> bool:
    """Whether one of the keys stands in the other."""
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")
