"""How a row becomes a prompt: the group `template`."""

from __future__ import annotations

from typing import Literal

from runner.config.base import Group


class Template(Group):
    """How a row becomes a prompt. One rendering serves tuning, evaluation and serving."""

    name: str
    system: str = ""
    """System instruction, a Jinja template over the row's columns; empty for none."""
    prompt: str = "{{ input }}"
    """User turn, a Jinja template. `input` is the only input column, when there is just one."""
    target: str = "{{ target }}"
    """The answer to learn, a Jinja template over `target` and the columns."""
    few_shot_lint: Literal["warn", "drop", "off"] = "warn"
    """Tuning rows that carry worked examples in their prompt (the guide advises against)."""
