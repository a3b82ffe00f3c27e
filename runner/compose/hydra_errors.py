"""What Hydra and OmegaConf refuse, said in our words.

Most mistakes are found before Hydra sees them; this is for the rest. Hydra's advice to put a plus
in front of a key is never passed on: in a schema, a key that is not there cannot be added.
"""

from __future__ import annotations

import re

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from runner.compose.request import Request
from runner.compose.words import did_you_mean, listed, near, place
from runner.errors import Problem

_FOREIGN = ("hydra", "omegaconf", "antlr4")

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


def translated(error: Exception, request: Request) -> Problem:
    """The problem behind an error of Hydra's or OmegaConf's."""
    where = place(request.file)
    if isinstance(error, OverrideParseException):
        return Problem("", _first_line(error), f"override {error.override}")
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        known = sorted(error.options or [])
        message = f"there is no option '{option}'"
        message += f"; the options are {listed(known)}" if known else ""
        return Problem(group, message, where, did_you_mean(near(option, known)))
    return Problem("", _first_line(error.__cause__ or error), where)


def _first_line(error: BaseException) -> str:
    """The message without Hydra's advice and without the insides of OmegaConf."""
    lines = [line for line in str(error).splitlines() if line and not _ADVICE.search(line)]
    return "; ".join(lines) or type(error).__name__
