"""How counts are spread, for summaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def spread(values: Sequence[int] | NDArray[np.int32]) -> dict[str, float]:
    """Mean, percentiles and maximum, to one digit; empty for no values."""
    import numpy as np

    if not len(values):
        return {}
    counts = np.asarray(values)
    named = zip(("p50", "p90", "p99"), np.percentile(counts, (50, 90, 99)).tolist(), strict=True)
    middle = {name: round(value, 1) for name, value in named}
    return {"mean": round(float(counts.mean()), 1), **middle, "max": int(counts.max())}
