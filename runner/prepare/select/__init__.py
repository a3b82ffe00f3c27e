"""Which prepared training rows are used: rules drop rows, then a seeded order fills `size`.

The order does not depend on `size`, so a smaller sample is part of every larger one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from runner.base.errors import ConfigError, Problem
from runner.config import Select
from runner.encoders.lexical import encode as encode_here
from runner.prepare.row_table import hash64, input_text
from runner.prepare.select.diverse import Selection
from runner.prepare.split_groups import mix
from runner.records import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runner.encoders.lexical import Encode
    from runner.prepare.select.diverse import Order


def choose(path: Path, select: Select, seed: int, encode: Encode = encode_here) -> Selection | None:
    """Choose among the rows of a file of `Row`s; None when all are used.

    Raises:
        ConfigError: `balance` names no column, or the file of `hard.scores` does not fit.
        MissingExtraError: more than 50,000 rows are compared without the extra ``data``.
    """
    import numpy as np

    if not any((select.size, select.balance, select.quality, select.diverse, select.hard)):
        return None
    rows = _Rows(path)
    choice = Selection(np.ones(len(rows.hashes), np.bool_))
    vectors = _vectors(rows, select, encode)
    if select.quality:
        from runner.prepare.select.quality import drop_by_rules

        drop_by_rules(rows.read(), select.quality, choice)
        if select.quality.label_noise:
            from runner.prepare.select.quality import drop_noise

            targets = [row.target for row in rows.read()]
            drop_noise(targets, vectors, select.quality.label_noise, choice)
    order = _order(rows, vectors, select, seed, choice)
    _take(order, select, choice)
    wanted = {reason.matched for reason in choice.reasons.values()}
    choice.matched = {at: row for at, row in enumerate(rows.read()) if at in wanted}
    return choice


class _Rows:
    """A file of rows, read anew each time: a million of them do not fit."""

    def __init__(self, path: Path) -> None:
        import numpy as np

        self._path = path
        with path.open("rb") as lines:
            self.hashes = np.fromiter((_content(line) for line in lines), np.uint64)

    def read(self) -> Iterator[Row]:
        with self._path.open("rb") as lines:
            for line in lines:
                yield Row.from_json(orjson.loads(line))


def _content(line: bytes) -> int:
    """Of what the row says, not of where it was read."""
    row = orjson.loads(line)
    said = [row["fields"], row.get("history"), row.get("system"), row["target"]]
    return hash64(orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode())


def _vectors(rows: _Rows, select: Select, encode: Encode) -> Any:
    """The rows' embeddings, where something compares by them."""
    from runner.config.select import LexicalEncoder

    noise = select.quality and select.quality.label_noise
    if not (noise or select.diverse):
        return None
    encoder = select.diverse.encoder if select.diverse else LexicalEncoder(kind="lexical")
    key = "prepare.select.diverse.encoder"
    return encode([input_text(row, []) for row in rows.read()], encoder, key)


def _order(rows: _Rows, vectors: Any, select: Select, seed: int, choice: Selection) -> Order:
    """All rows, those to be taken first in front."""
    import numpy as np

    order = np.argsort(mix(rows.hashes, seed), kind="stable")
    if select.hard:
        from runner.prepare.select.hard import hardest_first

        order = hardest_first([row.id for row in rows.read()], order, select.hard, choice)
    if select.diverse:
        from runner.prepare.select.diverse import cluster

        clusters = cluster(vectors, select.diverse, seed, order, choice)
        choice.clusters = clusters
        if not select.hard:  # whose order is the more wanted one
            order = order[np.argsort(clusters.place[order], kind="stable")]
        order = taking_turns(order, clusters.of_row)
    if select.balance:
        order = taking_turns(order, _values(rows, select.balance))
    return order


def taking_turns(order: Order, group: NDArray[Any]) -> Order:
    """The order in which groups take turns, each with its rows in the order given: the first of
    every group, then the second of every group that has one, and so on."""
    import numpy as np

    _, of_row = np.unique(group, return_inverse=True)
    in_order = of_row[order]
    by_group = np.argsort(in_order, kind="stable")
    starts = np.flatnonzero(np.diff(in_order[by_group], prepend=-1))
    turn = np.empty(len(order), np.int64)
    counts = np.diff(np.append(starts, len(order)))
    turn[by_group] = np.arange(len(order)) - np.repeat(starts, counts)
    turned: Order = order[np.argsort(turn, kind="stable")]
    return turned


def _values(rows: _Rows, column: str) -> NDArray[np.uint64]:
    """Hashes of the column's values. Raises ConfigError when no row has the column."""
    import numpy as np

    known: set[str] = set()
    values = []
    for row in rows.read():
        known.update(row.slices, row.fields)
        value = row.target if column == "target" else row.slices.get(column)
        values.append(hash64(row.fields.get(column, "") if value is None else value))
    if column != "target" and column not in known:
        listed = ", ".join(["target", *sorted(known)])
        message = f"there is no column {column!r}; there are {listed}"
        raise ConfigError([Problem("prepare.select.balance", message)])
    return np.array(values, np.uint64)


def _take(order: Order, select: Select, choice: Selection) -> None:
    """Mark the first `size` rows that no rule dropped."""
    import numpy as np

    dropped = np.fromiter(choice.reasons, np.int64, len(choice.reasons))
    choice.chosen[dropped] = False
    if select.size is None:
        return
    left = order[choice.chosen[order]]
    choice.chosen[left[select.size :]] = False
