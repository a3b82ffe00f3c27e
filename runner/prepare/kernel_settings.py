"""What `conf/prepare` says, as the kernels' own settings, and their errors as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from runner.base.errors import BackendError, MissingExtraError
from runner.config import FuzzyDedup
from runner.kernels.errors import KernelError, MissingPackageError
from runner.kernels.minhash import MinHashSettings

EXTRAS = {
    "daft": ("scale", "prepare.dedup.fuzzy.engine"),
    "ray": ("scale", "prepare.dedup.fuzzy.engine=ray"),
    "pydivsufsort": ("data", "prepare.dedup.substring.backend=suffix_array"),
}
"""By package, the extra that has it and the setting that needs it."""


def minhash_settings(config: FuzzyDedup) -> MinHashSettings:
    """The part of the group that the kernels know; which row stays is decided here."""
    return MinHashSettings(
        threshold=config.threshold,
        unit=config.unit,
        ngram=config.ngram,
        char_ngram=config.char_ngram,
        permutations=config.permutations,
        recall=config.recall,
        bands=config.bands,
        engine=config.engine,
        ray_address=config.ray_address,
    )


@contextmanager
def kernel_errors() -> Iterator[None]:
    """Raises BackendError for an engine that failed, MissingExtraError for one that is not here."""
    try:
        yield
    except MissingPackageError as error:
        raise MissingExtraError(error.package, *EXTRAS[error.package]) from error
    except KernelError as error:
        raise BackendError(str(error)) from error
