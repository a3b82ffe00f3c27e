"""The kernels as machine code (numba), outside the interpreter lock. `plain` gives equal results.

Compiled at the first use by a user of a machine, then read from the user's cache folder; one
file, because numba notices a change of the file only and not of what it imports. Texts are bytes
end to end, `start` holds where each begins; nothing here makes a Python object a row.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from runner.prepare.fuzzy import hashing
from runner.prepare.machine import BYTES, PLACES, inlined, machine

WORDS32 = numba.types.Array(numba.uint32, 1, "C", readonly=True)

ONE = np.uint64(1)
STEP, ROLL = np.uint64(hashing.STEP), np.uint64(hashing.ROLL)
MIX64_A, MIX64_B = map(np.uint64, hashing.FMIX64)
MIX32_A, MIX32_B = map(np.uint32, hashing.FMIX32)
SHIFT, S16, S13 = np.uint64(33), np.uint32(16), np.uint32(13)
ALL32 = np.uint32(0xFFFFFFFF)
BLANK = np.isin(np.arange(256), list(hashing.ASCII_BLANKS)).astype(np.uint8)
UNSPACED = np.array(hashing.UNSPACED, np.int64)
SHARE = hashing.UNSPACED_SHARE


@inlined
def fmix64(value: Any) -> Any:
    value ^= value >> SHIFT
    value *= MIX64_A
    value ^= value >> SHIFT
    value *= MIX64_B
    return value ^ (value >> SHIFT)


@inlined
def fmix32(value: Any) -> Any:
    value = np.uint32(value ^ (value >> S16))
    value = np.uint32(value * MIX32_A)
    value = np.uint32(value ^ (value >> S13))
    value = np.uint32(value * MIX32_B)
    return np.uint32(value ^ (value >> S16))


@inlined
def is_ascii(data: Any, low: int, high: int) -> Any:
    seen = np.uint8(0)
    for at in range(low, high):
        seen |= data[at]
    return seen < 128


@inlined
def wide_blank(data: Any, at: int, high: int) -> Any:
    """Bytes of the blank that starts here beyond ASCII; 0 for none (see `WIDE_BLANKS`)."""
    if at + 1 < high and data[at] == 0xC2:
        return 2 if data[at + 1] == 0x85 or data[at + 1] == 0xA0 else 0
    if at + 2 >= high:
        return 0
    lead, middle, last = data[at], data[at + 1], data[at + 2]
    if lead == 0xE2 and middle == 0x80:
        return 3 if last <= 0x8A or last == 0xA8 or last == 0xA9 or last == 0xAF else 0
    odd = (
        (lead == 0xE1 and middle == 0x9A and last == 0x80)
        or (lead == 0xE2 and middle == 0x81 and last == 0x9F)
        or (lead == 0xE3 and middle == 0x80 and last == 0x80)
    )
    return 3 if odd else 0


@inlined
def blank_here(data: Any, at: int, high: int) -> Any:
    if data[at] < 128:
        return np.int64(BLANK[data[at]])
    return np.int64(wide_blank(data, at, high))


@inlined
def code_point(data: Any, at: int, high: int) -> Any:
    """The code point of three or four bytes that starts here; 0 for shorter ones."""
    lead = np.int64(data[at])
    if lead >= 0xF0 and at + 3 < high:
        head = ((lead & 7) << 18) | ((np.int64(data[at + 1]) & 63) << 12)
        return head | ((np.int64(data[at + 2]) & 63) << 6) | (np.int64(data[at + 3]) & 63)
    if lead >= 0xE0 and at + 2 < high:
        head = ((lead & 15) << 12) | ((np.int64(data[at + 1]) & 63) << 6)
        return head | (np.int64(data[at + 2]) & 63)
    return np.int64(0)


@inlined
def mostly_unspaced(data: Any, low: int, high: int) -> Any:
    """Whether enough characters are of scripts without blanks to read the text by characters."""
    unspaced = characters = 0
    at = low
    while at < high:
        blank = blank_here(data, at, high)
        if blank:
            at += blank
            continue
        if data[at] & 0xC0 != 0x80:
            characters += 1
            point = code_point(data, at, high)
            for script in range(len(UNSPACED)):
                if UNSPACED[script, 0] <= point <= UNSPACED[script, 1]:
                    unspaced += 1
        at += 1
    return unspaced * SHARE >= characters and unspaced > 0


@inlined
def ascii_words(data: Any, low: int, high: int, tokens: Any) -> Any:
    """Hash the words between blanks; without a branch, for a word's end cannot be foreseen."""
    count, value, power = np.int64(0), np.uint64(0), ONE
    for at in range(low, high):
        byte = data[at]
        blank = BLANK[byte]
        tokens[count] = value
        count += np.int64(blank & (power != ONE))
        value = np.uint64(0) if blank else value + (np.uint64(byte) + ONE) * power
        power = ONE if blank else power * STEP
    tokens[count] = value
    return count + np.int64(power != ONE)


@inlined
def wide_words(data: Any, low: int, high: int, tokens: Any) -> Any:
    count, value, power = 0, np.uint64(0), ONE
    at = low
    while at < high:
        blank = blank_here(data, at, high)
        if blank:
            if power != ONE:
                tokens[count] = value
                count += 1
            value, power = np.uint64(0), ONE
            at += blank
            continue
        value += (np.uint64(data[at]) + ONE) * power
        power *= STEP
        at += 1
    if power != ONE:
        tokens[count] = value
        count += 1
    return count


@inlined
def characters(data: Any, low: int, high: int, tokens: Any) -> Any:
    """Hash the characters; a run of blanks between others is one blank, at the ends none."""
    count, gap = 0, False
    at = low
    while at < high:
        blank = blank_here(data, at, high)
        if blank:
            gap = count > 0
            at += blank
            continue
        if gap:
            tokens[count] = np.uint64(0x21)
            count, gap = count + 1, False
        value, power = np.uint64(data[at]) + ONE, STEP
        at += 1
        while at < high and data[at] & 0xC0 == 0x80:
            value += (np.uint64(data[at]) + ONE) * power
            power *= STEP
            at += 1
        tokens[count] = value
        count += 1
    return count


@inlined
def shingled(tokens: Any, count: int, size: int) -> Any:
    """Hash the runs of `size` tokens in place of the tokens."""
    for at in range(count):
        tokens[at] = fmix64(tokens[at])
    value, top = np.uint64(0), ONE
    for at in range(min(size, count)):
        value = value * ROLL + tokens[at]
        top *= ROLL
    for at in range(size, count):
        oldest = tokens[at - size]
        tokens[at - size] = fmix64(value)
        value = value * ROLL + tokens[at] - oldest * top
    runs = max(1, count - size + 1)
    tokens[runs - 1] = fmix64(value)
    return runs


@inlined
def shingles_of(data: Any, low: int, high: int, unit: int, sizes: Any, out: Any) -> Any:
    """Shingles of one text, repeats included; `out` takes one more than the text has bytes."""
    plain = is_ascii(data, low, high)
    if unit == 1 or (unit == 2 and not plain and mostly_unspaced(data, low, high)):
        return shingled(out, characters(data, low, high, out), sizes[1])
    if plain:
        return shingled(out, ascii_words(data, low, high, out), sizes[0])
    return shingled(out, wide_words(data, low, high, out), sizes[0])


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
    for row in range(low, high):
        count = shingles_of(data, start[row], start[row + 1], unit, sizes, shingles)
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
    mine, theirs = np.empty(room, np.uint64), np.empty(room, np.uint64)
    my_stamps, their_stamps = np.zeros(room, np.int32), np.zeros(room, np.int32)
    size, last, mine_at, my_mask = 0, np.int64(-1), 0, ONE
    for pair in range(len(left)):
        row, other, epoch = left[pair], right[pair], pair + 1
        if row != last:
            size, last, mine_at = 0, row, epoch
            count = shingles_of(data, start[row], start[row + 1], unit, sizes, shingles)
            my_mask = np.uint64(room_for(count) - 1)
            for at in range(count):
                size += enter(mine, my_stamps, my_mask, epoch, shingles[at])
        count = shingles_of(
            other_data, other_start[other], other_start[other + 1], unit, sizes, shingles
        )
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
