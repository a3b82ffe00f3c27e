"""The MinHash kernels in numpy alone, a text at a time: what the compiled ones are held against."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from runner.kernels.minhash import plan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runner.kernels.minhash.plan import Plan
    from runner.kernels.texts import Texts

    Hashes = NDArray[np.uint64]

BLANK = np.isin(np.arange(256), list(plan.ASCII_BLANKS))
WIDE_BLANKS = re.compile(f"[{plan.WIDE_BLANKS}]")
UNSPACED = re.compile("[" + "".join(f"{chr(a)}-{chr(b)}" for a, b in plan.UNSPACED) + "]")
ROLL = np.uint64(plan.ROLL)
LONG = 4096
"""Bytes of a text whose powers are kept."""


def shingles(text: bytes, plan: Plan) -> Hashes:
    """Shingles of one text, repeats included."""
    if text.isascii() and plan.unit != 1:
        return _runs(_words(text), plan.ngram)
    wide = text.decode("utf-8", "surrogatepass")
    if plan.unit == 1 or (plan.unit == 2 and _mostly_unspaced(wide)):
        return _runs(_characters(wide), plan.char_ngram)
    return _runs(_words(WIDE_BLANKS.sub(" ", wide).encode("utf-8", "surrogatepass")), plan.ngram)


def sign(texts: Texts, low: int, high: int, plan: Plan) -> NDArray[np.uint32]:
    """MinHash values of rows `low` to `high`: a line a row, a column a permutation."""
    out = np.empty((high - low, len(plan.multiply)), np.uint32)
    for row in range(low, high):
        out[row - low] = minimum(shingles(texts[row], plan).astype(np.uint32), plan)
    return out


def minimum(hashes: NDArray[np.uint32], plan: Plan) -> NDArray[np.uint32]:
    """MinHash values of one text from the low 32 bits of its shingles."""
    values: NDArray[np.uint32] = np.min(_fmix32(hashes)[:, None] * plan.multiply + plan.add, axis=0)
    return values


def band(values: NDArray[np.uint32], plan: Plan) -> Hashes:
    """One hash a band: a line a band, a column a row."""
    keys = np.zeros((plan.bands, len(values)), np.uint64)
    used = values[:, : plan.bands * plan.rows].reshape(-1, plan.bands, plan.rows)
    for at in range(plan.rows):
        keys *= ROLL
        keys += used[:, :, at].T
    return _fmix64(keys)


def rivals(keys: Hashes) -> NDArray[np.int64]:
    """All rows: numpy sorts the keys of few rows before it could tell which need not be."""
    return np.arange(len(keys))


def jaccard(
    texts: Texts,
    left: NDArray[np.int64],
    others: Texts,
    right: NDArray[np.int64],
    plan: Plan,
) -> NDArray[np.float64]:
    """True Jaccard similarity of pairs of rows, of `texts` and of `others`."""
    out, last, mine = np.empty(len(left)), -1, np.empty(0, np.uint64)
    for pair, (row, other) in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
        if row != last:
            last, mine = row, np.unique(shingles(texts[row], plan))
        theirs = np.unique(shingles(others[other], plan))
        shared = len(np.intersect1d(mine, theirs, assume_unique=True))
        out[pair] = shared / (len(mine) + len(theirs) - shared)
    return out


def unite(parent: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]) -> None:
    """Join the trees of each pair; the smallest row of a tree is its root."""
    for one, two in zip(left.tolist(), right.tolist(), strict=True):
        first, second = sorted((_root(parent, one), _root(parent, two)))
        parent[second] = first


def roots(parent: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The root of each row's tree."""
    return np.array([_root(parent, row) for row in rows.tolist()], np.int64)


def _root(parent: NDArray[np.int64], row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = int(parent[row])
    return row


def _words(text: bytes) -> Hashes:
    raw = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(np.diff(~BLANK[raw], prepend=False, append=False))
    return _tokens(raw, ends[0::2], ends[1::2])


def _characters(text: str) -> Hashes:
    raw = np.frombuffer(" ".join(text.split()).encode("utf-8", "surrogatepass"), np.uint8)
    starts = np.flatnonzero((raw & 0xC0) != 0x80)
    return _tokens(raw, starts, np.append(starts[1:], len(raw)))


def _tokens(raw: NDArray[np.uint8], starts: NDArray[np.intp], ends: NDArray[np.intp]) -> Hashes:
    """sum of (byte + 1) * STEP^position of each token: a difference of running sums, moved back
    to position 0 by the inverse power."""
    powers, inverse = _powers(max(len(raw), LONG))
    sums = np.zeros(len(raw) + 1, np.uint64)
    np.cumsum((raw.astype(np.uint64) + np.uint64(1)) * powers[: len(raw)], out=sums[1:])
    found: Hashes = (sums[ends] - sums[starts]) * inverse[starts]
    return _fmix64(found)


def _runs(tokens: Hashes, size: int) -> Hashes:
    size = min(size, len(tokens))
    runs = np.zeros(max(1, len(tokens) - size + 1), np.uint64)
    for at in range(size):
        runs *= ROLL
        runs += tokens[at : at + len(runs)]
    return _fmix64(runs)


def _mostly_unspaced(text: str) -> bool:
    found = len(UNSPACED.findall(text))
    return found > 0 and found * plan.UNSPACED_SHARE >= sum(map(len, text.split()))


_kept: dict[int, tuple[Hashes, Hashes]] = {}


def _powers(length: int) -> tuple[Hashes, Hashes]:
    """Powers of STEP and of its inverse, from 0."""
    if length > LONG:
        return _run(plan.STEP, length), _run(plan.STEP_INVERSE, length)
    if length not in _kept:
        _kept[length] = (_run(plan.STEP, length), _run(plan.STEP_INVERSE, length))
    return _kept[length]


def _run(base: int, length: int) -> Hashes:
    steps = np.full(length, base, np.uint64)
    steps[0] = 1
    powers: Hashes = np.cumprod(steps, dtype=np.uint64)
    return powers


def _fmix64(value: Hashes) -> Hashes:
    first, second = map(np.uint64, plan.FMIX64)
    value = (value ^ (value >> np.uint64(33))) * first
    value = (value ^ (value >> np.uint64(33))) * second
    return value ^ (value >> np.uint64(33))


def _fmix32(value: NDArray[np.uint32]) -> NDArray[np.uint32]:
    first, second = map(np.uint32, plan.FMIX32)
    value = (value ^ (value >> np.uint32(16))) * first
    value = (value ^ (value >> np.uint32(13))) * second
    return value ^ (value >> np.uint32(16))
