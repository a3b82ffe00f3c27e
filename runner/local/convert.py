"""GGUF to a plain Hugging Face folder: config, tokenizer, float32 safetensors.

Converted once and cached. Training never touches the GGUF itself: transformers keeps a model it
loads from one marked as quantised, which can be neither saved nor trained. Its own conversion
also takes four times as long and drops SmolLM's digit splitting.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.config import GgufModel
from runner.errors import BackendError, MissingExtraError
from runner.local.digests import check_digest
from runner.local.gguf_tokenizer import write_tokenizer
from runner.records import Progress

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float32]]

_TOP = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_LLAMA = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_GEMMA3 = _LLAMA | {
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_LAYER_NAMES = {"llama": _LLAMA, "gemma3": _GEMMA3}


def convert_file(model: GgufModel, progress: Progress, out: Path) -> None:
    """Convert the file a config names, after checking its digest where one is given."""
    source = Path(model.path).expanduser().resolve()
    if model.sha256:
        check_digest(source, model.sha256)
    convert(source, model.chat_template, progress, out)


def convert(source: Path, chat_template: str | None, progress: Progress, out: Path) -> None:
    """Write the folder. Raises BackendError for what is not a GGUF file of a known kind."""
    try:
        from gguf import GGUFReader
        from safetensors.numpy import save_file
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "local", "Reading a GGUF file") from error
    progress(0, 1, f"reading {source.name}")
    try:
        reader = GGUFReader(source)
    except (ValueError, IndexError, KeyError) as error:
        raise BackendError(f"{source} is not a whole GGUF file: {error}") from error
    facts = _Facts({name: field.contents for name, field in reader.fields.items()})
    if facts.architecture not in _LAYER_NAMES:
        raise BackendError(
            f"{source.name} has the architecture {facts.architecture!r}; a GGUF file can be of "
            f"{' or '.join(_LAYER_NAMES)}. For others give a Hugging Face id or folder: "
            "model=huggingface"
        )
    config = _config(facts, {tensor.name for tensor in reader.tensors})
    write_tokenizer(facts.read, chat_template, config["max_position_embeddings"], out)
    (out / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    tensors = dict(_tensors(reader, facts, progress))
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})


class _Facts:
    """The file's metadata, read when asked for (vocabularies are slow to read)."""

    def __init__(self, fields: Mapping[str, Callable[[], Any]]) -> None:
        self._fields = fields
        self.architecture = str(self.read("general.architecture"))

    def read(self, name: str, default: Any = None) -> Any:
        return self._fields[name]() if name in self._fields else default

    def of_model(self, name: str, default: Any = None) -> Any:
        return self.read(f"{self.architecture}.{name}", default)


def _config(facts: _Facts, tensors: set[str]) -> dict[str, Any]:
    """The `config.json` that transformers would have for this model."""
    heads, width = facts.of_model("attention.head_count"), facts.of_model("embedding_length")
    config = {
        "hidden_size": width,
        "intermediate_size": facts.of_model("feed_forward_length"),
        "num_hidden_layers": facts.of_model("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": facts.of_model("attention.head_count_kv", heads),
        "head_dim": facts.of_model("attention.key_length", width // heads),
        "max_position_embeddings": facts.of_model("context_length"),
        "rms_norm_eps": facts.of_model("attention.layer_norm_rms_epsilon"),
        "vocab_size": len(facts.read("tokenizer.ggml.tokens")),
        "tie_word_embeddings": "output.weight" not in tensors,
        "bos_token_id": facts.read("tokenizer.ggml.bos_token_id"),
        "eos_token_id": facts.read("tokenizer.ggml.eos_token_id"),
        "pad_token_id": facts.read("tokenizer.ggml.padding_token_id"),
        "dtype": "float32",
    }
    rope = {"rope_type": "default", "rope_theta": facts.of_model("rope.freq_base", 10000.0)}
    if facts.architecture == "llama":
        kind = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
        return kind | config | {"rope_parameters": rope, "hidden_act": "silu"}
    local = {"rope_type": "default", "rope_theta": 10000.0}
    return config | {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "query_pre_attn_scalar": config["head_dim"],
        "sliding_window": facts.of_model("attention.sliding_window"),
        "rope_parameters": {"full_attention": rope, "sliding_attention": local},
        "hidden_activation": "gelu_pytorch_tanh",
    }


def _tensors(reader: Any, facts: _Facts, progress: Progress) -> Iterator[tuple[str, Array]]:
    """Every tensor under its Hugging Face name, dequantised."""
    from gguf import dequantize

    for done, tensor in enumerate(reader.tensors):
        progress(done, len(reader.tensors), "converting the weights")
        array: Array = dequantize(tensor.data, tensor.tensor_type)
        array = array.reshape(tuple(reversed(tensor.shape.tolist())))
        yield _name(tensor.name, facts.architecture), _restored(array, tensor.name, facts)


def _name(name: str, architecture: str) -> str:
    if name in _TOP:
        return _TOP[name]
    prefix, _, rest = name.partition(".")
    number, _, part = rest.partition(".")
    module = _LAYER_NAMES[architecture].get(part.removesuffix(".weight"))
    if prefix != "blk" or module is None or not part.endswith(".weight"):
        raise BackendError(
            f"the GGUF file holds a tensor {name!r} that a plain {architecture} model has no "
            "place for; give the model as a Hugging Face id or folder: model=huggingface"
        )
    return f"model.layers.{number}.{module}.weight"


def _restored(array: Array, name: str, facts: _Facts) -> Array:
    """Undo what the conversion to GGUF did to the values."""
    import numpy as np

    if facts.architecture == "gemma3" and name.endswith("norm.weight"):
        array = array - np.float32(1)  # GGUF stores 1 + weight
    if facts.architecture == "llama" and ("attn_q." in name or "attn_k." in name):
        key = "attention.head_count" if "attn_q." in name else "attention.head_count_kv"
        heads = facts.of_model(key, facts.of_model("attention.head_count"))
        # GGUF interleaves the two halves of each head, for its own rotary embedding.
        halves = array.reshape(heads, array.shape[0] // heads // 2, 2, array.shape[1])
        array = halves.swapaxes(1, 2).reshape(array.shape)
    return np.ascontiguousarray(array, dtype=np.float32)
