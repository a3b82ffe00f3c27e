"""Words and the blanks between them, as machine code."""

from __future__ import annotations

from typing import Any

import numpy as np

from runner.prepare.fuzzy import hashing
from runner.prepare.machine import inlined
from runner.prepare.vectors import VIEW, hashed, lowest, masks, noted

ONE, ALL = np.uint64(1), np.uint64(hashing.MASK)
TOP, WIDTH = np.uint64(63), np.uint64(VIEW)
STEP = np.uint64(hashing.STEP)
BLANK = np.isin(np.arange(256), list(hashing.ASCII_BLANKS)).astype(np.uint8)
look = masks(
    hashing.ASCII_BLANKS, range(128, 256), {char.encode()[0] for char in "\x85\u1680\u2000\u3000"}
)
"""Blanks of ASCII, bytes beyond ASCII, and those that can begin a blank there."""
KEPT = 1024
"""Places of words that are kept until the words are hashed; they stay in the nearest cache."""


@inlined
def words_room() -> Any:
    """Room for where words begin and end, and for the numbers of the long ones."""
    more = KEPT + 2 * VIEW
    return np.empty(more, np.int64), np.empty(more, np.int64), np.empty(more, np.int64)


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
    """Bytes of the blank that starts here, 0 for none."""
    if data[at] < 128:
        return np.int64(BLANK[data[at]])
    return np.int64(wide_blank(data, at, high))


@inlined
def words(data: Any, low: int, high: int, tokens: Any, room: Any) -> Any:
    """Hash the words of a text; how many, and whether the text goes beyond ASCII.

    Sixty-four bytes become bits, and where a bit differs from the one before it a word begins or
    ends. Nothing here asks what a byte is: where words end cannot be foreseen, and each wrong
    guess would cost the processor more than a word.
    """
    if high + VIEW > len(data):  # `look` would read beyond the end
        return last_words(data, low, high, tokens)
    begins, ends, long = room
    count, begun, ended = np.int64(0), np.int64(0), np.int64(0)
    before, spill, wide = ONE, np.uint64(0), False
    for base in range(low, high, VIEW):
        blank, beyond, lead = look(data, base)
        past = np.uint64(0)
        if high - base < VIEW:
            past = ALL << np.uint64(high - base)
        if beyond & ~past:
            wide = True
            blank |= spill
            spill = np.uint64(0)
            lead &= ~past
            while lead:
                place = lowest(lead)
                lead &= lead - ONE
                size = np.uint64(wide_blank(data, base + place, high))
                bits = (ONE << size) - ONE
                blank |= bits << np.uint64(place)
                if np.uint64(place) + size > WIDTH:
                    spill = bits >> (WIDTH - np.uint64(place))
        blank |= past
        after = (blank << ONE) | before
        before = blank >> TOP
        begun = noted(after & ~blank, base, begins, begun)
        ended = noted(blank & ~after, base, ends, ended)
        if ended >= KEPT:
            hashed(data, begins, ends, ended, tokens[count:], long)
            count += ended
            if begun > ended:
                begins[0] = begins[ended]
            begun, ended = begun - ended, np.int64(0)
    if begun > ended:
        ends[ended] = high
    hashed(data, begins, ends, begun, tokens[count:], long)
    return count + begun, wide


@inlined
def last_words(data: Any, low: int, high: int, tokens: Any) -> Any:
    """The same, byte by byte."""
    count, value, power, wide = np.int64(0), np.uint64(0), ONE, False
    at = low
    while at < high:
        wide |= data[at] >= 128
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
    return count, wide
