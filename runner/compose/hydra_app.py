"""Hydra itself: our plugins registered, `hydra.main` driven, its world left as it was found."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import hydra
from hydra._internal.hydra import Hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.plugins.plugin import Plugin
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from runner.base.errors import Problem
from runner.compose import launcher, sweeper
from runner.compose.command_line import usable
from runner.compose.folders import packaged_conf
from runner.compose.hydra_sources import ConfFolder, ExperimentFolder, UserFolder
from runner.compose.precedence import above_files
from runner.compose.request import CURRENT, GROUP, ComposeRequest, ProcessState
from runner.compose.resolve import refused
from runner.compose.values import did_you_mean, listed, nearest, place

MULTIRUN = "hydra.mode=MULTIRUN"


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


def run(request: ComposeRequest, flags: Sequence[str]) -> None:
    """Compose `request` the way `hydra.main` does; the launcher calls its `on_batch`. Raises
    ConfigError, and whatever `on_batch` raises."""
    try:
        overrides = [f"{GROUP}='{request.option}'", *usable(request), MULTIRUN]
        fixed = (each for each in request.typed if each.key not in request.sweeping)
        with above_files(request, fixed):
            answer(request, [*flags, *overrides])
    except Exception as error:
        if not is_foreign(error):
            raise
        request.report(translated(error, request))
        raise request.error() from error
    if request.problems:  # a flag that only prints had nothing validated
        raise request.error()


def answer(request: ComposeRequest, words: Sequence[str]) -> None:
    """Let `hydra.main` do what `words` say, with `request`'s files on its search path."""
    _register()
    token = CURRENT.set(request)
    try:
        state = ProcessState(["sft", *words], full_error="1", collecting=False)
        with state.apply(), _mode_read_from_words():
            hydra.main(str(packaged_conf()), "config", version_base="1.3")(_no_task)()
    finally:
        CURRENT.reset(token)


@contextmanager
def _mode_read_from_words() -> Iterator[None]:
    """Hydra composes everything a first time only to look up `hydra.mode`, which we type. Without
    that, a command composes in half the time."""
    looked_up = Hydra.get_mode

    def get_mode(self: Hydra, config_name: str | None, overrides: list[str]) -> Any:
        if MULTIRUN in overrides:
            return RunMode.MULTIRUN
        return looked_up(self, config_name, overrides)

    Hydra.get_mode = get_mode  # type: ignore[method-assign]
    try:
        yield
    finally:
        Hydra.get_mode = looked_up  # type: ignore[method-assign]


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


# What Hydra and OmegaConf refuse, said in our words.
#
# Most mistakes are found before Hydra sees them; this is for the rest. Hydra's advice to put a
# plus in front of a key is never passed on: in a schema, a key that is not there cannot be added.

_FOREIGN = ("hydra", "omegaconf", "antlr4")

_MERGING = re.compile(r"Error merging override (\S.*)")
_NO_NUMBER = re.compile(r"invalid literal for int\(\) with base 10: '(.*)'")
"""OmegaConf's words for a name where the number of a list's item should stand."""
_ADVICE = re.compile(r"\+|HYDRA_FULL_ERROR|Config search path|^\s|full_key|object_type")


def is_foreign(error: Exception) -> bool:
    """Whether the error is Hydra's or OmegaConf's: of their classes, or raised in their code,
    which meets bad input with ValueError and the like."""
    if isinstance(error, HydraException | OmegaConfBaseException):
        return True
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "") if trace else ""
    return str(module).partition(".")[0] in _FOREIGN


def translated(error: Exception, request: ComposeRequest) -> Problem:
    """The problem behind an error of Hydra's or OmegaConf's."""
    where = place(request.file)
    if isinstance(error, OverrideParseException):
        return Problem("", _first_line(error), f"override {error.override}")
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        known = sorted(error.options or [])
        message = f"there is no option '{option}'"
        message += f"; the options are {listed(known)}" if known else ""
        return Problem(group, message, where, did_you_mean(nearest(option, known)))
    if text := _merging(error, request):
        key = text.partition("=")[0].lstrip("+~")
        return Problem(key, refused(error.__cause__ or error), f"override {text.lstrip('+')}")
    return Problem("", _first_line(error.__cause__ or error), where)


def _merging(error: Exception, request: ComposeRequest) -> str:
    """The override that could not be set on top of the config; empty where that was not it."""
    if found := _MERGING.match(str(error)):
        return found[1]
    if found := _NO_NUMBER.match(str(error)):
        named = (each.text for each in request.typed if found[1] in each.key.split("."))
        return next(named, "")
    return ""


def _first_line(error: BaseException) -> str:
    """The message without Hydra's advice and without the insides of OmegaConf."""
    lines = [line for line in str(error).splitlines() if line and not _ADVICE.search(line)]
    return "; ".join(lines) or type(error).__name__
