"""The data card: what the prepared and rendered rows are worth, on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.plural import plural
from runner.records import SPLITS, Example
from runner.records.summaries import (
    NAME,
    Conflict,
    PreparedSummary,
    RenderedSummary,
    read_prepared,
    read_rendered,
)
from runner.report.augmented import augmented
from runner.report.clusters import clusters
from runner.report.coverage import coverage
from runner.report.flow import dropped_total, flow, read_tallies, set_aside_total
from runner.report.leak_looks import look_lines
from runner.report.leaks import leaks_page, write_leaks
from runner.report.lengths import lengths, tokens
from runner.report.losses import MAX_SHOWN, Kind, faults, losses
from runner.report.map import row_map
from runner.report.mix import mixes
from runner.report.page import write_page
from runner.report.places import link, where
from runner.report.profile import Profile, profiles
from runner.report.spread import spreads
from runner.report.wording import clip, count

MAX_TEXT = 1200
MAX_FILES = 8


@dataclass(frozen=True, slots=True)
class Shown:
    """One example row as the model sees it."""

    split: str
    id: str
    where: str
    parts: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Fact:
    """One of the numbers at the top."""

    name: str
    value: str
    note: str = ""


def write_card(prepared: Path, rendered: Path, version: str, out: Path) -> None:
    """Write the data card of the two artifact folders to `out`."""
    found = profiles(rendered, SPLITS)
    tallies, kinds = read_tallies([prepared, rendered]), losses([prepared, rendered])
    faulty, fault_count = faults(prepared)
    summary = read_prepared(prepared) if (prepared / NAME).is_file() else PreparedSummary()
    numbers = read_rendered(rendered) if (rendered / NAME).is_file() else RenderedSummary()
    dropped = dropped_total(tallies) if tallies else sum(kind.rows for kind in kinds)
    values = {
        "version": version,
        "title": "Data card",
        "headline": _headline(found, kinds, dropped),
        "state": "won" if found and not (kinds[0].rows or kinds[1].rows) else "open",
        "facts": _facts(found, dropped, set_aside_total(tallies), kinds, fault_count),
        "notes": _notes(summary, numbers),
        "files": {profile.split: _files(profile) for profile in found.values()},
        "profiles": list(found.values()),
        "mixes": mixes(summary.mix),
        "flows": flow(tallies),
        "lengths": lengths(found),
        "tokens": tokens(numbers.tokens),
        "spreads": spreads(found),
        "slices": spreads(found, slices=True),
        "splits": [profile.split for profile in found.values() if profile.rows],
        "coverage": coverage(found),
        "augmented": augmented(numbers.augmented, rendered, out),
        "map": row_map(rendered),
        "kinds": kinds,
        "conflicts": _conflicts(summary.conflicts),
        "clusters": clusters(summary.near_clusters, prepared),
        "faults": faulty,
        "fault_count": fault_count,
        "max_shown": MAX_SHOWN,
        "examples": [_shown(p.split, item) for p in found.values() for item in p.examples],
    }
    page = leaks_page(out)
    values["leaks"] = link(page, out) if write_leaks(prepared, version, page) else ""
    write_page("card.html", values, out)


def _headline(found: Mapping[str, Profile], kinds: Sequence[Kind], dropped: int) -> str:
    if not found:
        return "There are no rendered rows to describe."
    rows = found["train"].rows if "train" in found else 0
    start = f"{plural(rows, 'training row')} to tune on"
    if not dropped:
        return f"{start}; nothing had to be dropped."
    known = [(kind.rows, kind.heading.lower()) for kind in kinds[:3] if kind.rows]
    named = ", ".join(
        f"{count(n)} {name.removesuffix('s') if n == 1 else name}" for n, name in known
    )
    return f"{start}; {plural(dropped, 'row')} dropped{f', among them {named}' if named else ''}."


def _facts(
    found: Mapping[str, Profile], dropped: int, aside: int, kinds: Sequence[Kind], faulty: int
) -> list[Fact]:
    rows = [Fact(f"{profile.split} rows", count(profile.rows)) for profile in found.values()]
    dropped_kinds = [Fact(kind.heading.lower(), count(kind.rows)) for kind in kinds[:3]]
    others = [Fact("faults", count(faulty))]
    others += [Fact("set aside", count(aside))] if aside else []
    return [*rows, Fact("dropped", count(dropped)), *dropped_kinds, *others]


def _files(profile: Profile) -> list[tuple[str, int]]:
    return [(Path(file).name, rows) for file, rows in profile.files.most_common(MAX_FILES)]


def _notes(prepared: PreparedSummary, rendered: RenderedSummary) -> list[str]:
    """What the data steps had to say, and the numbers on leaks that no dropped row shows."""
    leaks = [f"{name.replace('_', ' ')}: {rows}" for name, rows in prepared.leakage.items() if rows]
    looks = [f"leaks, {line}" for line in look_lines(prepared.leak_looks)]
    lint = [broken.message for broken in rendered.lint if broken.message]
    return [*prepared.warnings, *prepared.notes, *rendered.notes, *leaks, *looks, *lint]


def _conflicts(conflicts: Sequence[Conflict]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Texts with more than one answer: the text, then place and answer of each row."""
    return [
        (clip(item.text, 200), [(where(row), row.target) for row in item.rows])
        for item in conflicts
    ]


def _shown(split: str, example: Example) -> Shown:
    parts = [("system", example.system)] if example.system else []
    parts += [(turn.role, turn.text) for turn in example.contents]
    parts.append(("answer", example.target))
    at = f"{Path(example.origin.file).name}:{example.origin.line}"
    return Shown(split, example.id, at, [(name, clip(text, MAX_TEXT)) for name, text in parts])
