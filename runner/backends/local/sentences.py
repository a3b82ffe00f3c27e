"""Texts as vectors of a sentence model: what encoders of the kind ``sentence`` compute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.backends.local.weights import hub_facts, hub_folder
from runner.base.errors import MissingExtraError
from runner.config import FolderModel, SentenceEncoder
from runner.records import Progress, quiet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TOKENS_A_BATCH = 16_384


def sentence_vectors(
    texts: Sequence[str], encoder: SentenceEncoder, progress: Progress = quiet
) -> NDArray[np.float32]:
    """One vector a text: the mean of the last layer over its tokens (Reimers and Gurevych 2019,
    section 3), of shape (texts, width of the model).

    Raises:
        BackendError: the folder is not whole, or the hub did not give it.
        MissingExtraError: without the extra ``local``.
    """
    try:
        import torch
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging
    except ModuleNotFoundError as error:
        raise MissingExtraError("transformers", "local", "A sentence encoder") from error
    import numpy as np

    folder = hub_folder(_model(encoder), progress, "encoder.model")
    logging.disable_progress_bar()  # ours is enough
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModel.from_pretrained(folder, torch_dtype=torch.float32).eval()
    ids = [
        tokenizer(text, truncation=True, max_length=encoder.max_tokens)["input_ids"]
        for text in texts
    ]
    done = 0
    out = np.zeros((len(texts), network.config.hidden_size), np.float32)
    with torch.inference_mode():
        for rows in _batches([len(one) for one in ids]):
            width = max(1, *(len(ids[row]) for row in rows))
            held = torch.zeros((len(rows), width), dtype=torch.long)
            mask = torch.zeros((len(rows), width), dtype=torch.long)
            for at, row in enumerate(rows):
                held[at, : len(ids[row])] = torch.tensor(ids[row], dtype=torch.long)
                mask[at, : len(ids[row])] = 1
            last = network(input_ids=held, attention_mask=mask).last_hidden_state
            out[rows] = _mean(last, mask).numpy()
            done += len(rows)
            progress(done, len(texts), "sentences encoded")
    return out


def sentence_facts(encoder: SentenceEncoder, cache: Path) -> dict[str, object]:
    """What identifies the model: the files' content for a folder; id and revision else."""
    return hub_facts(_model(encoder), cache)


def _model(encoder: SentenceEncoder) -> FolderModel:
    return FolderModel(
        kind="huggingface", name="encoder", path=encoder.model, revision=encoder.revision
    )


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Texts of like length together, so that little is computed for padding."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        if batch and (len(batch) + 1) * lengths[row] > TOKENS_A_BATCH:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _mean(last: Any, mask: Any) -> Any:
    weight = mask.unsqueeze(-1).to(last.dtype)
    return (last * weight).sum(1) / weight.sum(1).clamp(min=1)
