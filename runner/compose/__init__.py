"""Configuration: an experiment's YAML and overrides in, validated points out.

Hydra composes, `runner.config` judges. Every fault is explained as a `runner.errors.Problem`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from runner.compose.points import Composition, Point, Shadow
from runner.errors import ConfigError

__all__ = ["Composition", "Point", "Shadow", "compose"]


def compose(
    file: Path, argv: Sequence[str], on_batch: Callable[[Composition], Sequence[float]]
) -> None:
    """Compose the experiment in `file` and call `on_batch` with its points, all valid.

    `argv` is what stands behind the file on the command line: overrides ``key=value``, and
    Hydra's flags (``-m`` to sweep). `on_batch` returns one value a point, what an optimising
    sweeper is to minimise or maximise; it is called once, or by such a sweeper once a batch.

    Raises ConfigError with every problem found, before `on_batch` is called.
    """
    from runner.compose.folders import groups, user_confs
    from runner.compose.hydra_app import run
    from runner.compose.overrides import parse
    from runner.compose.request import GROUP, Request

    path = Path(file).absolute()
    if not path.is_file():
        raise ConfigError(f"there is no experiment file {file}")
    flags = [text for text in argv if text.startswith("-")]
    confs = user_confs(path)
    request = Request(
        file=path,
        typed=tuple(found for text in argv if (found := parse(text))),
        confs=confs,
        groups=frozenset((*groups(confs), GROUP)),
        on_batch=on_batch,
    )
    run(request, flags)
