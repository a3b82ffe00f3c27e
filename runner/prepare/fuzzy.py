"""Near-duplicates: MinHash LSH proposes, the true Jaccard similarity of word shingles decides.

The two functions are the door; what is behind it serves some 50,000 rows.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.config import FuzzyDedup
from runner.prepare.keys import hash64

if TYPE_CHECKING:
    from datasketch import MinHash, MinHashLSH

SEED = 1
RECALL = 0.95
"""Share of pairs exactly at the threshold that LSH must propose; more similar ones are
proposed more often."""


@dataclass(frozen=True, slots=True)
class Near:
    """A row and the most similar one it nearly repeats; positions in the sequences given."""

    row: int
    matched: int
    score: float
    """Jaccard similarity of the two sets of shingles."""


def near_duplicates(texts: Iterable[str], config: FuzzyDedup) -> list[Near]:
    """Rows that nearly repeat an earlier row which itself is not among them, in order.

    What is left holds no two rows that LSH would propose at or above the threshold, so a
    second pass finds nothing.
    """
    index = _Index(config)
    found = []
    for row, text in enumerate(texts):
        sketch = index.sketch(text)
        near = index.nearest(row, sketch)
        if near:
            found.append(near)
        else:
            index.add(row, sketch)
    return found


def near_matches(texts: Iterable[str], corpus: Iterable[str], config: FuzzyDedup) -> list[Near]:
    """Rows of `texts` with a near-duplicate in `corpus`, each with the most similar one."""
    index = _Index(config)
    for place, text in enumerate(corpus):
        index.add(place, index.sketch(text))
    near = (index.nearest(row, index.sketch(text)) for row, text in enumerate(texts))
    return [hit for hit in near if hit]


def bands(threshold: float, permutations: int) -> tuple[int, int]:
    """Bands and rows a band: the longest bands that still propose a pair at the threshold with
    probability `RECALL`, which is 1 - (1 - threshold^rows)^bands.

    datasketch's own choice weighs false candidates against missed ones and misses 60 % of the
    pairs at 0.8; candidates are verified here, so only missed ones count.
    """
    for rows in range(permutations // 2, 1, -1):
        count = permutations // rows
        if 1 - (1 - threshold**rows) ** count >= RECALL:
            return count, rows
    return permutations, 1


@dataclass(frozen=True, slots=True)
class _Sketch:
    shingles: frozenset[int]
    """64-bit hashes of the text's runs of `ngram` words; the whole text when it is shorter."""
    signature: MinHash


class _Index:
    """Rows by their MinHash bands, with the shingles (8 bytes each) to verify candidates."""

    def __init__(self, config: FuzzyDedup) -> None:
        from datasketch import MinHash, MinHashLSH

        self._config = config
        self._blank = MinHash(config.permutations, seed=SEED, hashfunc=_low_bits)
        self._lsh: MinHashLSH = MinHashLSH(
            config.threshold,
            config.permutations,
            params=bands(config.threshold, config.permutations),
        )
        self._shingles: dict[int, array[int]] = {}

    def sketch(self, text: str) -> _Sketch:
        words, size = text.split(), self._config.ngram
        runs = range(max(1, len(words) - size + 1))
        shingles = frozenset(hash64(" ".join(words[at : at + size])) for at in runs)
        signature = self._blank.copy()
        signature.update_batch(shingles)
        return _Sketch(shingles, signature)

    def nearest(self, row: int, sketch: _Sketch) -> Near | None:
        """The most similar row at or above the threshold; the earliest of equals."""
        best = None
        for place in sorted(self._lsh.query(sketch.signature)):
            other = self._shingles[place]
            shared = len(sketch.shingles.intersection(other))
            score = shared / (len(sketch.shingles) + len(other) - shared)
            if score >= self._config.threshold and (best is None or score > best.score):
                best = Near(row, place, score)
        return best

    def add(self, place: int, sketch: _Sketch) -> None:
        self._shingles[place] = array("Q", sketch.shingles)
        self._lsh.insert(place, sketch.signature, check_duplication=False)


def _low_bits(shingle: int) -> int:
    """MinHash works on 32 bits; verification keeps all 64."""
    return shingle & 0xFFFFFFFF
