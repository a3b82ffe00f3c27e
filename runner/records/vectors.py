"""Vectors as text, so that an embedding is an answer like any other: asked once, kept, paid for."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def packed(values: Sequence[float]) -> str:
    """Numbers as base64 of little-endian 32-bit floats."""
    import numpy as np

    return base64.b64encode(np.asarray(values, "<f4").tobytes()).decode()


def unpacked(text: str) -> NDArray[np.float32]:
    """The numbers of `packed`, float32."""
    import numpy as np

    return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)
