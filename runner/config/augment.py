"""Further training rows made from those there are: the group `prepare.augment`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from runner.config.base import Group, Share

AugmentRule = Literal["case", "typos", "whitespace", "punctuation", "informal", "entity_swap"]
"""Rules of `runner.prepare.augment.rules`. `informal` knows English only."""


class Paraphrase(Group):
    """New wordings by the untuned model, through whatever backend answers."""

    share: Share = 0.2
    """Share of the training rows that get one, drawn by the seed."""
    column: str | None = None
    """Input column to reword; null takes the only one."""
    prompt: str = (
        "Rewrite this message in other words. Keep every fact, name and number. Answer with the "
        "new message only.\n\n{{ text }}"
    )
    """Jinja template of the request; ``text`` is the column's text."""
    max_tokens: int = Field(default=128, gt=0)
    temperature: float = Field(default=0.7, ge=0)
    length: float = Field(default=2.0, gt=1)
    """Drop an answer that is this many times longer or shorter than the text."""


class Augment(Group):
    """Training rows only; evaluation rows stay as they are. A new row that equals one of them or
    a row of `leakage.suites`, or is like one by any method of `leakage`, is dropped. Every new row
    is listed with the row and the rule it was made by."""

    rules: list[AugmentRule] = []
    """Each new row is made by one of them, drawn by the seed."""
    share: Share = 0.2
    """New rows by rules, as a share of the training rows."""
    columns: list[str] | None = None
    """Input columns that rules may change; null takes all."""
    entity: str | None = None
    """For `entity_swap`: a field of the JSON answer (or ``target`` for an answer that is the
    entity itself) whose value, where it stands in the input as well, is swapped in both for
    another one that training has."""
    paraphrase: Paraphrase | None = None
