"""From rows as read to examples as the model sees them.

`prepare` cleans, deduplicates, splits and keeps train apart from evaluation; `render` selects
and renders; `check_report` gathers the numbers. All of them stream: no stage holds its rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runner.config import Augment, Prepare, RowLimits, Select, Template
from runner.gemini_format.tokens import TokenCounter
from runner.prepare.inputs import NOTHING_NEW, Augmentation, Reader
from runner.records import Progress, quiet

if TYPE_CHECKING:
    from runner.encoders.lexical import Encode
    from runner.records.check_report import DataReport

PREPARE_VERSION = "8"
"""Bumped when `prepare` gives other results for the same input; part of the digest."""
RENDER_VERSION = "3"
"""The same for `render`."""


def prepare(
    rows: Mapping[str, Reader],
    config: Prepare,
    max_bad_share: float,
    seed: int,
    out: Path,
    progress: Progress = quiet,
    encode: Encode | None = None,
) -> None:
    """Clean, deduplicate, split and separate the rows of all splits.

    Writes into the folder `out`: ``train.jsonl``, ``validation.jsonl``, ``test.jsonl`` (`Row`),
    ``dropped.jsonl`` (`Dropped`), ``faults.jsonl``, ``tally.json`` and ``summary.json``; with
    `dedup.fuzzy` also ``clusters.jsonl``, with `dedup.substring` ``spans.jsonl``; always
    ``leaks.jsonl`` and ``conflicts.jsonl``, every pair that was found. The folder ``held_out``
    has all rows (`Row`) of evaluation splits and suites that were given, also those beyond a cap:
    rows that are made later must not stand there either.
    Memory: at most 200 bytes a row (hashes, lengths, places on disk and their sorting), whatever
    the rows hold; with `dedup.fuzzy`, about 200 bytes a row more, its texts lie on disk.

    `encode` turns texts into vectors where something compares by them; without it, encoders
    that have to be paid for raise ConfigError. The same for `render` and `reword_prompts`.

    Raises:
        GateError: too many faulty rows, more leaking evaluation rows than allowed, or more rows
            lost to dedup than allowed; for leaks, `out` then holds ``leaks.jsonl`` and
            ``conflicts.jsonl``.
        ConfigError: `split.stratify` names no column, or the cuts ask for too many rows.
        DataError: no training row is left.
    """
    from runner.encoders.lexical import encode as encode_here
    from runner.prepare.flow import prepare_rows

    prepare_rows(rows, config, max_bad_share, seed, out, progress, encode or encode_here)


def past_digest(config: Prepare) -> str:
    """Digest of the fingerprints of past datasets that `dedup.fuzzy.index` names; empty without.
    Raises ConfigError when there are none where it points."""
    if not config.dedup.fuzzy or not config.dedup.fuzzy.index:
        return ""
    from runner.prepare.seen_before import digest_index

    return digest_index(config.dedup)


def render(
    prepared: Path,
    template: Template,
    select: Select,
    context_tokens: int,
    seed: int,
    out: Path,
    count_tokens: TokenCounter,
    progress: Progress = quiet,
    augmentation: Augmentation = NOTHING_NEW,
    limits: RowLimits | None = None,
    encode: Encode | None = None,
    draw: int | None = None,
) -> None:
    """Select training rows, add new ones made from them, and render all rows of a `prepare`
    folder into examples. With the `limits` of a service, validation is cut to what it takes. `draw`
    is the seed of whatever is drawn for training, None for `seed`: replicates of a recipe differ in
    it, and answer the same evaluation rows.

    Writes into the folder `out`: ``train.jsonl``, ``validation.jsonl``, ``test.jsonl``
    (`Example`), ``gemini/train.jsonl`` and ``gemini/validation.jsonl`` (Vertex's format),
    ``dropped.jsonl``, ``tally.json`` and ``summary.json``; ``augmented.jsonl`` with every new row,
    the one it was made of and by which rule.

    Raises:
        ConfigError: a template does not compile, names an unknown column or fails on a row; a
            selection or an augmentation does not fit the rows.
        DataError: no training row is left.
    """
    from runner.encoders.lexical import encode as encode_here
    from runner.prepare.rendering import render_rows

    render_rows(
        prepared,
        template,
        select,
        context_tokens,
        seed,
        out,
        count_tokens,
        progress,
        augmentation,
        limits,
        encode or encode_here,
        seed if draw is None else draw,
    )


def reword_prompts(
    prepared: Path, select: Select, augment: Augment, seed: int, encode: Encode | None = None
) -> list[tuple[str, str]]:
    """Row id and prompt of every training row that a model is to reword."""
    from runner.encoders.lexical import encode as encode_here
    from runner.prepare.rendering import to_be_reworded

    return to_be_reworded(prepared, select, augment, seed, encode or encode_here)


def check_report(prepared: Path, rendered: Path) -> DataReport:
    """The numbers of both folders, gathered for people and scripts (`sft check --json`).
    Raises DataError when a folder cannot be read."""
    from runner.prepare.summary import gather

    return gather(prepared, rendered)
