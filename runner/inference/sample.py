"""A part of the rows, where asking about all of them would take too long."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from runner.records import Example


def sample(examples: Sequence[Example], limit: int, seed: int) -> list[Example]:
    """At most `limit` examples, drawn by seed and id, in their order: none moves out of the draw
    because rows it does not compete with join the file."""
    by_lot = sorted(range(len(examples)), key=lambda at: _lot(examples[at], seed))
    drawn = set(by_lot[:limit])
    return [example for at, example in enumerate(examples) if at in drawn]


def _lot(example: Example, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}/{example.id}".encode(), digest_size=16).digest()
