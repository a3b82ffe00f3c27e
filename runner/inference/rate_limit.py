"""How many calls may be under way at a time: as many as the service bears.

Additive increase, multiplicative decrease, as networks share a line (Chiu and Jain 1989): every
answer given while the limit is in use raises the limit by a little (by one for a limit's worth of
answers), a refusal for the number of calls cuts it by a fifth. The service's own failures and lost
connections say nothing about the quota and leave it alone. A controller without clock or threads:
whoever drives it says when things happened, in seconds of any steady clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field

CUT = 0.8
IN_USE = 0.8
"""Share of the limit that has to be under way for an answer to say that more would go, too."""


@dataclass(slots=True)
class RateLimit:
    """The limit of calls under way; starts at `start` and stays from 1 to `ceiling`."""

    start: int
    ceiling: int
    limit: float = field(init=False)
    resume_at: float = field(init=False, default=float("-inf"))
    """No call may begin before: the service said so (Retry-After)."""
    _cut_at: float = field(init=False, default=float("-inf"))

    def __post_init__(self) -> None:
        self.limit = float(min(self.start, self.ceiling))

    def allows(self, under_way: int, now: float) -> bool:
        """Whether one more call may begin."""
        return now >= self.resume_at and self.room(under_way)

    def room(self, under_way: int) -> bool:
        """Whether the limit leaves room for one more, be it not now."""
        return under_way < int(self.limit)

    def answered(self, under_way: int) -> None:
        """A call was answered; `under_way` counts it."""
        if under_way >= IN_USE * int(self.limit):
            self.limit = min(float(self.ceiling), self.limit + 1 / self.limit)

    def refused(
        self, began: float, now: float, retry_after: float | None, *, cut: bool = True
    ) -> None:
        """A call that began at `began` was refused for the number of calls.

        Calls of one volley are refused together, so one that began before the last cut does not
        cut again. Without `cut` the limit stays, since something else slows the calls down.
        `retry_after` is how long to leave the service alone.
        """
        if cut and began >= self._cut_at:
            self.limit = max(1.0, self.limit * CUT)
            self._cut_at = now
        if retry_after is not None:
            self.resume_at = max(self.resume_at, now + retry_after)
