"""The kernels of tokens and windows as machine code.

A window is `size` tokens in sequence within one text; windows are numbered through all texts, in
order. `first` is where each text's tokens (or windows) begin in the count of all, with the total
as its last entry. A window's hash has its lowest bit set: 0 is a free slot.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from runner.kernels.jit import BYTES, PLACES, compiled, inlined
from runner.kernels.substring import alphabet
from runner.kernels.substring.token_kernels import (
    HASHES,
    LOOK,
    NARROW,
    ONE,
    SHIFT,
    SINGLE,
    TWO,
    WHOLE,
    WORD,
    character,
    fmix64,
    open_table,
    passes,
    sieve,
    slot_of,
    slots,
    tokens_of,
    tokens_room,
    twice,
)

__all__ = [
    "count_and_windows",
    "count_tokens",
    "locate",
    "mark",
    "marked_texts",
    "open_table",
    "part_windows",
    "sieve",
    "slots",
    "spans",
    "twice",
]

ROLL, BACK = map(np.uint64, (alphabet.ROLL, alphabet.ROLL_INVERSE))


@inlined
def longest(first: Any) -> Any:
    most = 0
    for text in range(len(first) - 1):
        most = max(most, first[text + 1] - first[text])
    return most


@compiled(numba.void(BYTES, PLACES, WHOLE))
def count_tokens(data: Any, start: Any, out: Any) -> None:
    """Tokens of every text."""
    for text in range(len(out)):
        count, at, high, inside = 0, start[text], start[text + 1], False
        while at < high:
            kind, width = NARROW[data[at]], 1
            if kind == LOOK:
                code = character(data, at, high)
                kind, width = np.uint8(code >> 3), code & 7
            count += kind == SINGLE or (kind == WORD and not inside)
            inside = kind == WORD
            at += width
        out[text] = count


@inlined
def windows_of(hashes: Any, count: int, size: int, out: Any) -> Any:
    """Hashes of all windows of a text from those of its tokens; how many they are."""
    if count < size:
        return 0
    # H(i) = h(i) + h(i+1) R + ... + h(i+n-1) R^(n-1), modulo 2^64.
    value, power, top = np.uint64(0), ONE, ONE
    for at in range(size):
        value += hashes[at] * power
        top = power
        power *= ROLL
    out[0] = fmix64(value)
    for at in range(1, count - size + 1):
        # H(i+1) = (H(i) - h(i)) / R + h(i+n) R^(n-1). R is odd, so it has an inverse modulo 2^64
        # and the division is a multiplication: exact, without the rounding that a division would
        # need.
        value = (value - hashes[at - 1]) * BACK + hashes[at + size - 1] * top
        out[at] = fmix64(value)
    return count - size + 1


@compiled(
    numba.int64(
        BYTES, PLACES, PLACES, numba.int64, numba.uint64, numba.uint64, HASHES, numba.int64[::1]
    )
)
def part_windows(
    data: Any, start: Any, first: Any, size: int, parts: Any, part: Any, out: Any, places: Any
) -> Any:
    """Hashes of the windows of one part of all texts, in order, and their numbers (those only if
    `places` has room: without parts they just count up); how many they are."""
    room = longest(first) + 1
    tokens, keys = tokens_room(room), np.empty(room, np.uint64)
    done, number, placed = 0, 0, len(places) > 0
    for text in range(len(start) - 1):
        if first[text + 1] - first[text] < size:
            continue
        count = tokens_of(data, start[text], start[text + 1], tokens)
        for at in range(windows_of(tokens[0], count, size, keys)):
            key = keys[at] | ONE
            number += 1
            # By the hash (the low bits choose a slot): equal windows fall into one part.
            if parts > ONE and (key >> SHIFT) % parts != part:
                continue
            if done == len(out):
                return -1
            out[done] = key
            if placed:
                places[done] = number - 1
            done += 1
    return done


@compiled(numba.int64(BYTES, PLACES, numba.int64, WHOLE, HASHES))
def count_and_windows(data: Any, start: Any, size: int, counts: Any, out: Any) -> Any:
    """`count_tokens` and `part_windows` (of all parts) in one pass; -1 when `out` is too small."""
    room = longest(start) + 1
    tokens, keys = tokens_room(room), np.empty(room, np.uint64)
    done = 0
    for text in range(len(counts)):
        count = tokens_of(data, start[text], start[text + 1], tokens)
        counts[text] = count
        made = windows_of(tokens[0], count, size, keys)
        if done + made > len(out):
            return -1
        for at in range(made):
            out[done + at] = keys[at] | ONE
        done += made
    return done


@compiled(
    numba.int64(
        HASHES, PLACES, PLACES, numba.int64, HASHES, HASHES, WHOLE, numba.boolean,
        numba.uint8[::1], numba.int64[:, ::1],
    )
)  # fmt: skip
def mark(
    keys: Any,
    places: Any,
    first: Any,
    size: int,
    table: Any,
    bits: Any,
    seen: Any,
    keep_first: bool,
    marks: Any,
    heads: Any,
) -> Any:
    """Mark the windows whose hash is in `table` (of those that come twice). With `keep_first`,
    only where the window stood before, in another place than the tokens it is made of. `seen` is
    a -1 for every slot. If `heads` has room, the window each span begins with and the first place
    it stands at go there; how many they are.

    A window that follows a repeated one most often repeats the one that follows there, so that
    one is compared first: reading on is cheaper than a look into a large table.
    """
    whole, listed, text, found = len(places) == 0, len(heads) > 0, 0, 0
    before: Any = np.int64(-2)
    last: Any = np.int64(-1) - size
    for at in range(len(keys)):
        key, here = keys[at], at if whole else places[at]
        while first[text + 1] <= here:
            text += 1
        apart = not keep_first or before + 1 < first[text] or here - before > size
        if whole and before >= 0 and apart and keys[before + 1] == key:
            earlier = before + 1
        elif passes(bits, key):
            place = slot_of(table, key)
            if table[place] == 0:
                before = -2
                continue
            earlier = seen[place]
            if earlier < 0:
                seen[place] = here
                before = -2
                continue
        else:
            before = -2
            continue
        before = earlier
        if not keep_first:
            marks[here] = marks[earlier] = 1
        elif earlier < first[text] or here - earlier >= size:
            marks[here] = 1
            if listed and (here > last + size or last < first[text]):
                heads[found, 0], heads[found, 1] = here, seen[slot_of(table, key)]
                found += 1
            last = here
    return found


@compiled(WHOLE(PLACES, BYTES))
def marked_texts(first: Any, marks: Any) -> Any:
    """The texts with a marked window."""
    out, count = np.empty(len(first) - 1, np.int64), 0
    for text in range(len(first) - 1):
        for at in range(first[text], first[text + 1]):
            if marks[at]:
                out[count] = text
                count += 1
                break
    return out[:count].copy()


@compiled(
    numba.int64(
        BYTES, PLACES, PLACES, PLACES, numba.int64, BYTES, PLACES, numba.int64[:, ::1], HASHES
    )
)
def spans(
    data: Any,
    start: Any,
    first: Any,
    numbers: Any,
    size: int,
    marks: Any,
    texts: Any,
    out: Any,
    keys_out: Any,
) -> Any:
    """The longest runs of tokens that marked windows cover, in `texts`: text, first byte, end,
    first token, tokens; and the hash of the window each begins with. How many they are, or -1
    when `out` is too small. `numbers` is `first` for windows."""
    room = longest(first) + 1
    tokens, keys = tokens_room(room), np.empty(room, np.uint64)
    found = 0
    for text in texts:
        low = start[text]
        count = tokens_of(data, low, start[text + 1], tokens)
        last = -1
        for at in range(windows_of(tokens[0], count, size, keys)):
            if not marks[numbers[text] + at]:
                continue
            # Windows that touch or overlap are one span.
            if at > last:
                if found == len(out):
                    return -1
                out[found, 0], out[found, 1], out[found, 3] = text, tokens[1][at] - low, at
                keys_out[found] = keys[at] | ONE
                found += 1
            last = at + size
            out[found - 1, 2] = tokens[2][last - 1] - low
            out[found - 1, 4] = last - out[found - 1, 3]
    return found


@compiled(numba.void(BYTES, PLACES, PLACES, numba.int64, HASHES, HASHES, numba.int64[:, ::1]))
def locate(data: Any, start: Any, first: Any, size: int, table: Any, bits: Any, out: Any) -> None:
    """The first two texts, with token numbers, of the windows in `table`: a line a slot, with
    text and token of one and of the other; -1 where there is none."""
    room = longest(first) + 1
    tokens, keys = tokens_room(room), np.empty(room, np.uint64)
    for text in range(len(start) - 1):
        if first[text + 1] - first[text] < size:
            continue
        count = tokens_of(data, start[text], start[text + 1], tokens)
        for at in range(windows_of(tokens[0], count, size, keys)):
            key = keys[at] | ONE
            if not passes(bits, key):
                continue
            place = slot_of(table, key)
            if table[place] == 0 or out[place, 2] >= 0:
                continue
            which = 0 if out[place, 0] < 0 else 2
            out[place, which], out[place, which + 1] = text, at


# The kernel of containment, on the same tokens and windows.

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


@compiled(
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
        # shared / min(distinct, sizes) >= threshold by `distinct` needs distinct <= shared /
        # threshold, and shared <= top for all rows. Once there are more, min() is decided by
        # `sizes` or the row is out, so a long page need not be counted to its end.
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
