"""Which prepared training rows are used: a seeded, nested sample."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from runner.prepare.draw import mix
from runner.prepare.keys import hash64

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def choose(path: Path, size: int | None, seed: int) -> NDArray[np.bool_] | None:
    """Mark `size` rows of a file of `Row`s; None when all are used.

    Rows are ranked by their content and the seed, and the first `size` are taken: a smaller
    sample is part of every larger one, and neither depends on the order of the rows.
    """
    import numpy as np

    if size is None:
        return None
    with path.open("rb") as lines:
        hashes = np.fromiter((_content(line) for line in lines), np.uint64)
    if size >= len(hashes):
        return None
    chosen = np.zeros(len(hashes), np.bool_)
    chosen[np.argsort(mix(hashes, seed), kind="stable")[:size]] = True
    return chosen


def _content(line: bytes) -> int:
    """Of what the row says, not of where it was read."""
    row = orjson.loads(line)
    said = [row["fields"], row.get("history"), row.get("system"), row["target"]]
    return hash64(orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode())
