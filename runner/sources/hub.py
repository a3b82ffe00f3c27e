"""Hugging Face `datasets`: a dataset id, or a folder the package saved. Its only adapter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runner.base.errors import ConfigError, DataError, MissingExtraError, Problem, RowFault
from runner.config import HubSource
from runner.records import FaultLog
from runner.sources.files import InputFile, weighted
from runner.sources.rows import Columns, Record
from runner.sources.tables import rows_of_batch

BATCH = 2048


def hub_splits(source: HubSource, split: str) -> list[InputFile]:
    """The dataset's splits that make up one of ours."""
    entries = weighted(getattr(source, split))
    return [
        InputFile(
            f"{source.dataset}:{name}", "hub", name, weight=weight, number=number, entry=number
        )
        for number, (name, weight) in enumerate(entries, start=1)
    ]


def read_hub(
    source: HubSource, columns: Columns, faults: FaultLog, file: InputFile
) -> Iterator[Record]:
    """Yield (row number, values by column); class labels are given by name, not by number.

    Raises as `load_split` does, and DataError when a column is missing.
    """
    table = load_split(source, file.part)
    columns.check_header(file.path, table.column_names)
    table = table.select_columns(columns.used(table.column_names))
    labels = {
        column: feature.names
        for column, feature in table.features.items()
        if type(feature).__name__ == "ClassLabel"
    }
    number = 0
    for batch in table.with_format("arrow").iter(batch_size=BATCH):
        for row, record in rows_of_batch(batch, file.path, number, faults):
            yield row, _named(record, labels) if labels else record
        number += batch.num_rows
    if not number:
        faults.bad(RowFault(file.path, 1, "empty_file", "the split has no rows"))


def load_split(source: HubSource, name: str) -> Any:
    """One split as a `datasets.Dataset`.

    Raises:
        MissingExtraError: `datasets` is not installed.
        ConfigError: the dataset has no such split.
        DataError: it cannot be loaded (no network, no access, a broken folder).
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("datasets", "hub", "source.kind: hub") from error
    try:
        if _saved(source.dataset):
            return _split_of(datasets.load_from_disk(source.dataset), source.dataset, name)
        return datasets.load_dataset(
            source.dataset, source.config_name, split=name, revision=source.revision
        )
    except ConfigError:
        raise
    except Exception as error:  # the package raises whatever its readers and network raise
        raise DataError(
            f"the dataset {source.dataset!r}, split {name!r}, cannot be loaded: "
            f"{type(error).__name__}: {error}"
        ) from error


def _saved(dataset: str) -> bool:
    """Whether `save_to_disk` wrote the folder."""
    folder = Path(dataset)
    return any((folder / mark).is_file() for mark in ("dataset_dict.json", "state.json"))


def _split_of(loaded: Any, dataset: str, name: str) -> Any:
    splits = loaded if isinstance(loaded, dict) else {str(loaded.split or name): loaded}
    if name not in splits:
        there = ", ".join(splits)
        message = f"the dataset {dataset} has no split {name!r}; it has: {there}"
        raise ConfigError([Problem("source", message)])
    return splits[name]


def _named(record: Any, labels: dict[str, list[str]]) -> dict[str, Any]:
    """The record with class numbers replaced by names; -1 stands for no label."""
    return {
        column: _label(labels[column], value) if column in labels else value
        for column, value in record.items()
    }


def _label(names: list[str], value: Any) -> str | None:
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else None
