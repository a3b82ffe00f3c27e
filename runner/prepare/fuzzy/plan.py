"""The numbers that decide how texts become shingles, signatures and bands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.config import FuzzyDedup

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEED = 1
"""datasketch's default, so that signatures equal those of a plain `MinHash`."""
UNITS = ("word", "char", "auto")
"""Position is the code the kernels know."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One configuration of the engine, resolved."""

    threshold: float
    unit: int
    """Position in `UNITS`."""
    ngram: int
    """Words a shingle."""
    char_ngram: int
    """Characters a shingle."""
    bands: int
    rows: int
    """Hash values a band."""
    multiply: NDArray[np.uint32]
    add: NDArray[np.uint32]
    """datasketch's affine32 permutations: value = multiply * hash + add, modulo 2^32."""


def plan_of(config: FuzzyDedup) -> Plan:
    """The plan a configuration asks for."""
    bands, rows = layout(config)
    multiply, add = permutations(config.permutations)
    return Plan(
        config.threshold,
        UNITS.index(config.unit),
        config.ngram,
        config.char_ngram,
        bands,
        rows,
        multiply,
        add,
    )


def layout(config: FuzzyDedup) -> tuple[int, int]:
    """Bands and rows a band, as given or as `bands` finds them."""
    if config.bands:
        return config.bands, config.permutations // config.bands
    return bands(config.threshold, config.permutations, config.recall)


def bands(threshold: float, permutations: int, recall: float) -> tuple[int, int]:
    """Bands and rows a band: the longest bands that still propose a pair at the threshold with
    probability `recall`, which is 1 - (1 - threshold^rows)^bands.

    datasketch's own choice weighs false candidates against missed ones and misses 60 % of the
    pairs at 0.8; candidates are verified here, so only missed ones count.
    """
    for rows in range(permutations // 2, 1, -1):
        count = permutations // rows
        if proposed(threshold, count, rows) >= recall:
            return count, rows
    return permutations, 1


def proposed(similarity: float, bands: int, rows: int) -> float:
    """Probability that a pair of this Jaccard similarity shares a band and becomes a candidate
    (Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, section 3.4.2)."""
    return float(1 - (1 - similarity**rows) ** bands)


def permutations(count: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Multipliers (odd) and addends of `datasketch.MinHash(count, seed=SEED)`, scheme affine32,
    drawn as datasketch 2.0 draws them; importing it would cost a second."""
    import numpy as np

    draw = np.random.RandomState(SEED)
    multiply = draw.randint(0, 1 << 31, count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return multiply, draw.randint(0, 1 << 32, count, dtype=np.uint32)
