"""The rows of one split: its files one after the other, weighted, merged, limited."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from runner.base.errors import RowFault
from runner.config import (
    BigQuerySource,
    ChatSource,
    ColumnSource,
    FileSource,
    GeminiSource,
    HubSource,
    Source,
    TracesSource,
)
from runner.records import FaultLog, Origin, Row
from runner.sources.chat import chat_turns
from runner.sources.conversations import BadTurns, Conversation, check_order, gemini_turns
from runner.sources.files import InputFile, locate
from runner.sources.jsonl import read_jsonl
from runner.sources.mix import Keyed, Part, mixed
from runner.sources.rows import Columns, Record, RowMaker, as_text, made_up_id
from runner.sources.tables import read_delimited, read_parquet


def rows_of(source: Source, split: str, seed: int, faults: FaultLog) -> Iterator[Row]:
    """Stream the good rows of a split that the source gives. Files are looked for at once."""
    if isinstance(source, FileSource | HubSource | BigQuerySource):
        keyed = _column_rows(source, split, seed, faults)
    elif isinstance(source, TracesSource):
        keyed = _trace_rows(source, split, seed, faults)
    else:
        keyed = _turn_rows(source, split, seed, faults)
    return _counted(keyed, source, split, faults)


def _counted(keyed: Iterator[Keyed], source: Source, split: str, faults: FaultLog) -> Iterator[Row]:
    by = getattr(source, "references_by", None)
    rows = _merged(keyed, faults) if by and split != "train" else (row for row, _ in keyed)
    for row in islice(rows, source.limit):
        faults.good()
        yield row


def _column_rows(
    source: FileSource | HubSource | BigQuerySource, split: str, seed: int, faults: FaultLog
) -> Iterator[Keyed]:
    columns = Columns(source)
    if isinstance(source, HubSource):
        from runner.sources.hub import hub_splits, read_hub

        files = hub_splits(source, split)
        read = partial(read_hub, source, columns, faults)
    elif isinstance(source, BigQuerySource):
        from runner.sources.bigquery import bigquery_splits, read_bigquery

        files = bigquery_splits(source, split)
        read = partial(read_bigquery, source, columns, faults)
    else:
        files = locate(source, [split])[split]
        read = partial(read_table, source.encoding, columns, faults)
    maker = RowMaker(columns, split, faults)

    def parts() -> Iterator[Part]:
        for file in files:
            yield file, maker.rows(file, read(file))
        # Scores are reported on test; where it is cut from train, on rows of train.
        if split == ("train" if source.test is None else "test"):
            maker.check_slices()

    return mixed(parts(), source, split, seed, faults)


def _turn_rows(
    source: GeminiSource | ChatSource, split: str, seed: int, faults: FaultLog
) -> Iterator[Keyed]:
    def keyed(file: InputFile) -> Iterator[Keyed]:
        records = read_jsonl(file, source.encoding, faults)
        return ((row, "") for row in turn_rows(source, split, file, records, faults))

    files = locate(source, [split])[split]
    return mixed(((file, keyed(file)) for file in files), source, split, seed, faults)


def _trace_rows(source: TracesSource, split: str, seed: int, faults: FaultLog) -> Iterator[Keyed]:
    from runner.sources.traces import experiments, trace_rows

    files = experiments(source, split)
    parts = ((file, trace_rows(source, split, file, faults)) for file in files)
    return mixed(parts, source, split, seed, faults)


def read_table(
    encoding: str, columns: Columns, faults: FaultLog, file: InputFile
) -> Iterator[Record]:
    if file.format == "jsonl":
        return read_jsonl(file, encoding, faults)
    if file.format == "parquet":
        return read_parquet(file, columns, faults)
    return read_delimited(file, encoding, columns, faults)


def _merged(rows: Iterator[Keyed], faults: FaultLog) -> Iterator[Row]:
    """Rows with one non-empty key become the first of them, with the other answers as
    references. Holds the split in memory."""
    first: dict[str, Row] = {}
    answers: dict[str, dict[str, None]] = {}
    for number, (row, key) in enumerate(rows):
        name = f"={key}" if key else f"#{number}"
        if name in first:
            faults.skip("merged_reference")
        first.setdefault(name, row)
        answers.setdefault(name, {})[row.target] = None
    for name, row in first.items():
        references = tuple(answer for answer in answers[name] if answer != row.target)
        yield replace(row, references=references) if references else row


# Rows that arrive as turns: Gemini's tuning format and chat messages.

MENDABLE = {"missing_column", "bad_role", "bad_turns", "bad_part", "unsupported_key"}
"""Rules whose rows can often be repaired by themselves."""


def turn_rows(
    source: GeminiSource | ChatSource,
    split: str,
    file: InputFile,
    records: Iterator[Record],
    faults: FaultLog,
) -> Iterator[Row]:
    """Yield a row per good record: system instruction, history and the last answer as target."""
    read: Callable[[Mapping[str, Any]], Conversation] = (
        gemini_turns
        if isinstance(source, GeminiSource)
        else lambda record: chat_turns(record, source.messages)
    )
    for line, record in records:
        try:
            said = read(record)
            check_order(said.turns)
        except BadTurns as error:
            rule, message, place = error.args
            if isinstance(source, GeminiSource) and rule in MENDABLE:
                message += "; `sft check EXP --fix` writes a repaired copy where it can"
            faults.bad(RowFault(file.path, line, rule, message, place))
            continue
        answer = said.turns[-1]
        yield Row(
            made_up_id(split, file.number, line),
            {},
            answer.text,
            Origin(file.path, line),
            system=said.system,
            history=said.turns[:-1],
            target_parts=answer.parts,
            rejected=said.rejected,
            extras=said.extras,
        )


# External evaluation sets that train must not hold: rows without a target.
#
# Whoever made a suite named its columns, so a row may be read in several ways, each of which
# becomes a row of the same origin: by the source's own input columns, else all its texts together
# and each by itself. Of a conversation the user's turns count: system instructions and answers
# differ.

USER = ("user", "human")


def suite_rows(source: Source, suites: Mapping[str, str], faults: FaultLog) -> Iterator[Row]:
    """The rows of all suites; ids are ``NAME/NUMBER``, the group is the suite's name. Readings of
    one row follow each other."""
    for name, path in suites.items():
        opened = suite_source(path)
        for file in locate(opened, ["test"])["test"]:
            columns = AnyColumns(opened)
            for number, (line, record) in enumerate(read_table("utf-8", columns, faults, file), 1):
                readings = [fields for fields in _readings(record, source) if fields]
                if readings:
                    faults.good()
                origin = Origin(file.path, line)
                for fields in readings:
                    yield Row(f"{name}/{number}", fields, "", origin, group=name)


def suite_source(path: str) -> FileSource:
    """A suite's file or glob as a source with one split."""
    return FileSource(kind="files", test=path)


def _readings(record: Mapping[str, Any], source: Source) -> Iterator[dict[str, str]]:
    """The inputs that a row may be meant to have, by column."""
    for key in ("contents", source.messages if isinstance(source, ChatSource) else "messages"):
        if isinstance(record.get(key), list):
            said = [text for text in map(_said, record[key]) if text]
            yield {f"{number:03}": text for number, text in enumerate(said)}
            return
    named = {name: as_text(value) for name, value in record.items() if value is not None}
    texts = {name: text for name, text in named.items() if text.strip()}
    if not isinstance(source, ColumnSource):
        yield from _each(texts)
        return
    wanted = {name: texts[name] for name in source.input or () if name in texts}
    if wanted:
        yield wanted
        return
    others = {source.target, source.id, source.group, source.references_by, *source.slices}
    yield from _each({name: text for name, text in texts.items() if name not in others} or texts)


def _each(texts: Mapping[str, str]) -> Iterator[dict[str, str]]:
    if len(texts) > 1:
        yield dict(texts)
    yield from ({name: text} for name, text in texts.items())


def _said(turn: Any) -> str:
    """What the user says in a turn, a chat message or a Gemini content; empty for others."""
    if not isinstance(turn, Mapping) or turn.get("role", "user") not in USER:
        return ""
    told = turn.get("parts") or turn.get("content") or ()
    if isinstance(told, str):
        return told
    parts = [part.get("text") for part in told if isinstance(part, Mapping)]
    return "\n".join(text for text in parts if isinstance(text, str))


# The first records of a file, before anybody knows which column is what.


class AnyColumns(Columns):
    """Every column, none of which has a role."""

    def used(self, names: Sequence[str]) -> list[str]:
        return list(names)

    def check_header(self, file: str, names: Sequence[str]) -> None:
        pass


def sample(path: Path, count: int) -> list[dict[str, Any]]:
    """Up to `count` whole records from the head of a JSONL, CSV, TSV or Parquet file.

    Faulty rows are passed over. Raises ConfigError when there is no such file or its format
    cannot be told, DataError when it cannot be read at all.
    """
    source = FileSource(kind="files", train=str(path), max_bad_share=1.0)
    columns, faults = AnyColumns(source), FaultLog("train", 1.0)
    records: Iterator[tuple[int, Any]] = (
        record
        for file in locate(source, ["train"])["train"]
        for record in read_table(source.encoding, columns, faults, file)
    )
    return [dict(record) for _, record in islice(records, count)]
