"""How counts are spread, for summaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runner.records.summaries import Spread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def spread(values: Sequence[int] | NDArray[np.int32]) -> Spread | None:
    """Mean, percentiles and maximum, to one digit; None for no values."""
    import numpy as np

    if not len(values):
        return None
    counts = np.asarray(values)
    p50, p90, p99 = (round(value, 1) for value in np.percentile(counts, (50, 90, 99)).tolist())
    return Spread(round(float(counts.mean()), 1), p50, p90, p99, int(counts.max()))
