"""A fresh emulator for a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runner.emulator import Emulator


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Scripted, in memory; a job takes about a quarter of a second."""
    with Emulator() as running:
        yield running
