"""From rendered examples to requests, with worked examples put in front."""

from __future__ import annotations

from collections.abc import Sequence

from runner.records import Example, Request, Turn


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
