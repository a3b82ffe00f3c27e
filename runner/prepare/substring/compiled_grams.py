"""The kernel of containment as machine code, on the tokens and windows of `compiled`."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from runner.prepare.machine import BYTES, PLACES, inlined, machine
from runner.prepare.substring.compiled import longest, windows_of
from runner.prepare.substring.compiled_table import HASHES, ONE, TWO, WHOLE, passes, slot_of
from runner.prepare.substring.compiled_tokens import tokens_of, tokens_room

MANY = 1 << 62
SHORT = numba.int32[::1]


@inlined
def enter(table: Any, mask: Any, value: Any) -> Any:
    """Put a value into an open table, in which 0 is a free slot; whether it was new."""
    at = (value >> TWO) & mask
    while table[at] != 0 and table[at] != value:
        at = (at + ONE) & mask
    new = table[at] == 0
    table[at] = value
    return new


@machine(
    numba.void(
        BYTES, PLACES, PLACES, numba.int64, HASHES, HASHES, SHORT, HASHES, SHORT, SHORT, PLACES,
        numba.float64, WHOLE, numba.float64[::1], numba.uint8[::1],
    )
)  # fmt: skip
def contain(
    data: Any,
    start: Any,
    first: Any,
    size: int,
    ordered: Any,
    table: Any,
    ids: Any,
    bits: Any,
    low: Any,
    rows: Any,
    sizes: Any,
    threshold: float,
    best: Any,
    score: Any,
    hit: Any,
) -> None:
    """Per text, the row of a corpus that shares most of the distinct windows of the smaller one.

    `ordered` holds the corpus' windows in their order there, `table` and `ids` lead from a hash
    to its place in it; window `at` stands in `rows[low[at]:low[at + 1]]`, in no row when it counts
    on neither side. `sizes` counts them by row. `hit` marks every row that is shared with any
    text. Texts share passages rather than single windows, so the one that follows the last in
    `ordered` is compared first.
    """
    most, room = longest(first) + 1, 16
    while room <= 4 * most:
        room *= 2
    tokens, keys = tokens_room(most), np.empty(most, np.uint64)
    own, chosen = np.empty(room, np.uint64), np.empty(most, np.int64)
    shared, touched = np.zeros(len(sizes), np.int32), np.empty(len(sizes) + 1, np.int32)
    for text in range(len(start) - 1):
        if first[text + 1] - first[text] < size:
            continue
        count = tokens_of(data, start[text], start[text + 1], tokens)
        made = windows_of(tokens[0], count, size, keys)
        span = 16
        while span < 2 * made:
            span *= 2
        mask = np.uint64(span - 1)
        own[:span] = 0
        seen = templates = distinct = 0
        following = len(ordered)
        likely = 0
        for at in range(made):  # without a branch, so that the looks into memory overlap
            chosen[likely] = at
            likely += passes(bits, keys[at] | ONE)
        for which in range(likely):
            key = keys[chosen[which]] | ONE
            if following < len(ordered) and ordered[following] == key:
                place = following
            else:
                slot = slot_of(table, key)
                if table[slot] == 0:
                    continue
                place = ids[slot]
            following = place + 1
            if not enter(own, mask, key):
                continue
            templates += low[place] == low[place + 1]
            for one in range(low[place], low[place + 1]):
                row = rows[one]
                touched[seen] = row
                seen += shared[row] == 0
                shared[row] += 1
        if seen == 0:
            continue
        top = 0
        for row in touched[:seen]:
            top = max(top, shared[row])
        # Beyond this many of its own no row reaches the threshold by them; `sizes` decides.
        enough = templates + (top / threshold + 1 if threshold > 0 else made)
        own[:span] = 0
        for at in range(made):
            distinct += enter(own, mask, keys[at] | ONE)
            if distinct > enough:
                distinct = templates + MANY
                break
        distinct = max(distinct - templates, 1)
        for row in touched[:seen]:
            part = shared[row] / min(distinct, sizes[row])
            shared[row] = 0
            if part < threshold:
                continue
            hit[row] = 1
            if part > score[text] or (part == score[text] and row < best[text]):
                best[text], score[text] = row, part
