"""The training rows on a plane, when a selection compared them by similarity."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from runner.plural import plural
from runner.records import read_record
from runner.records.clusters import MAP, SimilarityMap
from runner.report.axis import Axis
from runner.report.plot import Plot
from runner.report.wording import clip, count

COLOURS = 6
"""Clusters with a colour of their own, the largest ones; the style sheet has as many."""


@dataclass(frozen=True, slots=True)
class RowMap:
    """The picture and the sentence below it."""

    picture: Markup
    about: str


def row_map(rendered: Path) -> RowMap | None:
    """None when the rows were not compared by similarity."""
    path = rendered / MAP
    if not path.is_file():
        return None
    found = read_record(path, SimilarityMap)
    axis = Axis(-0.02, 1.02, ())
    plot = Plot("Training rows, near each other where their texts are alike", axis, axis, 420)
    # Rows that are used are drawn last, on top of the others.
    for point in sorted(found.points, key=lambda point: point.chosen):
        css = f"c{point.cluster}" if point.cluster < COLOURS else "b1"
        title = f"{clip(point.text, 160)} → {clip(point.target, 60)}"
        used = point.chosen
        plot.dot(
            point.x,
            point.y,
            css if used else f"{css} unused",
            title if used else f"not used: {title}",
            3.5 if used else 2.5,
        )
    return RowMap(plot.markup(), _about(found))


def _about(found: SimilarityMap) -> str:
    shown = len(found.points)
    sample = f" (a sample of {count(shown)} is drawn)" if shown < found.rows else ""
    clusters = plural(found.clusters, "cluster")
    return (
        f"{count(found.chosen)} of {count(found.rows)} rows are used{sample}, in {clusters}; "
        f"the {COLOURS} largest have colours. Diversity (Vendi score: as many rows with nothing "
        f"in common would be as diverse): {found.vendi_chosen} of the rows used, "
        f"{found.vendi_random} of as many drawn at random, {found.vendi} of all."
    )
