"""Tab completion by Hydra's own ``-sc``, for a command line with a verb and a path in it.

The shell hands over the whole line in ``COMP_LINE``; Hydra completes overrides and knows
neither verbs nor experiment files, so those are taken out of the line before it looks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

VERBS = (
    "init",
    "check",
    "plan",
    "run",
    "cancel",
    "status",
    "compare",
    "diagnose",
    "advise",
    "ship",
    "clean",
    "export",
    "ui",
    "emulate",
    "schema",
)
COMPOSING = ("check", "plan", "run")


def complete(words: Sequence[str]) -> int:
    """Answer Hydra's ``-sc install=bash``, ``-sc uninstall=...`` or, for the line in the
    environment, ``-sc query=...``, by printing to stdout. Returns the exit code."""
    if not any(word.startswith("query=") for word in words):
        return _hydra(words, Path("experiment.yaml"))
    line = os.environ.get("COMP_LINE", "")[: _cursor(os.environ)]
    typed = line.split()[1:]
    finished = len(typed) - (not line.endswith(" "))
    if finished < 1:
        print("\n".join(verb for verb in VERBS if verb.startswith("".join(typed))))
        return 0
    files = [word for word in typed[1:finished] if _is_file(word)]
    if typed[0] not in COMPOSING or not files:
        return 0  # the shell completes file names by itself
    rest = [word for word in typed[1:] if word != files[0]]
    os.environ["COMP_LINE"] = " ".join(["sft", *rest]) + (" " if line.endswith(" ") else "")
    os.environ["COMP_POINT"] = str(len(os.environ["COMP_LINE"]))
    return _hydra(words, Path(files[0]).expanduser())


def _cursor(environment: Mapping[str, str]) -> int | None:
    point = environment.get("COMP_POINT", "")
    return int(point) if point.isdigit() else None


def _is_file(word: str) -> bool:
    return "=" not in word and Path(word).expanduser().is_file()


def _hydra(words: Sequence[str], file: Path) -> int:
    from runner.compose.command_line import request_for
    from runner.compose.hydra_app import answer
    from runner.compose.request import ProcessState

    request, _ = request_for(file.absolute(), [], lambda composition: [], ProcessState.now())
    answer(request, words)
    return 0
