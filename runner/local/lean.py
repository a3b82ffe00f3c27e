"""The leaner forward pass for the CPU: same loss, less work.

Two savings over the usual path. The LM head runs only on positions that predict a label (TRL
does this on Triton devices only). And tokens that all rows of a batch begin with, such as the
system instruction, go through the model once instead of once per row: their keys and values are
shared, with gradients, by all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from transformers import DynamicCache

from runner.local.rows import IGNORED

SHORTEST_PREFIX = 8
"""Below this many shared tokens a separate pass costs more than it saves."""
_SCALED_HEADS = (
    "final_logit_softcapping",
    "logit_scale",
    "output_multiplier",
    "lm_head_multiplier",
    "logits_scaling",
    "output_router_logits",
)


@dataclass(frozen=True, slots=True)
class TokenSums:
    """Sums over the label tokens of a batch: cross entropy in nats (with gradient), how many
    had the top logit, how many there are. All scalar tensors."""

    loss: torch.Tensor
    correct: torch.Tensor
    count: torch.Tensor


def supported(model: Any) -> bool:
    """Whether the head is a plain projection, so that `token_sums` computes the model's loss."""
    config = model.config.get_text_config()
    return not any(getattr(config, name, None) for name in _SCALED_HEADS)


def token_sums(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor
) -> TokenSums:
    """Loss and accuracy sums of right-padded rows; all three tensors are (rows, tokens)."""
    cut = shared_prefix(model, ids, labels)
    hidden = _suffix_states(model, ids, mask, cut)
    wanted = labels[:, cut + 1 :]
    chosen = wanted != IGNORED
    logits = model.get_output_embeddings()(hidden[:, :-1][chosen]).float()
    target = wanted[chosen]
    return TokenSums(
        loss=functional.cross_entropy(logits, target, reduction="sum"),
        correct=(logits.detach().argmax(-1) == target).sum(),
        count=chosen.sum(),
    )


def shared_prefix(model: Any, ids: torch.Tensor, labels: torch.Tensor) -> int:
    """How many leading tokens all rows have in common, before anything is predicted; 0 where
    sharing does not pay, or where the model looks at a sliding window only."""
    if len(ids) == 1 or any(kind != "full_attention" for kind in _layer_types(model)):
        return 0
    same = (ids == ids[:1]).all(0).long().cumprod(0).sum()
    first_label = (labels != IGNORED).long().argmax(1).min()
    cut = int(torch.minimum(same, first_label - 1))
    return cut if cut >= SHORTEST_PREFIX else 0


def _layer_types(model: Any) -> list[str]:
    return getattr(model.config.get_text_config(), "layer_types", None) or []


def _suffix_states(model: Any, ids: torch.Tensor, mask: torch.Tensor, cut: int) -> torch.Tensor:
    """Last hidden states from token `cut` on, (rows, tokens - cut, width)."""
    backbone = getattr(model, model.base_model_prefix)
    cache = _shared_cache(backbone, ids, cut) if cut else None
    return backbone(
        input_ids=ids[:, cut:], attention_mask=mask, past_key_values=cache, use_cache=bool(cut)
    ).last_hidden_state


def _shared_cache(backbone: Any, ids: torch.Tensor, cut: int) -> DynamicCache:
    """Keys and values of the first row's prefix, seen by every row."""
    cache = DynamicCache()
    backbone(input_ids=ids[:1, :cut], past_key_values=cache, use_cache=True)
    for layer in cache.layers:
        layer.keys = layer.keys.expand(len(ids), -1, -1, -1)
        layer.values = layer.values.expand(len(ids), -1, -1, -1)
    return cache
