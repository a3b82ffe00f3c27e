"""A runner that is killed loses no tuning job and starts none twice; the script
``tests.acceptance.vertex_kills`` does the same two hundred times."""

from __future__ import annotations

import random

import pytest

from tests.acceptance import vertex_kills


@pytest.mark.slow
def test_kills_leave_six_whole_arms_and_six_jobs() -> None:
    wrong, seconds = vertex_kills.unbroken()
    assert wrong == []
    done = vertex_kills.broken(seconds, random.Random(5), budget=3)
    assert done.faults == []
    assert done.kills > 0
