"""The same kernels on Daft: in this process, or on the workers of a Ray cluster.

    texts -> band keys -> buckets -> candidate pairs -> verified pairs -> (here) components

Signing, bucketing and verifying are Daft's to spread; what comes back are the verified pairs, a
few per cluster, and the components are found here. The proposals are those of
`runner.kernels.minhash.clusters.connect`, so the components are equal to the last row.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.kernels.errors import KernelError, MissingPackageError
from runner.kernels.minhash.clusters import NEIGHBOURS, VerifiedPairs
from runner.kernels.minhash.engine import Engine
from runner.kernels.minhash.plan import MinHashSettings, Plan, plan_of
from runner.kernels.texts import Texts, from_arrow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]

ROWS_A_FILE = 50_000
BATCH = 8192
"""Rows, or pairs, that a kernel is given at a time."""


def daft_links(
    texts: Texts, settings: MinHashSettings, folder: Path | None = None
) -> VerifiedPairs:
    """Verified pairs of near-duplicates and their components, found by Daft.

    `folder` takes the texts as Parquet files while it works; workers of a cluster have to see
    it. Raises MissingPackageError without Daft (or Ray), KernelError when they fail.
    """
    import numpy as np

    plan = plan_of(settings)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        files = write_parquet(texts, Path(place))
        left, right, score = verified(files, plan, settings)
    engine = Engine(plan)
    parent = np.arange(len(texts))
    engine.unite(parent, left, right)
    return VerifiedPairs(left, right, score, engine.roots(parent, np.arange(len(texts))))


def write_parquet(texts: Texts, folder: Path) -> list[str]:
    """The texts with their row numbers, in files of `ROWS_A_FILE` rows; no copy of all at once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = []
    for low in range(0, len(texts), ROWS_A_FILE):
        rows = range(low, min(low + ROWS_A_FILE, len(texts)))
        column = pa.array([texts[row] for row in rows], pa.large_binary())
        path = folder / f"{low:012}.parquet"
        pq.write_table(pa.table({"row": pa.array(rows, pa.int64()), "text": column}), path)
        files.append(str(path))
    return files


def verified(
    files: list[str], plan: Plan, settings: MinHashSettings
) -> tuple[Rows, Rows, NDArray[np.float64]]:
    """Left rows, right rows and similarities of all proposed pairs at or above the threshold, in
    the order of the rows."""
    import numpy as np

    daft = _daft(settings)
    try:
        found = _program(daft, files, plan).to_arrow()
    except Exception as error:  # whatever goes wrong in a worker arrives as one of many classes
        raise KernelError(f"Daft ({settings.engine}) could not finish: {error}") from error
    left, right, score = (found.column(name).to_numpy() for name in ("left", "right", "score"))
    order = np.lexsort((right, left))
    return left[order], right[order], score[order]


def _daft(settings: MinHashSettings) -> Any:
    """Daft with the runner that the settings ask for."""
    try:
        import daft
    except ImportError as error:
        raise MissingPackageError("daft") from error
    wanted = "ray" if settings.engine == "ray" else "native"
    try:
        if wanted == "ray":
            _ray(settings.ray_address)
            daft.set_runner_ray(noop_if_initialized=True)
        else:
            daft.set_runner_native()
    except ImportError as error:
        raise MissingPackageError("ray") from error
    except daft.exceptions.DaftCoreException as error:
        # A process keeps the first runner it was given, so asking for it again is refused.
        if daft.get_or_infer_runner_type() != wanted:
            raise KernelError(
                f"Daft works with another runner than {wanted} in this process: {error}"
            ) from error
    return daft


def _ray(address: str | None) -> None:
    """Connect to Ray, which Daft then uses. Raises KernelError when nothing answers there."""
    import logging

    import ray

    if ray.is_initialized():
        return
    try:
        # Only errors are for people; what fails in a worker comes back as an exception.
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, RuntimeError, ValueError) as error:
        what = f"be reached at {address}" if address else "be started"
        raise KernelError(f"Ray cannot {what}: {error}") from error


def _program(daft: Any, files: list[str], plan: Plan) -> Any:
    """The dataframe program; nothing runs before its result is asked for."""
    col, types = daft.col, daft.DataType

    kernel = partial(daft.func.batch, batch_size=BATCH)
    band_keys = kernel(return_dtype=types.list(types.uint64()))(partial(_band_keys, plan=plan))
    proposals = kernel(return_dtype=types.list(types.list(types.int64())))(_proposals)
    jaccard = kernel(return_dtype=types.float64())(partial(_jaccard, plan=plan))

    texts = daft.read_parquet(files)
    buckets = (
        texts.select("row", band_keys(col("text")).alias("key"))
        .explode("key")
        .groupby("key")
        .agg(col("row").list_agg().alias("rows"))
        .where(col("rows").length() > 1)
    )
    pairs = (
        buckets.select(proposals(col("rows")).alias("pair"))
        .explode("pair")
        .select(col("pair").get(0).alias("left"), col("pair").get(1).alias("right"))
        .distinct()
    )
    with_left = pairs.join(texts.select(col("row").alias("left"), col("text").alias("one")), "left")
    with_both = with_left.join(
        texts.select(col("row").alias("right"), col("text").alias("other")), "right"
    )
    scored = with_both.select("left", "right", jaccard(col("one"), col("other")).alias("score"))
    return scored.where(col("score") >= plan.threshold)


def _band_keys(column: Any, plan: Plan) -> Any:
    """Band keys as lists, made different from band to band so that buckets of two never mix."""
    import numpy as np
    import pyarrow as pa

    texts = _texts(column)
    keys = Engine(plan, threads=1).band_keys(texts)
    band = np.arange(1, plan.bands + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    flat = (keys ^ band[:, None]).T.ravel()
    offsets = pa.array(np.arange(0, len(flat) + 1, plan.bands), pa.int64())
    return pa.LargeListArray.from_arrays(offsets, pa.array(flat, pa.uint64()))


def _proposals(buckets: Any) -> list[list[list[int]]]:
    """Pairs of rows that stand near each other in a bucket, as `clusters` proposes them."""
    return [_pairs(sorted(rows)) for rows in buckets.to_pylist()]


def _pairs(rows: list[int]) -> list[list[int]]:
    near = ((at, rows[at + 1 : at + 1 + NEIGHBOURS]) for at in range(len(rows)))
    return [[rows[at], other] for at, others in near for other in others]


def _jaccard(one: Any, other: Any, plan: Plan) -> Any:
    import numpy as np
    import pyarrow as pa

    left, right = _texts(one), _texts(other)
    rows = np.arange(len(left))
    engine = Engine(plan, threads=1)
    return pa.array(engine.jaccard(left, rows, right, rows), pa.float64())


def _texts(column: Any) -> Texts:
    """A column of UTF-8 bytes (half surrogates and all) as texts."""
    import pyarrow as pa

    found = column.to_arrow()
    whole = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    large = whole.cast(pa.large_binary())
    return from_arrow(
        pa.LargeStringArray.from_buffers(len(large), *large.buffers()[1:3], offset=large.offset)
    )
