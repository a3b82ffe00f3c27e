"""From text to shingles as machine code: words or characters, and runs of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from runner.prepare.fuzzy import hashing
from runner.prepare.fuzzy.compiled_words import ONE, STEP, blank_here, words, words_room
from runner.prepare.machine import inlined

ROLL = np.uint64(hashing.ROLL)
MIX64_A, MIX64_B = map(np.uint64, hashing.FMIX64)
SHIFT = np.uint64(33)
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
def shingled(tokens: Any, count: Any, size: int, out: Any) -> Any:
    """Hash the runs of `size` tokens, all runs one token further at a time: a run that rolls
    along would wait for its own last value."""
    for at in range(count):
        tokens[at] = fmix64(tokens[at])
    size = min(size, count)
    runs = max(1, count - size + 1)
    for at in range(runs):
        out[at] = tokens[at] if count else np.uint64(0)
    for behind in range(1, size):
        for at in range(runs):
            out[at] = out[at] * ROLL + tokens[at + behind]
    for at in range(runs):
        out[at] = fmix64(out[at])
    return runs


@inlined
def shingles_room(most: Any) -> Any:
    """Scratch for `shingles_of` texts of at most so many bytes: tokens, and room for words."""
    return np.empty(most + 1, np.uint64), words_room()


@inlined
def shingles_of(data: Any, low: int, high: int, unit: int, sizes: Any, out: Any, room: Any) -> Any:
    """Shingles of one text, repeats included; `out` takes one more than the text has bytes."""
    tokens, places = room
    by_characters, count = unit == 1, np.int64(0)
    if not by_characters:
        count, wide = words(data, low, high, tokens, places)
        by_characters = unit == 2 and wide and mostly_unspaced(data, low, high)
    if by_characters:
        return shingled(tokens, characters(data, low, high, tokens), sizes[1], out)
    return shingled(tokens, count, sizes[0], out)
