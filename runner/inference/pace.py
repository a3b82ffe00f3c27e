"""How many calls may begin a second, once the service has refused some for their number.

A service that limits calls a second has nothing left when it refuses one. Hence what it took
between two refusals, divided by the time between them, is its rate, whatever its burst. Calls are
counted by when they began, so answers may take as long as they like. Nothing is held back before
the first refusal. As with `RateLimit`, there is no clock here: whoever begins the calls says when.
"""

from __future__ import annotations

from dataclasses import dataclass

SPAN_SECONDS, SPAN_CALLS = 0.5, 10
"""Between two refusals that a rate is taken from; shorter ones would measure their own rounding."""
CAREFUL, BOLD = 1.05, 2.0
"""Growth of the pace a second. Careful from a rate that was measured while calls kept coming; bold
from one that may be too low, since the service stood idle in between or nothing was refused for
`QUIET_SECONDS`."""
QUIET_SECONDS = 10.0
CATCH_UP_SECONDS = 0.1
"""A driver that wakes late may begin the calls that it missed since."""
FIRST_HOLD, LONGEST_HOLD = 0.5, 30.0
"""Seconds in which no call begins after a refusal where nothing is known, doubled each time that
all calls in between were refused."""


@dataclass(slots=True)
class Pace:
    """The pace at which calls may begin; none before the service refused some."""

    rate: float | None = None
    """Calls a second that the service was last seen to take."""
    opens_at: float = float("-inf")
    """When the next call may begin."""
    _calls: int = 0
    _rate_at: float = 0.0
    _growth: float = BOLD
    _mark: tuple[int, float] | None = None
    """The refused call that the count goes back to: its number, and when it began."""
    _refused: int = 0
    """Calls since that were refused, too."""
    _held: bool = False
    """Whether calls were held since the mark, so that the service may have been idle."""
    _probing: bool = False
    """Whether the next call is the first after a hold, which goes alone."""
    _refusal_seconds: float = 0.0
    """How long the last refusal took."""
    _holds: int = 0
    """In a row, without a call that was taken in between."""

    def begin(self, now: float) -> int:
        """A call begins; its number."""
        self._calls += 1
        pace = self._pace(now)
        if self._probing:
            # It would have been refused by then, if it is.
            self.opens_at, self._probing = now + 2 * self._refusal_seconds, False
        elif pace is not None:
            self.opens_at = max(self.opens_at, now - CATCH_UP_SECONDS) + 1 / pace
        return self._calls

    def refused(self, number: int, began: float, now: float) -> None:
        """The call of this number was refused for the number of calls."""
        self._refusal_seconds = now - began
        if self._mark is None:
            self._hold(now)
            return
        marked, marked_at = self._mark
        if number <= marked:
            return
        self._refused += 1
        if self._held and number == marked + 1:
            self._hold(now)
            return
        if number - marked < SPAN_CALLS or began - marked_at < SPAN_SECONDS:
            return
        taken = number - marked - self._refused
        if taken <= 0:
            self._hold(now)
            return
        self.rate, self._rate_at = taken / (began - marked_at), now
        self._growth = BOLD if self._held else CAREFUL
        self._holds, self._held = 0, False
        self._mark, self._refused = (number, began), 0

    def _hold(self, now: float) -> None:
        """Leave the service alone for a while, and count from here; calls that are under way were
        begun too early to say more."""
        wait = min(LONGEST_HOLD, FIRST_HOLD * 2.0**self._holds)
        self.opens_at = max(self.opens_at, now + wait)
        self._holds, self._held, self._probing = self._holds + 1, True, True
        self._mark, self._refused = (self._calls, now), 0

    def _pace(self, now: float) -> float | None:
        """Calls a second that may begin now."""
        if self.rate is None:
            return None
        passed = now - self._rate_at
        quiet = max(0.0, passed - QUIET_SECONDS) if self._growth == CAREFUL else 0.0
        return float(self.rate * self._growth ** (passed - quiet) * BOLD**quiet)
