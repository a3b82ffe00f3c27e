"""Hydra itself: our plugins registered, `hydra.main` driven, its world left as it was found."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import ModuleType

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.plugin import Plugin
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig

from runner.compose import launcher, sweeper
from runner.compose.folders import packaged_conf
from runner.compose.overrides import forced
from runner.compose.request import CURRENT, GROUP, Request
from runner.compose.sources import ConfFolder, ExperimentFolder


class ExperimentSearchPath(SearchPathPlugin):
    """The experiment first, the user's folders next, the packaged one after them."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        request = CURRENT.get(None)
        if request is None:
            return
        search_path.prepend("sft", f"experiment://{request.file.parent}", anchor="main")
        for conf in request.confs:
            search_path.prepend("user", f"conf://{conf}", anchor="main")
        for element in search_path.get_path():
            if element.provider == "main":
                element.path = f"conf://{packaged_conf()}"


@cache
def _register() -> None:
    """Once a process; Hydra keeps plugins in singletons."""
    plugins = Plugins.instance()
    named: tuple[type[Plugin], ...] = (launcher.ArmsLauncher, sweeper.ArmsSweeper)
    unnamed: tuple[type[Plugin], ...] = (ConfFolder, ExperimentFolder, ExperimentSearchPath)
    for plugin in unnamed + named:
        plugins.register(plugin)
    for plugin in named:
        _put_below_hydra_plugins(plugin)
    store = ConfigStore.instance()
    launcher.register(store)
    sweeper.register(store)


def _put_below_hydra_plugins(plugin: type) -> None:
    """Let Hydra find a launcher or sweeper by a name below `hydra_plugins`, the only place it
    makes them from. A real folder of that name in our package would be imported by every other
    Hydra app in the same environment."""
    try:
        parent = import_module("hydra_plugins")
    except ImportError:  # no package of plugins is installed
        parent = sys.modules["hydra_plugins"] = ModuleType("hydra_plugins")
    module = sys.modules.setdefault(sweeper.PLUGIN_MODULE, ModuleType(sweeper.PLUGIN_MODULE))
    setattr(module, plugin.__name__, plugin)
    setattr(parent, sweeper.PLUGIN_MODULE.rpartition(".")[2], module)


def run(request: Request, flags: Sequence[str]) -> None:
    """Compose `request` the way `hydra.main` does; the launcher calls its `on_batch`."""
    _register()
    overrides = [forced(override.text, request.is_group) for override in request.typed]
    argv = ["sft", *flags, f"{GROUP}={request.option}", *overrides, "hydra.mode=MULTIRUN"]
    token = CURRENT.set(request)
    try:
        with _borrowed(argv):
            hydra.main(str(packaged_conf()), "config", version_base="1.3")(_never_called)()
    finally:
        CURRENT.reset(token)


def _never_called(config: DictConfig) -> None:
    """Hydra wants a task function; our launcher has its own idea of a task."""
    raise AssertionError("sft runs its arms by its own launcher")


@contextmanager
def _borrowed(argv: list[str]) -> Iterator[None]:
    """`sys.argv` and the switch that makes Hydra raise instead of print, for the time being."""
    before = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv, os.environ["HYDRA_FULL_ERROR"] = argv, "1"
    try:
        yield
    finally:
        sys.argv = before[0]
        if before[1] is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before[1]
