"""The kernels of tokens and windows in numpy alone: what the compiled ones are held against."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from runner.kernels.substring import alphabet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Whole = NDArray[np.int64]
    Hashes = NDArray[np.uint64]

SHIFT, ONE = np.uint64(33), np.uint64(1)


class Stream(NamedTuple):
    """The tokens of one text."""

    hashes: Hashes
    begins: Whole
    ends: Whole


def fmix64(values: Hashes) -> Hashes:
    for factor in map(np.uint64, alphabet.FMIX64):
        values = (values ^ (values >> SHIFT)) * factor
    return values ^ (values >> SHIFT)


def kinds(raw: Bytes) -> tuple[Bytes, NDArray[np.bool_]]:
    """Kind of the character every byte belongs to, and which bytes begin one."""
    narrow, wide = alphabet.tables()
    head = (raw & 0xC0) != 0x80
    ahead = np.concatenate((raw, np.zeros(2, np.uint8)))
    pair = raw.astype(np.int64) << 8 | ahead[1:-1]
    kind = np.where(raw < 128, narrow[raw], wide[pair])
    kind[kind == alphabet.LOOK] = alphabet.SINGLE
    for (lead, second), last in (*alphabet.THIRD.items(), ((0xE3, 0x80), (0x80,))):
        here = (pair == lead << 8 | second) & np.isin(ahead[2:], last)
        kind[here] = alphabet.BLANK
    lead_of = np.maximum.accumulate(np.where(head, np.arange(len(raw)), 0))
    return kind[lead_of], head


def tokens_of(raw: Bytes) -> Stream:
    """The tokens of one text."""
    if not len(raw):
        nothing = np.empty(0, np.int64)
        return Stream(np.empty(0, np.uint64), nothing, nothing)
    kind, head = kinds(raw)
    word = kind == alphabet.WORD
    begins = np.flatnonzero(
        head & ((kind == alphabet.SINGLE) | (word & ~np.concatenate(([False], word[:-1]))))
    )
    stop = np.flatnonzero(np.concatenate((head & ~word, [True])))
    after = np.flatnonzero(np.concatenate((head, [True])))
    ends = np.where(
        word[begins],
        stop[np.searchsorted(stop, begins, side="right")],
        after[np.searchsorted(after, begins, side="right")],
    )
    sums = running(raw.astype(np.uint64) + ONE, alphabet.STEP)
    back = powers(alphabet.STEP_INVERSE, len(raw))
    return Stream(fmix64((sums[ends] - sums[begins]) * back[begins]), begins, ends)


def running(values: Hashes, base: int) -> Hashes:
    """Running sums of value * base^position, beginning with 0; modulo 2^64."""
    sums = np.cumsum(values * powers(base, len(values)), dtype=np.uint64)
    return np.concatenate((np.zeros(1, np.uint64), sums))


def powers(base: int, count: int) -> Hashes:
    factors = np.full(count, base, np.uint64)
    factors[:1] = 1
    return np.cumprod(factors, dtype=np.uint64)


def windows_of(hashes: Hashes, size: int) -> Hashes:
    """Hashes of all windows of one text."""
    count = len(hashes) - size + 1
    if count < 1:
        return np.empty(0, np.uint64)
    sums = running(hashes, alphabet.ROLL)
    return fmix64((sums[size:] - sums[:-size]) * powers(alphabet.ROLL_INVERSE, count))


def count_tokens(data: Bytes, start: Whole, out: Whole) -> None:
    for text in range(len(out)):
        out[text] = len(tokens_of(data[start[text] : start[text + 1]]).hashes)


def part_windows(
    data: Bytes,
    start: Whole,
    first: Whole,
    size: int,
    parts: np.uint64,
    part: np.uint64,
    out: Hashes,
    places: Whole,
) -> int:
    done, number = 0, 0
    for text in np.flatnonzero(np.diff(first) >= size):
        made = windows_of(tokens_of(data[start[text] : start[text + 1]]).hashes, size) | ONE
        of_part = np.flatnonzero((made >> SHIFT) % parts == part)
        end = done + len(of_part)
        if end > len(out):
            return -1
        out[done:end] = made[of_part]
        if len(places):
            places[done:end] = number + of_part
        done, number = end, number + len(made)
    return done


def count_and_windows(data: Bytes, start: Whole, size: int, counts: Whole, out: Hashes) -> int:
    done = 0
    for text in range(len(counts)):
        hashes = tokens_of(data[start[text] : start[text + 1]]).hashes
        counts[text] = len(hashes)
        made = windows_of(hashes, size) | ONE
        if done + len(made) > len(out):
            return -1
        out[done : done + len(made)] = made
        done += len(made)
    return done


def twice(ordered: Hashes) -> Hashes:
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    return np.unique(again)


def open_table(keys: Hashes) -> Hashes:
    return np.sort(keys)


def sieve(table: Hashes) -> Hashes:
    """Not needed here: every hash is looked up."""
    return table[:0]


def slots(table: Hashes, keys: Hashes, out: Whole) -> None:
    out[:] = np.searchsorted(table, keys)


def mark(
    keys: Hashes,
    places: Whole,
    first: Whole,
    size: int,
    table: Hashes,
    _bits: Hashes,
    seen: Whole,
    keep_first: bool,
    marks: Bytes,
    heads: Whole,
) -> int:
    places = places if len(places) else np.arange(len(keys))
    slot = np.minimum(np.searchsorted(table, keys), len(table) - 1)
    hit = table[slot] == keys
    places, slot = places[hit], slot[hit]
    seen[:] = np.iinfo(np.int64).max
    np.minimum.at(seen, slot, places)
    earlier, text = seen[slot], np.searchsorted(first, places, side="right") - 1
    apart = (earlier < first[text]) | (places - earlier >= size)
    marks[places[apart] if keep_first else places] = 1
    if not len(heads):
        return 0
    at, text = places[apart], text[apart]
    new = np.ones(len(at), np.bool_)
    new[1:] = (np.diff(at) > size) | (np.diff(text) > 0)
    heads[: new.sum()] = np.stack((at[new], earlier[apart][new]), axis=1)
    return int(new.sum())


def marked_texts(first: Whole, marks: Bytes) -> Whole:
    return np.unique(np.searchsorted(first, np.flatnonzero(marks), side="right") - 1)


def spans(
    data: Bytes,
    start: Whole,
    first: Whole,
    numbers: Whole,
    size: int,
    marks: Bytes,
    texts: Whole,
    out: Whole,
    keys_out: Hashes,
) -> int:
    found = 0
    for text in texts.tolist():
        stream = tokens_of(data[start[text] : start[text + 1]])
        keys = windows_of(stream.hashes, size) | ONE
        at = np.flatnonzero(marks[numbers[text] : numbers[text + 1]])
        new = np.concatenate(([True], np.diff(at) > size))
        heads, lasts = at[new], at[np.concatenate((new[1:], [True]))] + size
        end = found + len(heads)
        if end > len(out):
            return -1
        columns = (np.full(len(heads), text), stream.begins[heads], stream.ends[lasts - 1])
        out[found:end] = np.stack((*columns, heads, lasts - heads), axis=1)
        keys_out[found:end] = keys[heads]
        found = end
    return found


def locate(
    data: Bytes, start: Whole, first: Whole, size: int, table: Hashes, _bits: Hashes, out: Whole
) -> None:
    for text in np.flatnonzero(np.diff(first) >= size).tolist():
        keys = windows_of(tokens_of(data[start[text] : start[text + 1]]).hashes, size) | ONE
        slot = np.minimum(np.searchsorted(table, keys), len(table) - 1)
        for at in np.flatnonzero(table[slot] == keys).tolist():
            line = out[slot[at]]
            if line[2] < 0:
                which = 0 if line[0] < 0 else 2
                line[which : which + 2] = text, at


# The kernel of containment with numpy alone: the same results as `compiled_grams`.


def contain(
    data: Bytes,
    start: Whole,
    first: Whole,
    size: int,
    _ordered: Hashes,
    table: Hashes,
    ids: Whole,
    _bits: Hashes,
    low: Whole,
    rows: Whole,
    sizes: Whole,
    threshold: float,
    best: Whole,
    score: NDArray[np.float64],
    hit: Bytes,
) -> None:
    for text in np.flatnonzero(np.diff(first) >= size).tolist():
        keys = windows_of(tokens_of(data[start[text] : start[text + 1]]).hashes, size) | ONE
        keys = np.unique(keys)
        slot = np.minimum(np.searchsorted(table, keys), len(table) - 1)
        places = ids[slot[table[slot] == keys]]
        pieces = [rows[low[at] : low[at + 1]] for at in places.tolist()]
        if not pieces:
            continue
        distinct = len(keys) - sum(not len(piece) for piece in pieces)
        found, shared = np.unique(np.concatenate(pieces), return_counts=True)
        part = shared / np.minimum(distinct, sizes[found])
        enough = part >= threshold
        hit[found[enough]] = 1
        if enough.any():
            most = int(np.argmax(part))
            best[text], score[text] = found[most], part[most]
