"""The tokens of many texts, counted: where each text's tokens begin in the count of all."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from runner.kernels.texts import Texts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class CountedTokens:
    """Texts whose tokens have been counted."""

    texts: Texts
    first: NDArray[np.int64]
    """Number of each text's first token, through all texts; the last entry is their total."""

    def windows(self, size: int) -> NDArray[np.int64]:
        """The same for runs of `size` tokens."""
        import numpy as np

        counts = np.maximum(np.diff(self.first) - size + 1, 0)
        return np.concatenate(([0], np.cumsum(counts)))


def counted(texts: Texts) -> CountedTokens:
    """Count the tokens of every text."""
    import numpy as np

    counts = np.zeros(len(texts), np.int64)
    text_kernels().count_tokens(texts.data, texts.start, counts)
    return CountedTokens(texts, np.concatenate(([0], np.cumsum(counts))))


def text_kernels() -> ModuleType:
    """The compiled kernels, loaded when first needed: numba takes half a second."""
    from runner.kernels.substring import kernels

    return kernels
