"""Further training rows: made by rules or by a model, held against the evaluation rows."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from runner.base.errors import ConfigError, Problem
from runner.config.augment import Augment
from runner.prepare.augment.reword import check_names
from runner.prepare.augment.rules import Entities, apply, free_columns
from runner.prepare.row_table import hash64
from runner.records import Row
from runner.records.summaries import NewRow

PARAPHRASE = "paraphrase"
"""What stands for the rule of rows that a model worded."""
ATTEMPTS = 5
"""Draws of another rule or place for a row on which the first finds nothing to change."""


@dataclass(frozen=True, slots=True)
class MadeRow:
    """A new row with the row and the rule it was made by."""

    row: Row
    of: Row
    rule: str

    @property
    def provenance(self) -> NewRow:
        """What stands in ``augmented.jsonl``."""
        new = NewRow(self.row.id, self.of.id, self.rule, _text(self.of), _text(self.row))
        if self.of.target == self.row.target:
            return new
        return replace(new, target_before=self.of.target, target_after=self.row.target)


def by_rules(rows: Sequence[Row], augment: Augment, seed: int) -> Iterator[MadeRow]:
    """New rows by the rules, `share` of the rows' number, the same for the same rows and seed.

    Raises ConfigError when `columns` or `entity` name what is not there.
    """
    if not augment.rules:
        return
    check_names(rows, augment)
    entities = Entities.of(rows, augment.entity) if augment.entity else None
    wanted = round(len(rows) * augment.share)
    order = sorted(rows, key=lambda row: hash64(f"{seed}/{row.id}"))
    times: Counter[str] = Counter()
    for number in range(wanted):
        row = order[number % len(order)]
        rng = random.Random(f"{seed}/{row.id}/{number}")
        made = _changed(row, augment, entities, rng)
        if made:
            rule, new = made
            times[row.id] += 1
            yield MadeRow(replace(new, id=f"{row.id}+{rule}{times[row.id]}"), row, rule)


def _changed(
    row: Row, augment: Augment, entities: Entities | None, rng: random.Random
) -> tuple[str, Row] | None:
    for _ in range(ATTEMPTS):
        rule = rng.choice(augment.rules)
        if rule == "entity_swap":
            assert entities
            new = entities.swapped(row, augment.columns, rng)
        else:
            new = _each_text(row, augment.columns, lambda text, r=rule: apply(r, text, rng))
        if new and _text(new) != _text(row):
            return rule, new
    return None


def _each_text(row: Row, columns: Sequence[str] | None, change: Any) -> Row:
    if row.history:
        last = row.history[-1]
        if last.parts:
            return row  # media and function calls are no texts to play with
        return replace(row, history=(*row.history[:-1], replace(last, text=change(last.text))))
    free = free_columns(row, columns)
    fields = {name: change(text) if name in free else text for name, text in row.fields.items()}
    return replace(row, fields=fields)


def reworded(rows: Sequence[Row], augment: Augment, answers: Path) -> Iterator[MadeRow]:
    """New rows from the model's wordings, lines of ``id`` and ``text``; those that are empty,
    unchanged or of another length by `paraphrase.length` are left out."""
    assert augment.paraphrase
    by_id = {row.id: row for row in rows}
    for line in answers.read_bytes().splitlines():
        answer: Mapping[str, str] = orjson.loads(line)
        row = by_id.get(answer["id"])
        text = answer["text"].strip()
        if row is None or not text:
            continue
        new = _each_text(row, _column(row, augment.paraphrase.column), lambda _, t=text: t)
        before, after = len(_text(row)), len(_text(new))
        if _text(new) == _text(row) or max(before, after) > augment.paraphrase.length * min(
            before, after
        ):
            continue
        yield MadeRow(replace(new, id=f"{row.id}+{PARAPHRASE}"), row, PARAPHRASE)


def to_reword(rows: Sequence[Row], augment: Augment, seed: int) -> list[tuple[str, str]]:
    """Id and text of the rows to be reworded, a seeded share of them.

    Raises ConfigError when the column is not there, or not the only one and not named.
    """
    assert augment.paraphrase
    drawn = sorted(rows, key=lambda row: hash64(f"{seed}/reword/{row.id}"))
    found = []
    for row in drawn[: round(len(rows) * augment.paraphrase.share)]:
        if row.history:
            found.append((row.id, row.history[-1].text))
            continue
        columns = _column(row, augment.paraphrase.column)
        found.append((row.id, row.fields[columns[0]]))
    return found


def _column(row: Row, named: str | None) -> list[str]:
    if row.history:
        return []
    if named is not None and named in row.fields:
        return [named]
    listed = ", ".join(sorted(row.fields))
    if named is not None or len(row.fields) != 1:
        what = f"there is no column {named!r}" if named else "which column is to be reworded?"
        raise ConfigError(
            [Problem("prepare.augment.paraphrase.column", f"{what} The columns are {listed}")]
        )
    return list(row.fields)


def _text(row: Row) -> str:
    return row.history[-1].text if row.history else " | ".join(row.fields.values())
