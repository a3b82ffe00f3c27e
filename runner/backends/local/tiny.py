"""The tiny random Llama: a whole model folder made offline in milliseconds, for tests and
dry runs. It knows nothing, but it trains, generates and checkpoints like a real one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.backends.local.chat import CHATML
from runner.config import RandomModel

if TYPE_CHECKING:
    import numpy as np

    Tensors = dict[str, np.ndarray[Any, Any]]

TINY_VERSION = "1"
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
HEAD_SIZE = 8
SPREAD = 0.02  # the usual standard deviation of freshly initialised weights


def build_tiny(model: RandomModel, out: Path) -> None:
    """Write config, byte-level tokenizer and seeded weights into `out`."""
    from safetensors.numpy import save_file

    vocabulary = _write_tokenizer(out, model.context_tokens)
    (out / "config.json").write_text(json.dumps(_config(model, vocabulary), indent=1))
    (out / "generation_config.json").write_text(json.dumps({"eos_token_id": [0, 2]}))
    save_file(_weights(model, vocabulary), out / "model.safetensors", metadata={"format": "pt"})


def _config(model: RandomModel, vocabulary: int) -> dict[str, Any]:
    heads = max(1, model.hidden // HEAD_SIZE)
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": model.hidden,
        "intermediate_size": 2 * model.hidden,
        "num_hidden_layers": model.layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "head_dim": HEAD_SIZE,
        "vocab_size": vocabulary,
        "max_position_embeddings": model.context_tokens,
        "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "tie_word_embeddings": True,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "dtype": "float32",
    }


def _weights(model: RandomModel, vocabulary: int) -> Tensors:
    import numpy as np

    rng = np.random.default_rng(model.seed)
    hidden, inner = model.hidden, 2 * model.hidden
    width = max(1, hidden // HEAD_SIZE) * HEAD_SIZE

    def matrix(rows: int, columns: int) -> Any:
        return (SPREAD * rng.standard_normal((rows, columns))).astype(np.float32)

    tensors: Tensors = {"model.embed_tokens.weight": matrix(vocabulary, hidden)}
    for number in range(model.layers):
        layer = f"model.layers.{number}"
        for name in ("q", "k", "v"):
            tensors[f"{layer}.self_attn.{name}_proj.weight"] = matrix(width, hidden)
        tensors[f"{layer}.self_attn.o_proj.weight"] = matrix(hidden, width)
        tensors[f"{layer}.mlp.gate_proj.weight"] = matrix(inner, hidden)
        tensors[f"{layer}.mlp.up_proj.weight"] = matrix(inner, hidden)
        tensors[f"{layer}.mlp.down_proj.weight"] = matrix(hidden, inner)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{layer}.{norm}.weight"] = np.ones(hidden, np.float32)
    tensors["model.norm.weight"] = np.ones(hidden, np.float32)
    return tensors


def _write_tokenizer(out: Path, context: int) -> int:
    """A BPE without merges over the 256 bytes, with ChatML's tokens; returns its size."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    pieces = (*SPECIALS, *sorted(pre_tokenizers.ByteLevel.alphabet()))
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(piece, special=True, normalized=False) for piece in SPECIALS]
    )
    tokenizer.save(str(out / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|endoftext|>",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
    }
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=1))
    (out / "chat_template.jinja").write_text(CHATML, encoding="utf-8")
    return len(vocabulary)
