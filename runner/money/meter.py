"""Counting what calls cost while they are made."""

from __future__ import annotations

import time
from collections.abc import Callable

CALLS_AT_ONCE = 20
SECONDS_AT_MOST = 2.0
"""How many calls, or how long, may pass before the caps are looked at again."""


class Meter:
    """Puts every call on record as it comes in; `check` is asked now and then and may refuse."""

    def __init__(
        self,
        prompt_rate: float,
        output_rate: float,
        record: Callable[[int, float], None],
        check: Callable[[], None],
    ) -> None:
        """Rates are US dollars a token; `record` takes tokens and dollars of one call."""
        self._rates = prompt_rate, output_rate
        self._record, self._check = record, check
        self._calls = 0
        self._checked = time.monotonic()

    def __call__(self, prompt_tokens: int, output_tokens: int) -> None:
        """One call was made."""
        self._calls += 1
        usd = prompt_tokens * self._rates[0] + output_tokens * self._rates[1]
        self._record(prompt_tokens + output_tokens, usd)

    def now_and_then(self) -> None:
        """Look at the caps when enough calls, or enough time, have passed."""
        if self._calls >= CALLS_AT_ONCE or time.monotonic() - self._checked > SECONDS_AT_MOST:
            self._check()
            self._calls, self._checked = 0, time.monotonic()
