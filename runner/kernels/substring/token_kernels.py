"""Tokens of a text as machine code: their hashes, and the bytes they stand at."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from runner.kernels.jit import compiled, inlined
from runner.kernels.simd import VIEW, hashed, masks, noted
from runner.kernels.substring import alphabet

STEP = np.uint64(alphabet.STEP)
MIX_A, MIX_B = map(np.uint64, alphabet.FMIX64)
SHIFT, TOP = np.uint64(33), np.uint64(63)
ALL = np.uint64(alphabet.MASK)
NARROW, WIDE = alphabet.tables()
BLANK, WORD, SINGLE, LOOK = alphabet.BLANK, alphabet.WORD, alphabet.SINGLE, alphabet.LOOK
look = masks(*(np.flatnonzero(kind == NARROW).tolist() for kind in (WORD, SINGLE, LOOK)))
"""Letters and digits, other characters, and bytes beyond ASCII."""


@inlined
def tokens_room(most: Any) -> Any:
    """Room for the tokens of texts of at most so many: hashes, where they begin and end, and
    scratch."""
    more = most + 2 * VIEW
    return (
        np.empty(more, np.uint64),
        np.empty(more, np.int64),
        np.empty(more, np.int64),
        np.empty(more, np.int64),
    )


@inlined
def fmix64(value: Any) -> Any:
    value ^= value >> SHIFT
    value *= MIX_A
    value ^= value >> SHIFT
    value *= MIX_B
    return value ^ (value >> SHIFT)


@inlined
def third(lead: Any, second: Any, last: Any) -> Any:
    """The kind of a character that its first two bytes leave open."""
    if lead == 0xE3:
        return BLANK if last == 0x80 else SINGLE
    if second == 0x81:
        return BLANK if last == 0x9F else SINGLE
    return BLANK if last <= 0x8A or last == 0xA8 or last == 0xA9 or last == 0xAF else SINGLE


@inlined
def character(data: Any, at: int, high: int) -> Any:
    """The character beyond ASCII that begins here, as 8 * kind + width in bytes."""
    lead = data[at]
    width = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    width = min(width, high - at)
    kind = np.int64(WORD)
    if width > 1:
        kind = np.int64(WIDE[np.int64(lead) * 256 + data[at + 1]])
        if kind == LOOK:
            kind = np.int64(third(lead, data[at + 1], data[at + 2]))
    return 8 * kind + width


@inlined
def tokens_of(data: Any, low: int, high: int, room: Any) -> Any:
    """Hashes of a text's tokens and the bytes they stand at, into `room`; how many they are."""
    count = plain_tokens(data, low, high, room)
    return count if count >= 0 else any_tokens(data, low, high, room)


@inlined
def plain_tokens(data: Any, low: int, high: int, room: Any) -> Any:
    """The tokens of a text of ASCII, without a branch a byte; -1 for any other text, and for one
    at the very end of the data, beyond which `look` would read."""
    hashes, begins, ends, long = room
    if high + VIEW > len(data):
        return np.int64(-1)
    begun, ended = np.int64(0), np.int64(0)
    word_before = single_before = np.uint64(0)
    for base in range(low, high, VIEW):
        word, single, beyond = look(data, base)
        if high - base < VIEW:
            inside = ~(ALL << np.uint64(high - base))
            word, single, beyond = word & inside, single & inside, beyond & inside
        if beyond:
            return np.int64(-1)
        # Bit i of `after_...` says what byte i - 1 is. A token begins at every single character,
        # and at a letter or digit that none stands before; it ends behind every single character,
        # and at what is no letter or digit but stands behind one.
        after_word = (word << ONE) | word_before
        after_single = (single << ONE) | single_before
        word_before, single_before = word >> TOP, single >> TOP
        begun = noted(single | (word & ~after_word), base, begins, begun)
        ended = noted(after_single | (after_word & ~word), base, ends, ended)
    if begun > ended:
        ends[ended] = high
    hashed(data, begins, ends, begun, hashes, long)
    for at in range(begun):
        hashes[at] = fmix64(hashes[at])
    return begun


@inlined
def any_tokens(data: Any, low: int, high: int, room: Any) -> Any:
    """The tokens of any text, byte by byte."""
    hashes, begins, ends, _ = room
    count, at = np.int64(0), low
    while at < high:
        kind = NARROW[data[at]]
        if kind == BLANK:
            at += 1
            continue
        width = 1
        if kind == LOOK:
            code = character(data, at, high)
            kind, width = np.uint8(code >> 3), code & 7
            if kind == BLANK:
                at += width
                continue
        begins[count] = at
        value, power = np.uint64(0), ONE
        while True:
            for byte in range(at, at + width):
                value += (np.uint64(data[byte]) + ONE) * power
                power *= STEP
            at += width
            if kind == SINGLE:
                break
            while at < high and NARROW[data[at]] == WORD:
                value += (np.uint64(data[at]) + ONE) * power
                power *= STEP
                at += 1
            if at >= high or data[at] < 128:
                break
            code = character(data, at, high)
            if code >> 3 != WORD:
                break
            width = code & 7
        ends[count] = at
        hashes[count] = fmix64(value)
        count += 1
    return count


# Open tables of hashes as machine code, and the sieve that stands before a large one.
#
# A hash has its lowest bit set: 0 is a free slot.

ONE, TWO, SIXTY_THREE = map(np.uint64, (1, 2, 63))
SPARE = 8
"""Slots of a table for a word of its sieve."""
HASHES = numba.uint64[::1]
WHOLE = numba.int64[::1]


@inlined
def slot_of(table: Any, key: Any) -> Any:
    """Where the key stands in an open table, or the free slot (0) where it would."""
    mask = np.uint64(len(table) - 1)
    at = (key >> TWO) & mask
    while table[at] != 0 and table[at] != key:
        at = (at + ONE) & mask
    return at


@inlined
def two_bits(key: Any) -> Any:
    """The bits of a hash within its word of the sieve."""
    # Bits 40 to 45 and 58 to 63: apart from those that choose the word, so that both choices are
    # independent.
    return ONE << ((key >> np.uint64(40)) & SIXTY_THREE) | ONE << (key >> np.uint64(58))


@compiled(numba.void(HASHES, HASHES))
def fill_sieve(table: Any, bits: Any) -> None:
    mask = np.uint64(len(bits) - 1)
    for key in table:
        if key != 0:
            bits[(key >> TWO) & mask] |= two_bits(key)


def sieve(table: Any) -> Any:
    """Two bits in a word for every hash of the table, so that most of the others (99 of 100) need
    not be looked up (a blocked Bloom filter, Putze et al. 2007)."""
    # A table at most half full has at most 4 hashes for a word of 8 slots: at most 8 of 64 bits
    # set, and a foreign hash passes with a chance of about (8 / 64)^2 = 1.6 %, less where the table
    # is emptier.
    bits = np.zeros(max(1, len(table) // SPARE), np.uint64)
    fill_sieve(table, bits)
    return bits


@inlined
def passes(bits: Any, key: Any) -> Any:
    asked = two_bits(key)
    return bits[(key >> TWO) & np.uint64(len(bits) - 1)] & asked == asked


@compiled(HASHES(HASHES))
def twice(ordered: Any) -> Any:
    """The hashes that come more than once, each once; they are given in order."""
    count = 0
    for at in range(1, len(ordered)):
        count += ordered[at] == ordered[at - 1] and (at < 2 or ordered[at] != ordered[at - 2])
    out, done = np.empty(count, np.uint64), 0
    for at in range(1, len(ordered)):
        if ordered[at] == ordered[at - 1] and (at < 2 or ordered[at] != ordered[at - 2]):
            out[done] = ordered[at]
            done += 1
    return out


@compiled(numba.void(HASHES, HASHES))
def fill_table(keys: Any, table: Any) -> None:
    for key in keys:
        table[slot_of(table, key)] = key


def open_table(keys: Any) -> Any:
    """An open table of these hashes, at most half full. Large arrays are allocated by numpy, which
    asks for huge pages: a look into a large table costs a miss less with them."""
    room = 16
    while room < 2 * len(keys):
        room *= 2
    table = np.zeros(room, np.uint64)
    fill_table(keys, table)
    return table


@compiled(numba.void(HASHES, HASHES, WHOLE))
def slots(table: Any, keys: Any, out: Any) -> None:
    """The slot of every key that stands in the table."""
    for at in range(len(keys)):
        out[at] = slot_of(table, keys[at])
