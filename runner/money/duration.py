"""How long a tuning job on Vertex AI may take: a guess, since nothing is promised.

Small jobs were seen to take 20 minutes for 32 rows (2024), about 45 minutes for a small one of
Gemini 2.5 Flash (Google's notebooks, 2026-08), and 2 h 09 min for 17.5 million tokens of Gemini
3.1 Flash-Lite (a team's log, 2026-09): about 20 minutes before and after, and the rest by tokens.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

OVERHEAD_SECONDS = 20 * 60.0
TOKENS_PER_SECOND = 17.5e6 / (129 * 60 - OVERHEAD_SECONDS)


def tuning_seconds(tokens: float) -> float:
    """Seconds of a job that trains on so many tokens, all epochs together."""
    return OVERHEAD_SECONDS + tokens / TOKENS_PER_SECOND


def queue_seconds(jobs: Sequence[float], at_a_time: int) -> float:
    """Seconds until the last of the jobs is done, each starting when there is room for it."""
    ends = [0.0] * at_a_time
    for job in jobs:
        heapq.heapreplace(ends, ends[0] + job)
    return max(ends)
