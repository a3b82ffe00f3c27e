"""Hydra itself: our plugins registered, `hydra.main` driven, its world left as it was found."""

from __future__ import annotations

import sys
from collections.abc import Sequence
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
from runner.compose.hydra_errors import is_foreign, translated
from runner.compose.precedence import above_files
from runner.compose.request import CURRENT, GROUP, Request
from runner.compose.sources import ConfFolder, ExperimentFolder, UserFolder
from runner.compose.surroundings import Surroundings
from runner.compose.typed import usable


class ExperimentSearchPath(SearchPathPlugin):
    """The experiment first, the user's folders next, the packaged one after them."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        request = CURRENT.get(None)
        if request is None:  # another Hydra app in this process
            return
        search_path.prepend("sft", f"experiment://{request.file.parent}", anchor="main")
        for conf in request.confs:
            search_path.prepend("user", f"user-conf://{conf}", anchor="main")
        for element in search_path.get_path():
            if element.provider == "main":
                element.path = f"conf://{packaged_conf()}"


def run(request: Request, flags: Sequence[str]) -> None:
    """Compose `request` the way `hydra.main` does; the launcher calls its `on_batch`. Raises
    ConfigError, and whatever `on_batch` raises."""
    try:
        overrides = [f"{GROUP}='{request.option}'", *usable(request), "hydra.mode=MULTIRUN"]
        fixed = (each for each in request.typed if each.key not in request.sweeping)
        with above_files(request, fixed):
            answer(request, [*flags, *overrides])
    except Exception as error:
        if not is_foreign(error):
            raise
        request.report(translated(error, request))
        raise request.error() from error
    if request.problems:  # a flag that only prints had nothing judged
        raise request.error()


def answer(request: Request, words: Sequence[str]) -> None:
    """Let `hydra.main` do what `words` say, with `request`'s files on its search path."""
    _register()
    token = CURRENT.set(request)
    try:
        with Surroundings(["sft", *words], full_error="1", collecting=False).apply():
            hydra.main(str(packaged_conf()), "config", version_base="1.3")(_no_task)()
    finally:
        CURRENT.reset(token)


def _no_task(config: DictConfig) -> None:
    """Hydra wants a task function; our launcher does not call it."""


@cache
def _register() -> None:
    """Once a process; Hydra keeps plugins in singletons."""
    plugins, store = Plugins.instance(), ConfigStore.instance()
    unnamed: tuple[type[Plugin], ...] = (
        ConfFolder,
        UserFolder,
        ExperimentFolder,
        ExperimentSearchPath,
    )
    named: tuple[type[Plugin], ...] = (launcher.ArmsLauncher, sweeper.ArmsSweeper)
    for plugin in (*unnamed, *named):
        plugins.register(plugin)
    for plugin in named:
        _put_below_hydra_plugins(plugin)
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
