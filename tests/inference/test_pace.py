"""The pace of calls: none before a refusal, then the service's own rate, whatever its kind."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import hypothesis.strategies as st
import pytest
from hypothesis import given

from runner.inference.pace import FIRST_HOLD, LONGEST_HOLD, Pace


@dataclass
class Bucket:
    """Bears `rate` calls a second, and `level` more at once."""

    rate: float
    size: float
    level: float = field(init=False)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.level = self.size

    def takes(self, now: float) -> bool:
        self.level = min(self.size, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level < 1:
            return False
        self.level -= 1
        return True


@dataclass
class Minute:
    """Bears so many calls a minute of the clock."""

    calls: int
    seen: tuple[int, int] = (0, 0)

    def takes(self, now: float) -> bool:
        minute = int(now / 60)
        count = self.seen[1] if minute == self.seen[0] else 0
        if count >= self.calls:
            return False
        self.seen = (minute, count + 1)
        return True


@dataclass
class Outcome:
    seconds: float
    refused: int
    tries: int
    """Of the call that took most."""


def drive(takes: Callable[[float], bool], calls: int, latency: float, at_once: int) -> Outcome:
    """Ask until all calls are taken, on a clock that jumps; a refusal comes at once."""
    draw, pace = random.Random(1), Pace()
    ready = deque((number, 0) for number in range(calls))
    ends: list[tuple[float, int, bool, int, int, float]] = []
    now, running, refused, most = 0.0, 0, 0, 0
    while ready or ends:
        while ready and running < at_once and now >= pace.opens_at:
            call, tries = ready.popleft()
            number, running = pace.begin(now), running + 1
            taken = takes(now)
            end = now + (latency if taken else 0) + draw.uniform(1e-5, 2e-5)
            heapq.heappush(ends, (end, number, taken, call, tries + 1, now))
        moments = [ends[0][0]] if ends else []
        if ready and running < at_once:
            moments.append(pace.opens_at)
        now = max(now, min(moments))
        while ends and ends[0][0] <= now:
            _, number, taken, call, tries, began = heapq.heappop(ends)
            running, most = running - 1, max(most, tries)
            if not taken:
                refused += 1
                pace.refused(number, began, now)
                ready.append((call, tries))
    return Outcome(now, refused, most)


@pytest.mark.parametrize("latency", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("rate", [5.0, 50.0, 500.0])
def test_a_limit_of_calls_a_second_is_used_to_nine_tenths(rate: float, latency: float) -> None:
    calls, at_once = int(20 * rate), int(20 + 2 * rate * latency)
    found = drive(Bucket(rate, rate).takes, calls, latency, at_once)
    assert found.seconds <= 1.1 * ((calls - rate) / rate + latency)
    # What is begun before the first refusal comes back cannot be helped; the rest finds the rate.
    assert found.refused <= 0.1 * calls + at_once + 60


def test_a_minute_that_is_used_up_is_waited_for_with_few_calls() -> None:
    found = drive(Minute(300).takes, 900, 0.1, 20)
    assert found.seconds <= 1.2 * 120
    assert found.refused <= 150
    assert found.tries <= 6


def test_nothing_is_held_back_before_a_refusal() -> None:
    pace = Pace()
    for number in range(1, 1000):
        assert pace.begin(0.0) == number
        assert pace.opens_at <= 0.0


def test_holds_double_while_every_call_is_refused() -> None:
    pace, now, waits = Pace(), 0.0, []
    for _ in range(10):
        pace.refused(pace.begin(now), now, now)
        waits.append(pace.opens_at - now)
        now = pace.opens_at
    doubled = [FIRST_HOLD * 2**n for n in range(10)]
    assert waits == pytest.approx([min(LONGEST_HOLD, wait) for wait in doubled])


@given(
    st.lists(st.tuples(st.floats(0, 5), st.booleans(), st.floats(0, 3)), min_size=1, max_size=100)
)
def test_the_pace_is_positive_and_no_hold_is_longer_than_the_longest(
    calls: list[tuple[float, bool, float]],
) -> None:
    pace, now = Pace(), 0.0
    for passed, refused, took in calls:
        now = max(now + passed, pace.opens_at)
        number = pace.begin(now)
        if refused:
            pace.refused(number, now, now + took)
            now += took
        assert pace.rate is None or pace.rate > 0
        assert pace.opens_at <= now + LONGEST_HOLD + 2 * took + 1 / (pace.rate or 1)
