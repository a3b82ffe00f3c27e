"""Counting what calls cost while they are made."""

from __future__ import annotations

import time
from collections.abc import Callable

CALLS_AT_ONCE = 20
SECONDS_AT_MOST = 2.0
"""How many calls, or how long, may pass before they are written down: what a kill can lose."""


class Meter:
    """Adds up tokens and dollars of calls; `write` puts them on record, `check` may refuse."""

    def __init__(
        self,
        prompt_rate: float,
        output_rate: float,
        record: Callable[[int, float], None],
        check: Callable[[], None],
    ) -> None:
        """Rates are US dollars a token; `record` takes tokens and dollars since it was last
        called."""
        self._rates = prompt_rate, output_rate
        self._record, self._check = record, check
        self._calls, self._tokens, self._usd = 0, 0, 0.0
        self._written = time.monotonic()

    def __call__(self, prompt_tokens: int, output_tokens: int) -> None:
        """One call was made."""
        self._calls += 1
        self._tokens += prompt_tokens + output_tokens
        self._usd += prompt_tokens * self._rates[0] + output_tokens * self._rates[1]

    def now_and_then(self) -> None:
        """Write and check when enough calls, or enough time, have passed."""
        if self._calls >= CALLS_AT_ONCE or time.monotonic() - self._written > SECONDS_AT_MOST:
            self.write()
            self._check()

    def write(self) -> None:
        """Put what was counted on record."""
        if self._calls:
            self._record(self._tokens, self._usd)
        self._calls, self._tokens, self._usd = 0, 0, 0.0
        self._written = time.monotonic()
