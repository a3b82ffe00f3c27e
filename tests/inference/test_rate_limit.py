"""The controller of calls under way: bounds, what raises it, what cuts it, what it leaves."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from runner.inference.rate_limit import CUT, RateLimit

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["answered", "refused"]),
        st.floats(0, 5),  # seconds since the event before
        st.floats(0, 20),  # how long the call took
        st.integers(0, 200),  # calls under way
        st.none() | st.floats(0, 30),  # Retry-After
    ),
    max_size=200,
)


@given(EVENTS, st.integers(1, 100), st.integers(1, 100))
def test_the_limit_stays_between_one_and_the_ceiling(
    events: list[tuple[str, float, float, int, float | None]], start: int, ceiling: int
) -> None:
    rate, now = RateLimit(start, ceiling), 0.0
    for what, passed, took, under_way, retry_after in events:
        now += passed
        before, held = rate.limit, rate.resume_at
        if what == "answered":
            rate.answered(under_way)
            assert before <= rate.limit <= before + 1 / before
        else:
            rate.refused(now - took, now, retry_after)
            assert rate.limit in (before, max(1.0, before * CUT))
            if retry_after is not None:
                assert rate.resume_at >= now + retry_after
        assert rate.resume_at >= held, "a wait that the service asked for is never cut short"
        assert 1 <= rate.limit <= ceiling
        assert not rate.allows(int(rate.limit), now)
        if now >= rate.resume_at:
            assert rate.allows(0, now), "one call may always be under way"


def test_calls_refused_together_cut_once() -> None:
    rate = RateLimit(20, 100)
    for _ in range(20):
        rate.refused(began=0.0, now=1.0, retry_after=None)
    assert rate.limit == pytest.approx(16.0)
    rate.refused(began=1.5, now=2.0, retry_after=None)
    assert rate.limit == pytest.approx(12.8)


def test_a_limits_worth_of_answers_raises_it_by_about_one() -> None:
    rate = RateLimit(20, 100)
    for _ in range(20):
        rate.answered(under_way=20)
    assert 20.9 < rate.limit <= 21


def test_a_limit_that_is_not_used_does_not_grow() -> None:
    rate = RateLimit(20, 100)
    for _ in range(1000):
        rate.answered(under_way=3)
    assert rate.limit == 20


def test_it_climbs_to_the_ceiling_and_settles_below_what_the_service_bears() -> None:
    bears, rate, now = 37, RateLimit(20, 100), 0.0
    seen = []
    for _ in range(2000):
        now += 1
        volley = int(rate.limit)
        for number in range(volley):
            if number < bears:
                rate.answered(volley)
            else:
                rate.refused(now - 0.5, now, None)
        seen.append(rate.limit)
    assert all(0.7 * bears < limit < 1.2 * bears for limit in seen[200:])


def test_no_call_begins_before_the_service_said() -> None:
    rate = RateLimit(20, 100)
    rate.refused(began=0.0, now=10.0, retry_after=5.0)
    assert not rate.allows(0, 14.9)
    assert rate.allows(0, 15.0)
    rate.refused(began=11.0, now=12.0, retry_after=1.0)
    assert not rate.allows(0, 14.0)


def test_without_a_cut_a_refusal_only_says_how_long_to_wait() -> None:
    rate = RateLimit(20, 100)
    rate.refused(began=0.0, now=1.0, retry_after=3.0, cut=False)
    assert rate.limit == 20
    assert not rate.allows(0, 3.9)
