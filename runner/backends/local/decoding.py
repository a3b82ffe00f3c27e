"""Batched decoding with a shared prefix: our own loop, equal to `generate` token by token.

What it does beyond transformers' `generate`: tokens that all prompts begin with are computed and
held once per call, rows that have finished leave their batch, stop strings end one row and not
the batch, and sampling is seeded per request, so that an answer does not depend on its
neighbours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as functional
from transformers import AttentionInterface, DynamicCache
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from runner.backends.local.chat import Chat
from runner.records import Generation

SHORTEST_PREFIX = 16
COMPACT_BELOW = 0.75
"""Finished rows leave once fewer than this share of the batch is still going."""


@dataclass(frozen=True, slots=True)
class DecodedAnswer:
    """`index` is the prompt's position; `tokens` counts the end of turn, too."""

    index: int
    text: str
    tokens: int
    finish: Literal["stop", "length"]


class Decoder:
    """Decodes with a model in eval mode under `torch.inference_mode`."""

    def __init__(self, model: Any, chat: Chat, generation: Generation) -> None:
        self.model = model
        self.chat = chat
        self.generation = generation
        self.shares = supports(model)

    def run(
        self, prompts: Sequence[list[int]], batch: int, names: Sequence[str]
    ) -> Iterator[DecodedAnswer]:
        """Answers, batch by batch from the shortest prompts up. `names` seed the sampling."""
        cut = self._shared_prefix(prompts) if self.shares and len(prompts) > 1 else 0
        prefix = read_prefix(self.model, prompts[0][:cut]) if cut else []
        order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            rows = [_Row(index, names[index], self.generation, self.chat) for index in chosen]
            yield from self._batch(rows, [prompts[index][cut:] for index in chosen], prefix)

    def _shared_prefix(self, prompts: Sequence[list[int]]) -> int:
        """Leading tokens all prompts have in common; each prompt keeps at least one more."""
        low, high = min(prompts), max(prompts)  # all others lie between these two
        limits = [*map(len, prompts), (longest_prefix(self.model) or len(low)) + 1]
        cut = 0
        while cut < min(limits) - 1 and low[cut] == high[cut]:
            cut += 1
        return cut if cut >= SHORTEST_PREFIX else 0

    def _batch(
        self, rows: list[_Row], suffixes: Sequence[list[int]], prefix: Layers
    ) -> Iterator[DecodedAnswer]:
        device = self.model.device
        longest = max(map(len, suffixes))
        gaps = torch.tensor([longest - len(suffix) for suffix in suffixes], device=device)
        pass_on = (
            _Shared(prefix, gaps, longest + self.generation.max_tokens)
            if self.shares
            else _Plain(self.model.config, gaps)
        )
        padded = [[0] * (longest - len(suffix)) + suffix for suffix in suffixes]
        ids = torch.tensor(padded, device=device)
        while True:
            logits = self.model(
                input_ids=ids, use_cache=True, logits_to_keep=1, **pass_on.arguments(ids.shape[1])
            ).logits[:, -1]
            pass_on.advance(ids.shape[1])
            best = logits.argmax(-1).tolist() if self.generation.temperature == 0 else None
            for number, row in enumerate(rows):
                if row.finish is None:
                    token = best[number] if best else row.draw(logits[number])
                    if finish := row.take(token):
                        yield DecodedAnswer(row.index, row.text(), len(row.ids), finish)
            going = [number for number, row in enumerate(rows) if row.finish is None]
            if not going:
                return
            if len(going) < COMPACT_BELOW * len(rows):
                pass_on.keep(torch.tensor(going, device=device))
                rows = [rows[number] for number in going]
            ids = torch.tensor([[row.ids[-1]] for row in rows], device=device)


class _Row:
    """One answer in the making."""

    def __init__(self, index: int, name: str, generation: Generation, chat: Chat) -> None:
        self.index = index
        self.generation = generation
        self.chat = chat
        self.ids: list[int] = []
        self.finish: Literal["stop", "length"] | None = None
        seed = hashlib.sha256(f"{generation.seed}/{name}".encode()).digest()[:8]
        self._random = torch.Generator().manual_seed(int.from_bytes(seed, "big") >> 1)

    def draw(self, logits: torch.Tensor) -> int:
        """A token by its probability, from this row's own random numbers."""
        scaled = logits.float().cpu() / self.generation.temperature
        drawn = torch.multinomial(scaled.softmax(-1), 1, generator=self._random)
        return int(drawn)

    def take(self, token: int) -> Literal["stop", "length"] | None:
        """Append a token; say whether and how the answer ends with it."""
        self.ids.append(token)
        if token in self.chat.end_ids or self._stops():
            self.finish = "stop"
        elif len(self.ids) >= self.generation.max_tokens:
            self.finish = "length"
        return self.finish

    def text(self) -> str:
        """The answer, cut before the first stop string."""
        text = self.chat.decode(self.ids)
        found = [text.find(stop) for stop in self.generation.stop if stop in text]
        return text[: min(found)] if found else text

    def _stops(self) -> bool:
        if not self.generation.stop:
            return False
        text = self.chat.decode(self.ids)
        return any(stop in text for stop in self.generation.stop)


class _Held(Protocol):
    """What a batch passes on from step to step."""

    def arguments(self, tokens: int) -> dict[str, Any]:
        """For the model's next pass over `tokens` tokens a row."""

    def advance(self, tokens: int) -> None: ...

    def keep(self, rows: torch.Tensor) -> None: ...


class _Shared:
    """Our memory: prefix held once, attention of our own."""

    def __init__(self, prefix: Layers, gaps: torch.Tensor, capacity: int) -> None:
        self.memory = PaddedCache(prefix, gaps, capacity)

    def arguments(self, tokens: int) -> dict[str, Any]:
        memory = self.memory
        end = memory.length + tokens
        own = torch.arange(memory.length, end, device=memory.gaps.device) - memory.gaps[:, None]
        positions = memory.shared + own.clamp(min=0)
        return {"position_ids": positions, "past_key_values": memory, "memory": memory}

    def advance(self, tokens: int) -> None:
        self.memory.advance(tokens)

    def keep(self, rows: torch.Tensor) -> None:
        self.memory.keep(rows)


class _Plain:
    """transformers' own cache and mask, for models with other kinds of layers."""

    def __init__(self, config: Any, gaps: torch.Tensor) -> None:
        self.cache = DynamicCache(config=config)
        self.gaps = gaps
        self.length = 0

    def arguments(self, tokens: int) -> dict[str, Any]:
        at = torch.arange(self.length + tokens, device=self.gaps.device)
        mask = (at >= self.gaps[:, None]).long()
        positions = (at[self.length :] - self.gaps[:, None]).clamp(min=0)
        cache = self.cache
        return {"attention_mask": mask, "position_ids": positions, "past_key_values": cache}

    def advance(self, tokens: int) -> None:
        self.length += tokens

    def keep(self, rows: torch.Tensor) -> None:
        self.cache.batch_select_indices(rows)
        self.gaps = self.gaps[rows]


# What a batch of rows remembers while it is decoded: keys and values, and attention over them.
#
# The tokens that all prompts begin with are held once, for all rows together; each row's own
# tokens lie in buffers that are filled in place. transformers' caches copy everything they hold
# at every token, which takes most of the time of decoding a few worked examples with a small
# model.
#
# Shapes: rows B, key heads K, queries per key head G, prefix length P, own length S, head width
# D.

NAME = "shared_prefix"

Layers = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys (1, K, P, D) and values of every layer."""


def supports(model: Any) -> bool:
    """Whether attention can be replaced: plain or sliding-window attention in every layer."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    plain = kinds <= {"full_attention", "sliding_attention"}
    capped = getattr(config, "attn_logit_softcapping", None)
    return plain and not capped and bool(getattr(model, "_supports_attention_backend", False))


def install(model: Any) -> None:
    """Have the model attend through `attend`."""
    AttentionInterface.register(NAME, attend)
    model.set_attn_implementation(NAME)


def longest_prefix(model: Any) -> int | None:
    """Most tokens that can be shared: a sliding window must not end inside the prefix."""
    config = model.config.get_text_config()
    kinds = getattr(config, "layer_types", None) or []
    return config.sliding_window if "sliding_attention" in kinds else None


def read_prefix(model: Any, ids: Sequence[int]) -> Layers:
    """Keys and values of `ids`, computed once."""
    if not ids:
        return []
    cache = DynamicCache()
    row = torch.tensor([list(ids)], device=model.device)
    model(input_ids=row, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return [(layer.keys, layer.values) for layer in cache.layers]


class PaddedCache:
    """Stands in for a transformers cache. `gaps` says how many tokens each row is padded by on
    its left, `capacity` how many own tokens a row will have at most."""

    def __init__(self, prefix: Layers, gaps: torch.Tensor, capacity: int) -> None:
        self.prefix = prefix
        self.shared = prefix[0][0].shape[2] if prefix else 0
        self.gaps = gaps
        self.capacity = capacity
        self.length = 0
        self._layers: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._hidden: dict[tuple[int, int | None], torch.Tensor] = {}

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.shared + self.length

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store new keys and values (B, K, new, D); return all own ones so far."""
        if layer_idx not in self._layers:
            self._layers[layer_idx] = (self._buffer(keys), self._buffer(values))
        end = self.length + keys.shape[2]
        held = self._layers[layer_idx]
        for buffer, new in zip(held, (keys, values), strict=True):
            buffer[:, :, self.length : end] = new
        return held[0][:, :, :end], held[1][:, :, :end]

    def advance(self, tokens: int) -> None:
        """Every layer has stored its `tokens` new tokens."""
        self.length += tokens
        self._hidden.clear()

    def keep(self, rows: torch.Tensor) -> None:
        """Forget all rows but these."""
        self.gaps = self.gaps[rows]
        self._layers = {
            number: (self._compacted(keys, rows), self._compacted(values, rows))
            for number, (keys, values) in self._layers.items()
        }

    def hidden(self, queries: int, window: int | None) -> torch.Tensor:
        """What the newest `queries` tokens must not see, (B, queries, P + S) bools.

        A row sees the prefix, then its own tokens behind the padding; a padding token sees
        itself, because attention to nothing at all is not a number.
        """
        key = (queries, window)
        if key not in self._hidden:
            self._hidden[key] = self._make_hidden(queries, window)
        return self._hidden[key]

    def _make_hidden(self, queries: int, window: int | None) -> torch.Tensor:
        device, end = self.gaps.device, self.length + queries
        at = torch.arange(self.length, end, device=device)[None, :, None]
        own = torch.arange(end, device=device)[None, None, :]
        gaps = self.gaps[:, None, None]
        hidden = (own > at) | ((own < gaps) & (own != at))
        before = hidden.new_zeros(len(self.gaps), queries, self.shared)
        if window is not None:
            hidden |= at - own >= window
            ahead = at - gaps + self.shared - torch.arange(self.shared, device=device)
            before = ahead >= window
        return torch.cat([before, hidden], dim=-1)

    def _buffer(self, like: torch.Tensor) -> torch.Tensor:
        rows, heads, _, width = like.shape
        return like.new_empty(rows, heads, self.capacity, width)

    def _compacted(self, buffer: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        kept = buffer.new_empty(len(rows), *buffer.shape[1:])
        kept[:, :, : self.length] = buffer[rows, :, : self.length]
        return kept


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    memory: PaddedCache | None = None,
    sliding_window: int | None = None,
    **rest: Any,
) -> tuple[torch.Tensor, None]:
    """Attention for transformers: query (B, K * G, new, D) to (B, new, K * G, D)."""
    if memory is None:
        found: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **rest
        )
        return found
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    hidden = memory.hidden(query.shape[2], sliding_window)
    prefix = memory.prefix[module.layer_idx] if memory.shared else None
    if query.shape[2] == 1:
        return _decode(query[:, :, 0] * scale, key, value, hidden, prefix).unsqueeze(1), None
    if prefix:
        rows = (len(query), -1, -1, -1)
        key = torch.cat([prefix[0].expand(rows), key], dim=2)
        value = torch.cat([prefix[1].expand(rows), value], dim=2)
    out = functional.scaled_dot_product_attention(
        query, key, value, attn_mask=~hidden[:, None], scale=scale, enable_gqa=True
    )
    return out.transpose(1, 2), None


def _decode(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    hidden: torch.Tensor,
    prefix: tuple[torch.Tensor, torch.Tensor] | None,
) -> torch.Tensor:
    """One new token a row; query (B, K * G, D), scaled. No key or value is copied, and the
    prefix takes one product for all rows."""
    rows, heads = len(query), key.shape[1]
    grouped = query.view(rows, heads, -1, query.shape[-1])
    scores = grouped @ key.transpose(2, 3)
    if prefix:
        scores = torch.cat([_with_all(grouped, prefix[0][0].transpose(1, 2)), scores], dim=-1)
    weights = scores.masked_fill_(hidden[:, None], -torch.inf).softmax(-1)
    own = key.shape[2]
    out = weights[..., -own:] @ value
    if prefix:
        out = out + _with_all(weights[..., :-own], prefix[1][0])
    return out.reshape(rows, query.shape[1], -1)


def _with_all(per_row: torch.Tensor, shared: torch.Tensor) -> torch.Tensor:
    """(B, K, G, x) times (K, x, y), as one product a head."""
    rows, heads, group, _ = per_row.shape
    together = per_row.transpose(0, 1).reshape(heads, rows * group, -1)
    return (together @ shared).view(heads, rows, group, -1).transpose(0, 1)
