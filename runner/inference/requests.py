"""From rendered examples to requests, with worked examples put in front."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, zip_longest
from statistics import median_low

from runner.base.digests import digest_of
from runner.base.errors import ConfigError, Problem
from runner.base.text import plural
from runner.inference.predictions import PREDICT_VERSION
from runner.records import Example, Generation, Request, Turn


def requests_for(examples: Sequence[Example], shots: Sequence[Example] = ()) -> list[Request]:
    """One request an example, in their order.

    Each shot becomes its own turns plus a model turn with its target, all of them before the
    row's first turn; the row's system instruction stays. All requests start with the same
    turns, which is what a backend's shared-prefix cache lives on.
    """
    worked = tuple(turn for shot in shots for turn in (*shot.contents, _answer(shot)))
    return [Request(row.id, (*worked, *row.contents), row.system, row.extras) for row in examples]


def _answer(shot: Example) -> Turn:
    return Turn("model", shot.target, shot.target_parts)


# A set of answers before there are any: what is asked, and of whom.


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that determines the answers."""

    requests: list[Request]
    model: Mapping[str, object]
    """Which model and checkpoint answer; part of the prediction cache's key."""
    generation: Generation

    @property
    def key(self) -> dict[str, object]:
        """The key of the answers in the store."""
        return {
            "version": PREDICT_VERSION,
            "model": self.model,
            "requests": digest_of([_asked(request) for request in self.requests]),
            "generation": asdict(self.generation),
        }

    @property
    def label(self) -> str:
        """Names the answers: in the store, and in the ledger's spending."""
        return digest_of({"stage": "predict", **self.key})


def _asked(request: Request) -> dict[str, object]:
    """The request as JSON; without the digest of its files where it names none."""
    raw = asdict(request)
    if not raw["files"]:
        del raw["files"]
    return raw


# Drawing the worked examples of a few-shot prompt from the training rows.

ROWS_A_LABEL = 2
"""Targets are labels when each stands, on average, in at least this many rows."""


def draw_shots(train: Sequence[Example], k: int, seed: int) -> list[Example]:
    """`k` different training rows, the same ones for the same rows in any order and `seed`.

    Where targets are labels, as many labels as possible take part; the shorter half of each
    label's rows (or of all rows) comes first, so that the shots leave room for the question.
    The first 3 of 8 shots are the 3 shots. Raises ConfigError when there are fewer rows.
    """
    rows = {_content(row): row for row in train}
    if len(rows) < k:
        message = (
            f"{plural(k, 'worked example')} asked for, but train has "
            f"{plural(len(rows), 'different row')}"
        )
        raise ConfigError([Problem("baseline.few_shot", message, hint="ask for fewer")])
    # By digest of seed and content: ids may be line numbers, and those follow the row order.
    ordered = [rows[content] for content in sorted(rows, key=lambda text: _digest(text, seed))]
    groups: dict[str, list[Example]] = {}
    labels = len({row.target for row in ordered}) * ROWS_A_LABEL <= len(ordered)
    for row in ordered:
        groups.setdefault(row.target if labels else "", []).append(row)
    rounds = zip_longest(*(_short_first(group) for group in groups.values()))
    return [row for row in chain.from_iterable(rounds) if row is not None][:k]


def _short_first(rows: list[Example]) -> list[Example]:
    """The shorter half in the order given, then the rest. A half, not the shortest ones: those
    are often odd."""
    middle = median_low([_length(row) for row in rows])
    return sorted(rows, key=lambda row: _length(row) > middle)


def _length(row: Example) -> int:
    return sum(len(turn.text) for turn in row.contents) + len(row.target)


def _content(row: Example) -> str:
    turns = [[turn.role, turn.text] for turn in row.contents]
    return json.dumps([row.system, turns, row.target], ensure_ascii=False)


def _digest(content: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}\n{content}".encode(errors="surrogatepass")).hexdigest()


# A part of the rows, where asking about all of them would take too long.


def sample(examples: Sequence[Example], limit: int, seed: int) -> list[Example]:
    """At most `limit` examples, drawn by seed and id, in their order: none moves out of the draw
    because rows it does not compete with join the file. Groups are drawn whole: one that no longer
    fits is left out, and cut only where none fits."""
    lots: dict[bytes, list[int]] = {}
    for at, example in enumerate(examples):
        lots.setdefault(_lot(example, seed), []).append(at)
    by_lot = [lots[lot] for lot in sorted(lots)]
    drawn: set[int] = set()
    for members in by_lot:
        if len(drawn) + len(members) <= limit:
            drawn.update(members)
    if not drawn and by_lot:
        drawn.update(by_lot[0][:limit])
    return [example for at, example in enumerate(examples) if at in drawn]


def _lot(example: Example, seed: int) -> bytes:
    name = f"{seed}//{example.group}" if example.group else f"{seed}/{example.id}"
    return hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=16).digest()
