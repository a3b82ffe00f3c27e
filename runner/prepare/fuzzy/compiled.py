"""The kernels as machine code (numba), outside the interpreter lock. `plain` gives equal results.

Compiled at the first use by a user of a machine, then read from the user's cache folder. Texts are
bytes end to end, `start` holds where each begins; nothing here makes a Python object a row.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from runner.prepare.fuzzy import hashing
from runner.prepare.fuzzy.compiled_shingles import ONE, ROLL, block, fmix64, shingles_of
from runner.prepare.machine import BYTES, PLACES, inlined, machine

WORDS32 = numba.types.Array(numba.uint32, 1, "C", readonly=True)

MIX32_A, MIX32_B = map(np.uint32, hashing.FMIX32)
S16, S13 = np.uint32(16), np.uint32(13)
ALL32 = np.uint32(0xFFFFFFFF)


@inlined
def fmix32(value: Any) -> Any:
    value = np.uint32(value ^ (value >> S16))
    value = np.uint32(value * MIX32_A)
    value = np.uint32(value ^ (value >> S13))
    value = np.uint32(value * MIX32_B)
    return np.uint32(value ^ (value >> S16))


@inlined
def minimise(shingles: Any, count: int, multiply: Any, add: Any, values: Any) -> None:
    """The smallest value of each permutation, four shingles a pass over the permutations."""
    values[:] = ALL32
    at = 0
    while at + 4 <= count:
        one = fmix32(np.uint32(shingles[at]))
        two = fmix32(np.uint32(shingles[at + 1]))
        three = fmix32(np.uint32(shingles[at + 2]))
        four = fmix32(np.uint32(shingles[at + 3]))
        for which in range(len(values)):
            scale, shift = multiply[which], add[which]
            left = min(np.uint32(scale * one + shift), np.uint32(scale * two + shift))
            right = min(np.uint32(scale * three + shift), np.uint32(scale * four + shift))
            values[which] = min(values[which], min(left, right))
        at += 4
    for rest in range(at, count):
        one = fmix32(np.uint32(shingles[rest]))
        for which in range(len(values)):
            value = np.uint32(multiply[which] * one + add[which])
            values[which] = min(values[which], value)


@inlined
def longest(start: Any, low: int, high: int) -> Any:
    most = 0
    for row in range(low, high):
        most = max(most, start[row + 1] - start[row])
    return most


@machine(
    numba.void(
        BYTES, PLACES, numba.int64, numba.int64, numba.int64, PLACES, WORDS32, WORDS32,
        numba.uint32[:, ::1],
    )
)  # fmt: skip
def sign(
    data: Any,
    start: Any,
    low: int,
    high: int,
    unit: int,
    sizes: Any,
    multiply: Any,
    add: Any,
    out: Any,
) -> None:
    """MinHash values of rows `low` to `high`; `out` has a line a row, a column a permutation."""
    shingles = np.empty(longest(start, low, high) + 1, np.uint64)
    edges, sums = block()
    for row in range(low, high):
        count = shingles_of(data, start[row], start[row + 1], unit, sizes, shingles, edges, sums)
        minimise(shingles, count, multiply, add, out[row - low])


@machine(numba.void(numba.uint32[:, ::1], numba.int64, numba.int64, numba.uint64[:, ::1]))
def band(values: Any, rows: int, low: int, keys: Any) -> None:
    """One hash a band of `rows` values; `keys` has a line a band, a column a row from `low`."""
    for row in range(len(values)):
        for number in range(len(keys)):
            key = np.uint64(0)
            for at in range(number * rows, number * rows + rows):
                key = key * ROLL + np.uint64(values[row, at])
            keys[number, low + row] = fmix64(key)


@inlined
def enter(table: Any, stamps: Any, mask: Any, epoch: int, value: Any) -> Any:
    """Put a value into the open table of this epoch; whether it was new."""
    at = value & mask
    while stamps[at] == epoch:
        if table[at] == value:
            return False
        at = (at + ONE) & mask
    stamps[at], table[at] = epoch, value
    return True


@inlined
def holds(table: Any, stamps: Any, mask: Any, epoch: int, value: Any) -> Any:
    at = value & mask
    while stamps[at] == epoch:
        if table[at] == value:
            return True
        at = (at + ONE) & mask
    return False


@inlined
def room_for(count: Any) -> Any:
    """Slots of a table of `count` values, a power of two, at most half full."""
    room = 16
    while room < 2 * count:
        room *= 2
    return room


@inlined
def longest_of(start: Any, rows: Any) -> Any:
    most = 0
    for row in rows:
        most = max(most, start[row + 1] - start[row])
    return most


@machine(
    numba.void(
        BYTES, PLACES, PLACES, BYTES, PLACES, PLACES, numba.int64, PLACES, numba.float64[::1]
    )
)
def jaccard(
    data: Any,
    start: Any,
    left: Any,
    other_data: Any,
    other_start: Any,
    right: Any,
    unit: int,
    sizes: Any,
    out: Any,
) -> None:
    """True Jaccard similarity of the shingles of pairs of rows, `left` of one and `right` of the
    other texts. Pairs with the same left row in sequence hash it once."""
    most = max(longest_of(start, left), longest_of(other_start, right)) + 1
    room = room_for(most)
    shingles = np.empty(most, np.uint64)
    edges, sums = block()
    mine, theirs = np.empty(room, np.uint64), np.empty(room, np.uint64)
    my_stamps, their_stamps = np.zeros(room, np.int32), np.zeros(room, np.int32)
    size, last, mine_at, my_mask = 0, np.int64(-1), 0, ONE
    for pair in range(len(left)):
        row, other, epoch = left[pair], right[pair], pair + 1
        if row != last:
            size, last, mine_at = 0, row, epoch
            count = shingles_of(
                data, start[row], start[row + 1], unit, sizes, shingles, edges, sums
            )
            my_mask = np.uint64(room_for(count) - 1)
            for at in range(count):
                size += enter(mine, my_stamps, my_mask, epoch, shingles[at])
        count = shingles_of(
            other_data, other_start[other], other_start[other + 1], unit, sizes, shingles,
            edges, sums,
        )  # fmt: skip
        mask = np.uint64(room_for(count) - 1)
        shared = distinct = 0
        for at in range(count):
            if enter(theirs, their_stamps, mask, epoch, shingles[at]):
                distinct += 1
                shared += holds(mine, my_stamps, my_mask, mine_at, shingles[at])
        out[pair] = shared / (size + distinct - shared)


@machine(numba.void(numba.int64[::1], PLACES, PLACES))
def unite(parent: Any, left: Any, right: Any) -> None:
    """Join the trees of each pair; the smallest row of a tree is its root."""
    for pair in range(len(left)):
        one, two = left[pair], right[pair]
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        while parent[two] != two:
            parent[two] = parent[parent[two]]
            two = parent[two]
        parent[max(one, two)] = min(one, two)


@machine(numba.void(numba.int64[::1], PLACES, numba.int64[::1]))
def roots(parent: Any, rows: Any, out: Any) -> None:
    """The root of each row's tree."""
    for at in range(len(rows)):
        row = rows[at]
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        out[at] = row
