"""Fingerprints of past datasets: which rows of a new one were there before.

A fingerprint is a row's id and the distinct 32-bit hashes of its shingles: enough for its MinHash
values under any number of permutations and for the true Jaccard similarity (two different
shingles of two texts of 1,000 meet with a chance of 2e-4), and no text. One parquet file a
dataset, about 4 bytes a word; a new dataset is a new file in the folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b, file_digest
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from runner.base.errors import ConfigError, Problem
from runner.base.text import plural
from runner.config import Dedup, FuzzyDedup
from runner.kernels.minhash.fingerprints import (
    fingerprint_keys,
    fingerprint_matches,
    fingerprints,
)
from runner.kernels.minhash.plan import Plan, plan_of
from runner.kernels.texts import gather
from runner.prepare.drop_log import input_excerpt
from runner.prepare.kernel_settings import minhash_settings
from runner.prepare.row_status import RowStatus
from runner.prepare.row_table import RowTable, input_text
from runner.records import Row, read_jsonl, record_line
from runner.records.leaks import SeenRow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Shingles = NDArray[np.uint32]

KEY = "prepare.dedup.fuzzy.index"
GROUP = 10_000
"""Rows written and read at a time."""


@dataclass(frozen=True, slots=True)
class PastMatch:
    """A row that nearly repeats one of a past dataset."""

    row: int
    """Position among the rows given."""
    dataset: str
    """Name of the fingerprint file, without its ending."""
    id: str
    """Of the past row."""
    score: float
    """Jaccard similarity of the two sets of shingles."""


def write_fingerprints(rows: Iterable[Row], config: Dedup, path: Path) -> int:
    """Write the fingerprints of the rows' inputs to a parquet file; returns how many."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    plan, count = _plan(config), 0
    schema = pa.schema([("id", pa.string()), ("shingles", pa.large_list(pa.uint32()))])
    schema = schema.with_metadata({"sft": json.dumps(_settings(config))})
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _groups(rows):
            found = _distinct(group, config, plan)
            ids = pa.array([row.id for row in group], pa.string())
            hashes = pa.array(found, schema.types[1])
            writer.write_table(pa.table([ids, hashes], schema=schema))
            count += len(group)
    return count


def seen_before(rows: Iterable[Row], config: Dedup) -> list[PastMatch]:
    """Rows that nearly repeat a row of the index, each with the most similar one.

    Raises:
        ConfigError: there is no index, or its fingerprints are of other shingles.
    """
    plan, files = _plan(config), index_files(config)
    for path in files:
        _check(path, config)
    mine = [one for group in _groups(rows) for one in _distinct(group, config, plan)]
    keys = fingerprint_keys(mine, plan)
    found: dict[int, PastMatch] = {}
    for path in files:
        for ids, theirs in _read(path):
            for near in fingerprint_matches(mine, keys, theirs, plan):
                known = found.get(near.row)
                if known is None or near.score > known.score:
                    found[near.row] = PastMatch(near.row, path.stem, ids[near.matched], near.score)
    return [found[row] for row in sorted(found)]


def index_files(config: Dedup) -> list[Path]:
    """The fingerprint files that `index` names, in order; none without an index. Raises
    ConfigError when there are none where it points."""
    if not config.fuzzy or not config.fuzzy.index:
        return []
    place = Path(config.fuzzy.index)
    files = sorted(place.glob("*.parquet")) if place.is_dir() else [place]
    if not files or not all(path.is_file() for path in files):
        raise ConfigError(
            [
                Problem(
                    KEY,
                    f"no fingerprints at {place}; make them from a prepared folder with "
                    f"`python -m runner.prepare.seen_before PREPARED {place}/NAME.parquet`",
                )
            ]
        )
    return files


def digest_index(config: Dedup) -> str:
    """Digest of the names and contents of the fingerprint files; empty without an index."""
    whole = blake2b(digest_size=16)
    files = index_files(config)
    for path in files:
        with path.open("rb") as stream:
            whole.update(path.stem.encode() + b"\0" + file_digest(stream, "sha256").digest())
    return whole.hexdigest() if files else ""


def _plan(config: Dedup) -> Plan:
    assert config.fuzzy
    return plan_of(minhash_settings(config.fuzzy))


def _settings(config: Dedup) -> dict[str, object]:
    """What two fingerprints must have in common to be compared."""
    assert config.fuzzy
    names = {"unit", "ngram", "char_ngram"}
    return {**config.fuzzy.model_dump(include=names), "normalize": list(config.normalize)}


def _check(path: Path, config: Dedup) -> None:
    import pyarrow.parquet as pq

    try:
        raw = json.loads((pq.read_schema(path).metadata or {}).get(b"sft", b"null"))
    except (OSError, ValueError) as error:
        raise ConfigError([Problem(KEY, f"{path} is no file of fingerprints: {error}")]) from error
    wanted = _settings(config)
    other = [name for name, value in wanted.items() if (raw or {}).get(name) != value]
    if other:
        told = ", ".join(
            f"{name}: {(raw or {}).get(name)} there, {wanted[name]} here" for name in other
        )
        raise ConfigError([Problem(KEY, f"{path} has fingerprints made otherwise ({told})")])


def _distinct(rows: Iterable[Row], config: Dedup, plan: Plan) -> list[Shingles]:
    return fingerprints(gather(input_text(row, config.normalize) for row in rows), plan)


def _read(path: Path) -> Iterator[tuple[list[str], list[Shingles]]]:
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path).iter_batches(GROUP):
        hashes = batch.column(1)
        flat, ends = (
            hashes.flatten().to_numpy(),
            hashes.offsets.to_numpy() - hashes.offsets[0].as_py(),
        )
        pieces = [flat[low:high] for low, high in pairwise(ends)]
        yield batch.column(0).to_pylist(), pieces


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    stream = iter(rows)
    while group := list(islice(stream, GROUP)):
        yield group


# ``seen_before.jsonl``: training rows that nearly repeat a row of a past dataset. They stay.

NAME = "seen_before.jsonl"


@dataclass(frozen=True, slots=True)
class PastMatchCounts:
    """How many of the training rows nearly repeat a row of a past dataset."""

    rows: int
    of: int
    datasets: Mapping[str, int]


def report_seen(
    rows: RowTable, status: RowStatus, config: Dedup, out: Path
) -> PastMatchCounts | None:
    """Hold the rows that are left against the index of past datasets; how many of them it knows,
    by dataset. None without an index. Raises ConfigError when the index cannot be used."""
    import numpy as np

    files = index_files(config)
    if not files:
        return None
    places = np.flatnonzero(status.stays & ~rows.copy)
    found = seen_before(rows.rows(places), config)
    again = rows.rows(places[[one.row for one in found]])
    with (out / NAME).open("wb") as stream:
        for one, row in zip(found, again, strict=True):
            past = (one.dataset, one.id, round(one.score, 4))
            stream.write(record_line(SeenRow(row.id, row.origin, *past, input_excerpt(row))))
    names = Counter({path.stem: 0 for path in files})
    names.update(one.dataset for one in found)
    return PastMatchCounts(len(found), len(places), dict(names))


def seen_note(seen: PastMatchCounts) -> str:
    """The finding as a sentence for the data card."""
    known = ", ".join(f"{name}: {rows:,}" for name, rows in seen.datasets.items())
    return (
        f"{seen.rows:,} of {seen.of:,} training rows nearly repeat a row of a past dataset "
        f"({known}); they stay, and stand in {NAME}"
    )


# Keep the fingerprints of a prepared dataset, for `prepare.dedup.fuzzy.index` of later ones.
#
#     python -m runner.prepare.seen_before PREPARED INDEX/NAME.parquet
#
# PREPARED is the folder of a prepared artifact (``train.jsonl`` in it). The settings must be
# those of the experiments that will look: name them when they are not the defaults.


def main() -> None:
    """Parse the command line and write the file."""
    default = Dedup(fuzzy=FuzzyDedup())
    assert default.fuzzy
    parser = argparse.ArgumentParser(
        prog="python -m runner.prepare.seen_before", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("prepared", type=Path, help="folder of a prepared artifact")
    parser.add_argument("index", type=Path, help="file to write, ending in .parquet")
    parser.add_argument("--unit", choices=("word", "char", "auto"), default=default.fuzzy.unit)
    parser.add_argument("--ngram", type=int, default=default.fuzzy.ngram)
    parser.add_argument("--char-ngram", type=int, default=default.fuzzy.char_ngram)
    parser.add_argument("--normalize", nargs="*", default=default.normalize)
    given = parser.parse_args()
    train = given.prepared / "train.jsonl"
    if not train.is_file():
        parser.error(f"there is no {train}; a prepared folder holds one")
    if given.index.suffix != ".parquet":
        parser.error(f"{given.index} must end in .parquet, or the index does not see it")
    fuzzy = {"unit": given.unit, "ngram": given.ngram, "char_ngram": given.char_ngram}
    config = Dedup.model_validate({"normalize": given.normalize, "fuzzy": fuzzy})
    given.index.parent.mkdir(parents=True, exist_ok=True)
    count = write_fingerprints(map(Row.from_json, read_jsonl(train)), config, given.index)
    sys.stdout.write(f"{plural(count, 'fingerprint')} in {given.index}\n")


if __name__ == "__main__":
    main()
