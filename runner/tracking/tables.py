"""Tables as `mlflow.log_table` writes them, so that MLflow's pages line up the arms' answers.

Written by ourselves because `log_table` appends to what is there, and a mirror must replace.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from runner.records import ScoredRow
from runner.tracking.facts import Table

FIRST = ("id", "response", "target")
"""`id` lines rows up; MLflow preselects the first column after it for comparison."""


def predictions_table(rows: Iterable[ScoredRow]) -> Table:
    """One row an answer, sorted by id. A row without an answer shows its error instead."""
    flat = [_flat(row) for row in sorted(rows, key=lambda row: row.id)]
    columns = list(FIRST)
    for row in flat:
        columns += [name for name in row if name not in columns]
    return Table(tuple(columns), tuple(tuple(row.get(name) for name in columns) for row in flat))


def _flat(row: ScoredRow) -> dict[str, Any]:
    out: dict[str, Any] = {
        "id": row.id,
        "response": f"[no answer: {row.error}]" if row.error else row.text,
        "target": row.target,
    }
    out |= {name: _number(score) for name, score in row.scores.items()}
    out |= {name: label for name, label in row.slices.items() if name not in out}
    if row.unanswered:
        out.setdefault("unanswered", row.unanswered)
    out["prompt"] = row.prompt
    if row.references:
        out["references"] = json.dumps(row.references, ensure_ascii=False)
    return out


def _number(score: Any) -> Any:
    """JSON has no nan: an undefined score is an empty cell."""
    return None if isinstance(score, float) and not math.isfinite(score) else score


def table_json(table: Table) -> str:
    """The table as pandas' ``split`` orientation, which MLflow's pages read."""
    return json.dumps(
        {"columns": list(table.columns), "data": [list(row) for row in table.rows]},
        ensure_ascii=False,
    )


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; cells are flattened to one line and their pipes escaped."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(cell(text) for text in row) + " |" for row in rows]
    return "\n".join(lines)


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
