"""The leaner forward pass: same loss, less work.

Two savings over the usual path. The LM head runs only on positions that predict a label (TRL
does this on Triton devices only). And tokens that all rows of a batch begin with, such as the
system instruction, go through the model once instead of once per row: their keys and values are
shared, with gradients, by all rows. Dropout is drawn once for them, where rows of their own would
each draw their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from transformers import DynamicCache

from runner.backends.local.rows import IGNORED

SHORTEST_PREFIX = 8
"""Below this many shared tokens a separate pass costs more than it saves."""
LONGEST_WINDOW = 1024
"""Above it, a model with a sliding window is not tried: that would take as long as it saves."""
TRIED_IDS = 50
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 3e-2, torch.float16: 1e-2}
"""Relative difference of hidden states that is rounding."""
GPU_WORK = 1e13
"""Tokens saved times parameters that are worth a second pass through a model on a GPU. On an H100
the pass takes 200 ms of launches, whatever its length, and 4e12 save 130 to 190 ms."""
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
    model: Any, ids: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor, *, least: float
) -> TokenSums:
    """Loss and accuracy sums of right-padded rows; all three tensors are (rows, tokens). What rows
    have in common at their beginning is computed once, where that saves at least `least` tokens
    (see `least_saving`)."""
    cut = shared_prefix(ids, labels)
    if cut * (len(ids) - 1) < least:
        cut = 0
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


def shared_prefix(ids: torch.Tensor, labels: torch.Tensor) -> int:
    """How many leading tokens all rows have in common, before anything is predicted; 0 where
    sharing does not pay."""
    if len(ids) == 1:
        return 0
    same = (ids == ids[:1]).all(0).long().cumprod(0).sum()
    first_label = (labels != IGNORED).long().argmax(1).min()
    cut = int(torch.minimum(same, first_label - 1))
    return cut if cut >= SHORTEST_PREFIX else 0


def least_saving(model: Any) -> float:
    """Tokens that have to be saved for sharing to pay, infinite where the model does not let rows
    share. It takes a second pass, which costs a GPU its launches, however short it is."""
    if not shares(model):
        return math.inf
    if model.device.type == "cpu":
        return 0.0
    return GPU_WORK / sum(int(weight.numel()) for weight in model.parameters())


def shares(model: Any) -> bool:
    """Whether rows can share keys and values of their beginning: not where layers keep something
    else of the tokens before, such as a recurrent state or chunks. Tried on two rows, which are
    longer than the sliding window where there is one."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    window = getattr(config, "sliding_window", None) or 0
    if not kinds <= {"full_attention", "sliding_attention"} or window > LONGEST_WINDOW:
        return False
    return _same_states(model, SHORTEST_PREFIX + window)


def _same_states(model: Any, cut: int) -> bool:
    """Whether a row's states behind `cut` tokens are the same with and without sharing."""
    training = model.training
    model.eval()
    ids = 1 + torch.arange(cut + SHORTEST_PREFIX, device=model.device).repeat(2, 1) % TRIED_IDS
    ids[1, cut:] += 1
    mask = torch.ones_like(ids)
    mask[1, -1] = 0
    try:
        with torch.no_grad():
            alone = _suffix_states(model, ids, mask, 0)[:, cut:]
            shared = _suffix_states(model, ids, mask, cut)
        seen = mask[:, cut:].bool()
        apart = (shared[seen] - alone[seen]).norm() / alone[seen].norm()
        return bool(apart < TOLERANCE[alone.dtype])
    except Exception:  # whatever a model of another make says to a cache
        return False
    finally:
        model.train(training)


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
