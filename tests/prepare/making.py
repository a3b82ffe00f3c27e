"""Rows in memory, prepared and rendered through the public doors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from runner.config import Prepare, Select, Template
from runner.prepare import prepare, render
from runner.records import SPLITS, Example, FaultLog, Origin, Row, Tally

SEED = 17
OPEN = {"leakage": {"max_share": 1}}
"""A leakage gate that lets everything through."""


def rows_of(pairs: Sequence[tuple[str, str]], split: str = "train", **more: Any) -> list[Row]:
    """Rows with one input column `text`."""
    return [
        Row(f"{split}-{n}", {"text": text}, target, Origin(f"{split}.csv", n), **more)
        for n, (text, target) in enumerate(pairs, start=2)
    ]


@dataclass(frozen=True)
class Prepared:
    """A prepared folder, read back."""

    path: Path
    splits: dict[str, list[Row]]
    dropped: list[dict[str, Any]]
    tallies: list[Tally]
    summary: dict[str, Any]

    def reasons(self, split: str = "train") -> dict[str, str]:
        """Row id to the reason it was dropped for."""
        return {d["id"]: d["reason"] for d in self.dropped if d["split"] == split}

    def texts(self, split: str = "train") -> list[str]:
        return [row.fields["text"] for row in self.splits[split]]


def reader(rows: Sequence[Row]) -> Callable[[FaultLog], Iterator[Row]]:
    def read(rows: Sequence[Row], faults: FaultLog) -> Iterator[Row]:
        for row in rows:
            faults.good()
            yield row

    return partial(read, rows)


def prepared(
    out: Path,
    splits: Mapping[str, Sequence[Row]],
    config: Mapping[str, Any] | None = None,
    encode: Any = None,
) -> Prepared:
    """Prepare rows under a config that differs from the defaults as given."""
    out.mkdir(parents=True)
    readers = {split: reader(rows) for split, rows in splits.items()}
    prepare(readers, Prepare.model_validate(config or {}), 0.05, SEED, out, encode=encode)
    return read_prepared(out)


def read_prepared(out: Path) -> Prepared:
    """Read a prepared folder back, holding every tally and every dropped row to the law."""
    tallies = [Tally.from_json(raw) for raw in orjson.loads((out / "tally.json").read_bytes())]
    for tally in tallies:
        tally.check()
    dropped = read_lines(out / "dropped.jsonl")
    counted = sum(
        count
        for tally in tallies
        for reason, count in tally.dropped.items()
        if not reason.startswith(("moved_to_", "merged_reference", "weight"))
    )
    assert len(dropped) == counted
    splits = {
        split: [Row.from_json(r) for r in read_lines(out / f"{split}.jsonl")] for split in SPLITS
    }
    return Prepared(
        out, splits, dropped, tallies, orjson.loads((out / "summary.json").read_bytes())
    )


def read_lines(path: Path) -> list[Any]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


@dataclass(frozen=True)
class Rendered:
    """A rendered folder, read back."""

    path: Path
    splits: dict[str, list[Example]]
    dropped: list[dict[str, Any]]
    summary: dict[str, Any]


def rendered(
    out: Path,
    source: Prepared,
    *,
    size: int | None = None,
    context: int = 2048,
    count: Callable[[Sequence[Example]], list[tuple[int, int]] | None] = lambda _: None,
    **template: Any,
) -> Rendered:
    """Render prepared rows with a template that differs from the defaults as given."""
    out.mkdir(parents=True)
    wanted = Template(name="test", **template)
    render(source.path, wanted, Select(size=size), context, SEED, out, count)
    for raw in orjson.loads((out / "tally.json").read_bytes()):
        Tally.from_json(raw).check()
    return Rendered(
        out,
        {
            split: [Example.from_json(r) for r in read_lines(out / f"{split}.jsonl")]
            for split in SPLITS
        },
        read_lines(out / "dropped.jsonl"),
        orjson.loads((out / "summary.json").read_bytes()),
    )
