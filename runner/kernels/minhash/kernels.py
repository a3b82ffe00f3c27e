"""The kernels as machine code (numba), outside the interpreter lock.

Compiled at the first use by a user of a machine, then read from the user's cache folder. Texts are
bytes end to end, `start` holds where each begins; nothing here makes a Python object a row.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from runner.kernels.jit import BYTES, PLACES, compiled, inlined
from runner.kernels.minhash import plan
from runner.kernels.minhash.shingles import ONE, ROLL, fmix64, shingles_of, shingles_room

WORDS32 = numba.types.Array(numba.uint32, 1, "C", readonly=True)

MIX32_A, MIX32_B = map(np.uint32, plan.FMIX32)
S16, S13 = np.uint32(16), np.uint32(13)
FIFTY_NINE = np.uint64(59)
FORTY_EIGHT, LOW_48 = np.uint64(48), np.uint64(0xFFFFFFFFFFFF)
MOST_SEEN = np.uint32(0xFFFF)
ALL32 = np.uint32(0xFFFFFFFF)


@inlined
def fmix32(value: Any) -> Any:
    # An affine map alone keeps the order of near values, so shingle hashes are mixed once before
    # the permutations; datasketch does the same in its scheme affine32.
    value = np.uint32(value ^ (value >> S16))
    value = np.uint32(value * MIX32_A)
    value = np.uint32(value ^ (value >> S13))
    value = np.uint32(value * MIX32_B)
    return np.uint32(value ^ (value >> S16))


@inlined
def minimise(shingles: Any, count: int, multiply: Any, add: Any, values: Any) -> None:
    """The smallest value of each permutation, eight shingles a pass over the permutations. What
    fills up the last eight repeats a shingle; `shingles` has room for that and is overwritten."""
    # The chance that two sets share the smallest value of a random permutation is their Jaccard
    # similarity (Broder 1997), and it is kept by a repeated element: min is idempotent. So the last
    # eight may be filled up with any shingle of the text.
    full = -(-count // 8) * 8
    shingles[count:full] = shingles[count - 1]
    for at in range(full):
        shingles[at] = np.uint64(fmix32(np.uint32(shingles[at])))
    values[:] = ALL32
    # Eight shingles a pass: `values` (512 bytes for 128 permutations) is loaded and stored once for
    # eight, and the loop over permutations is what LLVM vectorises.
    for at in range(0, full, 8):
        a, b = np.uint32(shingles[at]), np.uint32(shingles[at + 1])
        c, d = np.uint32(shingles[at + 2]), np.uint32(shingles[at + 3])
        e, f = np.uint32(shingles[at + 4]), np.uint32(shingles[at + 5])
        g, h = np.uint32(shingles[at + 6]), np.uint32(shingles[at + 7])
        for which in range(len(values)):
            scale, shift = multiply[which], add[which]
            first = min(np.uint32(scale * a + shift), np.uint32(scale * b + shift))
            second = min(np.uint32(scale * c + shift), np.uint32(scale * d + shift))
            third = min(np.uint32(scale * e + shift), np.uint32(scale * f + shift))
            fourth = min(np.uint32(scale * g + shift), np.uint32(scale * h + shift))
            lowest = min(min(first, second), min(third, fourth))
            values[which] = min(values[which], lowest)


@inlined
def longest(start: Any, low: int, high: int) -> Any:
    most = 0
    for row in range(low, high):
        most = max(most, start[row + 1] - start[row])
    return most


@compiled(
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
    most = longest(start, low, high)
    shingles, room = np.empty(most + 8, np.uint64), shingles_room(most)
    for row in range(low, high):
        count = shingles_of(data, start[row], start[row + 1], unit, sizes, shingles, room)
        minimise(shingles, count, multiply, add, out[row - low])


@compiled(numba.int64(BYTES, PLACES, numba.int64, numba.int64, PLACES, numba.uint64[::1]))
def shingles_at(data: Any, start: Any, row: int, unit: int, sizes: Any, out: Any) -> Any:
    """The shingles of one row, repeats included; how many. `out` has room for one a byte."""
    room = shingles_room(start[row + 1] - start[row])
    return shingles_of(data, start[row], start[row + 1], unit, sizes, out, room)


@compiled(numba.void(WORDS32, PLACES, WORDS32, WORDS32, numba.uint32[:, ::1]))
def sign_hashes(hashes: Any, start: Any, multiply: Any, add: Any, out: Any) -> None:
    """`sign` for rows whose 32-bit shingle hashes lie end to end, none of them empty."""
    shingles = np.empty(longest(start, 0, len(out)) + 8, np.uint64)
    for row in range(len(out)):
        count = start[row + 1] - start[row]
        for at in range(count):
            shingles[at] = np.uint64(hashes[start[row] + at])
        minimise(shingles, count, multiply, add, out[row])


@compiled(numba.void(numba.uint32[:, ::1], numba.int64, numba.int64, numba.uint64[:, ::1]))
def band(values: Any, rows: int, low: int, keys: Any) -> None:
    """One hash a band of `rows` values; `keys` has a line a band, a column a row from `low`."""
    for row in range(len(values)):
        for number in range(len(keys)):
            # Equal values have equal keys. Different ones share a 64-bit key with a chance of 2^-64
            # a pair, and a wrong candidate costs one comparison: candidates are verified.
            key = np.uint64(0)
            for at in range(number * rows, number * rows + rows):
                key = key * ROLL + np.uint64(values[row, at])
            keys[number, low + row] = fmix64(key)


@compiled(numba.int64[::1](numba.uint64[::1]))
def rivals(keys: Any) -> Any:
    """Rows whose key another row has, in order, and one in nine of those whose key none has. Eight
    times as many places as keys have two bits each: met, and met again."""
    # A word holds 32 places of two bits. n keys in 8n places or more: a key that none shares finds
    # its place taken with a chance of at most 1 - e^(-1/8) = 0.118, one in nine; it is then sorted
    # in vain and does no harm. One that is shared is always found. Eight times n places are 2 bytes
    # a key.
    words = 2
    while 32 * words < 8 * len(keys):
        words *= 2
    mask = np.uint64(words - 1)
    table = np.zeros(words, np.uint64)
    for key in keys:
        at, shift = key & mask, (key >> FIFTY_NINE) << ONE
        word = table[at]
        # Low bit: met. High bit: met while the low bit was set already. No branch.
        table[at] = word | ONE << shift | ((word >> shift & ONE) << ONE) << shift
    out, count = np.empty(len(keys), np.int64), 0
    for row in range(len(keys)):
        out[count] = row
        count += table[keys[row] & mask] >> ((keys[row] >> FIFTY_NINE) << ONE) >> ONE & ONE
    return out[:count].copy()


@inlined
def slots_for(count: Any) -> Any:
    """Slots of a table of `count` values, a power of two, at most half full."""
    # At a load of a half, linear probing looks at 1.5 slots for a value that is there and 2.5 for
    # one that is not (Knuth, The Art of Computer Programming, volume 3, 6.4).
    slots = 16
    while slots < 2 * count:
        slots *= 2
    return slots


@inlined
def slot(table: Any, mask: Any, value: Any) -> Any:
    """Where a value stands in an open table, or where it belongs; an empty slot holds 0."""
    at = value & mask
    while table[at] != 0 and table[at] != value:
        at = (at + ONE) & mask
    return at


@inlined
def similarity(mine: Any, size: int, theirs: Any, count: int, table: Any, met: Any) -> Any:
    """Jaccard similarity of two sets, given with repeats. One table takes both, empty at the
    start: so small a table is sooner emptied than told apart from the one before it."""
    slots = slots_for(size + count)
    mask = np.uint64(slots - 1)
    table[:slots] = 0
    met[:slots] = 0
    union = shared = 0
    for at in range(size):
        # A free slot is 0, so the hash 0 (the empty text's) is taken for 1: two of 2^64 hashes are
        # one.
        value = max(mine[at], ONE)
        place = slot(table, mask, value)
        union += table[place] == 0
        table[place] = value
    for at in range(count):
        value = max(theirs[at], ONE)
        place = slot(table, mask, value)
        union += table[place] == 0
        shared += (table[place] != 0) & (met[place] == 0)
        table[place], met[place] = value, 1
    return shared / union


@inlined
def longest_of(start: Any, rows: Any) -> Any:
    most = 0
    for row in rows:
        most = max(most, start[row + 1] - start[row])
    return most


@compiled(
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
    most = max(longest_of(start, left), longest_of(other_start, right))
    mine, theirs = np.empty(most + 1, np.uint64), np.empty(most + 1, np.uint64)
    slots = slots_for(2 * most + 2)
    table, met = np.empty(slots, np.uint64), np.empty(slots, np.uint8)
    room = shingles_room(most)
    size, last = 0, np.int64(-1)
    for pair in range(len(left)):
        row, other = left[pair], right[pair]
        if row != last:
            last = row
            size = shingles_of(data, start[row], start[row + 1], unit, sizes, mine, room)
        count = shingles_of(
            other_data, other_start[other], other_start[other + 1], unit, sizes, theirs, room
        )
        out[pair] = similarity(mine, size, theirs, count, table, met)


@compiled(
    numba.void(
        BYTES, PLACES, PLACES, numba.int64, PLACES, numba.uint32[::1], numba.int64[::1]
    )
)  # fmt: skip
def count_shingles(
    data: Any, start: Any, rows: Any, unit: int, sizes: Any, table: Any, counts: Any
) -> None:
    """How often shingles stand in the rows, by the low bits of their hashes (`table` holds a power
    of two), and how many each row has, repeats included."""
    most = longest_of(start, rows)
    shingles, room = np.empty(most + 1, np.uint64), shingles_room(most)
    mask = np.uint64(len(table) - 1)
    for place in range(len(rows)):
        row = rows[place]
        counts[place] = shingles_of(data, start[row], start[row + 1], unit, sizes, shingles, room)
        for at in range(counts[place]):
            table[shingles[at] & mask] += np.uint32(1)


@compiled(
    numba.int64(
        BYTES, PLACES, PLACES, numba.int64, PLACES, numba.uint32[::1], numba.float64,
        numba.uint64[::1], numba.int64[::1], numba.int64[::1],
    )
)  # fmt: skip
def rarest(
    data: Any,
    start: Any,
    rows: Any,
    unit: int,
    sizes: Any,
    table: Any,
    share: float,
    tokens: Any,
    used: Any,
    distinct: Any,
) -> Any:
    """Each row's distinct shingles, those first that `table` has seen least, as many as
    `engine.prefix` says; how many all rows have."""
    most, length = longest_of(start, rows), np.int64(0)
    shingles, room = np.empty(most + 1, np.uint64), shingles_room(most)
    mask = np.uint64(len(table) - 1)
    for place in range(len(rows)):
        row = rows[place]
        count = shingles_of(data, start[row], start[row + 1], unit, sizes, shingles, room)
        for at in range(count):
            # Any order will do that is the same in all rows. 48 bits of the hash and 16 of the
            # count: two shingles of a row of 1,000 are one with a chance of 2e-9.
            seen = np.uint64(min(table[shingles[at] & mask], MOST_SEEN))
            shingles[at] = seen << FORTY_EIGHT | shingles[at] & LOW_48
        ordered = np.sort(shingles[:count])
        size = 1
        for at in range(1, count):
            ordered[size] = ordered[at]
            size += ordered[at] != ordered[size - 1]
        first = size + 1 - np.int64(np.ceil(share * size - 1e-6))
        tokens[length : length + first] = ordered[:first]
        length += first
        used[place], distinct[place] = first, size
    return length


@compiled(numba.void(numba.int64[::1], PLACES, PLACES))
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
        # The smaller row becomes the root, not the larger tree's: roots are the same in whatever
        # order pairs come. With path halving above that is still O(log n) a find, amortised
        # (Tarjan, van Leeuwen 1984).
        parent[max(one, two)] = min(one, two)


@compiled(numba.void(numba.int64[::1], PLACES, numba.int64[::1]))
def roots(parent: Any, rows: Any, out: Any) -> None:
    """The root of each row's tree."""
    for at in range(len(rows)):
        row = rows[at]
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        out[at] = row
