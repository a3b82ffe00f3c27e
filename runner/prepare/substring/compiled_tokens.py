"""Tokens of a text as machine code: their hashes, and the bytes they stand at."""

from __future__ import annotations

from typing import Any

import numpy as np

from runner.prepare.machine import inlined
from runner.prepare.substring import alphabet, hashing
from runner.prepare.substring.compiled_table import ONE
from runner.prepare.vectors import VIEW, hashed, masks, noted

STEP = np.uint64(hashing.STEP)
MIX_A, MIX_B = map(np.uint64, hashing.FMIX64)
SHIFT, TOP = np.uint64(33), np.uint64(63)
ALL = np.uint64(hashing.MASK)
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
