"""The second stage: select training rows, render all rows, write what models are given."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

import orjson

from runner.base.errors import DataError
from runner.base.text import plural
from runner.config import Augment, RowLimits, Select, Template
from runner.gemini_format.tokens import TokenCounter, TokenTally
from runner.prepare.augment.guard import NewRowCounts, with_new_rows
from runner.prepare.drop_log import DropLog, input_excerpt
from runner.prepare.lint import FewShotLint
from runner.prepare.row_table import example_line, gemini_line, hash64, input_text
from runner.prepare.select import choose
from runner.prepare.select.diverse import Selection, drawn
from runner.prepare.split_groups import draw
from runner.prepare.template import Renderer
from runner.records import SPLITS, Dropped, Example, Progress, Row, Tally, record_json
from runner.records.clusters import MAP
from runner.records.summaries import PreparedSummary, RenderedSummary, read_prepared

if TYPE_CHECKING:
    from runner.encoders.lexical import Encode
    from runner.prepare.inputs import Augmentation

BATCH = 512
SHOWN = 3
"""Rendered training examples in the summary."""
TUNED_ON = ("train", "validation")
"""Splits that tuning reads: their rows must fit the context. Test rows stay and are reported,
since leaving out the long ones would flatter every arm."""


@dataclass(slots=True)
class _Render:
    """What the splits have in common while they are rendered."""

    prepared: Path
    out: Path
    renderer: Renderer
    lint: FewShotLint | None
    drop_few_shot: bool
    context_tokens: int
    count_tokens: TokenCounter
    drop_log: DropLog
    progress: Progress
    first: list[Example] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What the selection has to say."""
    added: NewRowCounts = field(default_factory=NewRowCounts)


@dataclass(slots=True)
class _Split:
    """What rendering one split came to."""

    tally: Tally
    tokens: TokenTally
    too_long: int = 0
    maybe_too_long: int = 0
    """Rows that only exceed the context by the upper estimate."""


def render_rows(
    prepared: Path,
    template: Template,
    select: Select,
    context_tokens: int,
    seed: int,
    out: Path,
    count_tokens: TokenCounter,
    progress: Progress,
    augmentation: Augmentation,
    limits: RowLimits | None,
    encode: Encode,
    draw: int,
) -> None:
    """See `runner.prepare.rendering`."""
    before = read_prepared(prepared)
    renderer = Renderer(template, before.columns)
    train = prepared / "train.jsonl"
    lint = FewShotLint(train) if template.few_shot_lint != "off" else None
    (out / "gemini").mkdir()
    with DropLog(out, faults=False) as drop_log:
        work = _Render(
            prepared,
            out,
            renderer,
            lint,
            template.few_shot_lint == "drop",
            context_tokens,
            count_tokens,
            drop_log,
            progress,
        )
        done: dict[str, _Split] = {}
        for split in SPLITS:
            rows = _rows(work, split)
            if split == "train":
                chosen = _selected(work, select, draw, encode)
                rows = with_new_rows(
                    chosen, augmentation, prepared, out, drop_log, draw, work.added
                )
            elif split == "validation" and limits:
                rows = _fitting(work, limits.most_validation(done["train"].tally.kept), seed)
            done[split] = _render_split(work, split, rows, before.rows.get(split, 0))
        if not done["train"].tally.kept:
            raise DataError(f"no training row is left:\n{drop_log.losses('train')}")
        drop_log.finish(_summary(work, done, select, before))


def _rows(work: _Render, split: str) -> Iterator[Row]:
    with (work.prepared / f"{split}.jsonl").open("rb") as lines:
        for line in lines:
            yield Row.from_json(orjson.loads(line))


def _fitting(work: _Render, most: int, seed: int) -> Iterator[Row]:
    """Validation rows as far as the service takes them; the others go into the drop_log."""
    kept = fitting(_rows(work, "validation"), most, seed)
    if kept is None:
        yield from _rows(work, "validation")
        return
    tally = Tally("fit", "validation")
    for row, stays in zip(_rows(work, "validation"), kept, strict=True):
        tally.rows_in += 1
        if stays:
            tally.kept += 1
            yield row
        else:
            tally.dropped["service_limit"] += 1
            origin = row.origin
            work.drop_log.drop(Dropped(row.id, "validation", "fit", "service_limit", origin))
    work.drop_log.tally(tally)
    gone = tally.dropped["service_limit"]
    work.notes.append(
        f"validation: {plural(gone, 'row')} left out, the service takes {most:,} with these "
        "training rows"
    )


def _selected(work: _Render, select: Select, seed: int, encode: Encode) -> Iterator[Row]:
    """The chosen training rows; the others go into the drop_log."""
    choice = choose(work.prepared / "train.jsonl", select, seed, encode)
    tally = Tally("select", "train")
    for at, row in enumerate(_rows(work, "train")):
        tally.rows_in += 1
        if choice is None or choice.chosen[at]:
            tally.kept += 1
            yield row
        else:
            dropped = _not_chosen(row, choice, at)
            tally.dropped[dropped.reason] += 1
            work.drop_log.drop(dropped)
    work.drop_log.tally(tally)
    if choice:
        work.notes += choice.notes
    if choice and choice.clusters:
        found = drawn(_rows(work, "train"), choice, seed)
        (work.out / MAP).write_bytes(record_json(found))


def to_be_reworded(
    prepared: Path, select: Select, augment: Augment, seed: int, encode: Encode
) -> list[tuple[str, str]]:
    """See `runner.prepare.reword_prompts`."""
    from runner.prepare.augment import to_reword
    from runner.prepare.augment.reword import prompts

    assert augment.paraphrase
    choice = choose(prepared / "train.jsonl", select, seed, encode)
    with (prepared / "train.jsonl").open("rb") as lines:
        rows = [
            Row.from_json(orjson.loads(line))
            for at, line in enumerate(lines)
            if choice is None or choice.chosen[at]
        ]
    return prompts(augment.paraphrase.prompt, to_reword(rows, augment, seed))


def _not_chosen(row: Row, choice: Selection, at: int) -> Dropped:
    why = choice.reason(at)
    matched = choice.matched.get(why.matched)
    return Dropped(
        row.id,
        "train",
        "select",
        why.reason,
        row.origin,
        matched=matched.id if matched else "",
        matched_origin=matched.origin if matched else None,
        method=why.method,
        score=why.score,
        span=input_excerpt(row) if why.method else "",
    )


def _render_split(work: _Render, split: str, rows: Iterator[Row], total: int) -> _Split:
    result = _Split(Tally("template", split), TokenTally(work.count_tokens))
    with ExitStack() as stack:
        files = [stack.enter_context((work.out / f"{split}.jsonl").open("wb"))]
        if split in TUNED_ON:
            files.append(stack.enter_context((work.out / "gemini" / f"{split}.jsonl").open("wb")))
        while batch := list(islice(rows, BATCH)):
            _render_batch(work, split, batch, result, files)
            work.progress(min(result.tally.rows_in, total), total, split)
    work.drop_log.tally(result.tally)
    return result


def _render_batch(
    work: _Render, split: str, rows: list[Row], result: _Split, files: Sequence[IO[bytes]]
) -> None:
    examples = [work.renderer(row) for row in rows]
    sizes = result.tokens.measure(examples)
    hits = work.lint.check(rows, examples) if work.lint and split == "train" else [None] * len(rows)
    for at, (row, example) in enumerate(zip(rows, examples, strict=True)):
        size, _, most = sizes[at]
        result.tally.rows_in += 1
        result.too_long += size > work.context_tokens
        result.maybe_too_long += size <= work.context_tokens < most and not result.tokens.exact
        reason = _reason(example)
        if not reason and size > work.context_tokens and split in TUNED_ON:
            reason = "too_long"
        if not reason and hits[at] and work.drop_few_shot:
            reason = "few_shot"
        if reason:
            result.tally.dropped[reason] += 1
            long = reason == "too_long"
            work.drop_log.drop(
                Dropped(
                    row.id,
                    split,
                    "template",
                    reason,
                    row.origin,
                    method="tokens" if long else "",
                    score=float(size) if long else None,
                    span=input_excerpt(row),
                )
            )
            continue
        result.tally.kept += 1
        result.tokens.keep(at)
        files[0].write(example_line(example))
        if len(files) > 1:
            files[1].write(gemini_line(example))
        if split == "train" and len(work.first) < SHOWN:
            work.first.append(example)


def _reason(example: Example) -> str:
    """Why an example says nothing; empty when it does."""
    if not example.prompt or example.prompt.isspace():
        return "empty_prompt"
    return "empty_target" if not example.target or example.target.isspace() else ""


def _summary(
    work: _Render, done: dict[str, _Split], select: Select, prepared: PreparedSummary
) -> RenderedSummary:
    tuned = done["train"]
    notes = [*work.notes, *work.added.notes]
    if select.size and select.size > prepared.rows.get("train", 0):
        has = plural(prepared.rows.get("train", 0), "row")
        notes.append(f"prepare.select.size={select.size:,}, and train has only {has}")
    for split, result in done.items():
        if result.maybe_too_long:
            notes.append(
                f"{split}: {plural(result.maybe_too_long, 'row')} may exceed model.context_tokens="
                f"{work.context_tokens} by the upper token estimate"
            )
    if done["test"].too_long:
        notes.append(
            f"test: {plural(done['test'].too_long, 'row')} longer than model.context_tokens="
            f"{work.context_tokens}: what is too long stays and will count as an error"
        )
    return RenderedSummary(
        rows={split: result.tally.kept for split, result in done.items()},
        tokens={split: result.tokens.summary() for split, result in done.items()},
        too_long={split: result.too_long for split, result in done.items()},
        lint=work.lint.summary(tuned.tally.rows_in) if work.lint else (),
        rendered=tuple(work.first),
        augmented=work.added.summary(),
        notes=tuple(notes),
    )


# No more validation rows than the service takes with the training rows: a stratified draw.


def fitting(rows: Iterable[Row], most: int, seed: int) -> list[bool] | None:
    """Which rows to keep, `most` of them in the proportions of their targets; None for all.

    Where nearly every row has a target of its own, there are no proportions to keep. The same
    rows are kept whatever their order.
    """
    import numpy as np

    keys, targets = array("Q"), array("Q")
    for row in rows:
        keys.append(hash64(f"{input_text(row, ())}\0{row.id}"))
        targets.append(hash64(row.target))
    if len(keys) <= most:
        return None
    key, target = np.array(keys, np.uint64), np.array(targets, np.uint64)
    none = np.zeros_like(key)
    labels = 2 * len(np.unique(target)) <= len(target)
    ones = np.ones(len(key), np.int64)
    kept: list[bool] = draw(key, none, target if labels else none, ones, most, seed).tolist()
    return kept
