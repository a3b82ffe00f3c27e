"""Configuration: an experiment's YAML and overrides in, validated points out.

Hydra composes, `runner.config` validates. Every fault is explained as a
`runner.base.errors.Problem`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from runner.base.errors import ConfigError
from runner.compose.completion import complete
from runner.compose.points import ComposedPoint, Composition, ShadowedFile
from runner.compose.schema import schema_json

__all__ = ["ComposedPoint", "Composition", "ShadowedFile", "complete", "compose", "schema_json"]


def compose(
    file: Path, argv: Sequence[str], on_batch: Callable[[Composition], Sequence[float]]
) -> None:
    """Compose the experiment in `file` and call `on_batch` with its points, all valid.

    `argv` is what stands behind the file on the command line: overrides ``key=value``, and
    Hydra's flags (``-m`` to sweep; ``--cfg job`` prints the config and composes no points).
    `on_batch` returns one value a point, what an optimising sweeper is to minimise or maximise;
    it is called once, or by such a sweeper once a batch.

    Raises ConfigError with every problem found, before `on_batch` is called.
    """
    # Hydra and pydantic are imported only here: `sft --help` must not wait for them.
    from runner.compose.request import ProcessState

    path = Path(file).absolute()
    if not path.is_file():
        raise ConfigError(f"there is no experiment file {file}")
    outside = ProcessState.now()
    with replace(outside, collecting=False).apply():
        from runner.compose.command_line import request_for
        from runner.compose.hydra_app import run
        from runner.compose.user_yaml import read_user_yaml

        read_user_yaml(path)
        run(*request_for(path, argv, on_batch, outside))
