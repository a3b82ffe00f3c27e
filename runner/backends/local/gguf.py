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

from runner.backends.local.chat import NAMED
from runner.backends.local.jobs import check_digest
from runner.base.errors import BackendError, MissingExtraError
from runner.config import GgufModel
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


# The tokenizer and chat template inside a GGUF file, as Hugging Face files.

Read = Callable[..., Any]
"""Reads one metadata value by name, with an optional default."""

CONTROL, USER_DEFINED = 3, 4  # GGUF's token types that are matched whole in a text
_SPECIALS = {
    "bos_token": "bos_token_id",
    "eos_token": "eos_token_id",
    "unk_token": "unknown_token_id",
    "pad_token": "padding_token_id",
}


def write_tokenizer(read: Read, chat_template: str | None, context: int, out: Path) -> None:
    """Write `tokenizer.json`, `tokenizer_config.json` and `chat_template.jinja`.

    `chat_template` is a template, the name of one of ours, or None for the file's own. Raises
    BackendError for an unknown tokenizer and when there is no template at all.
    """
    from tokenizers import AddedToken

    kind = read("tokenizer.ggml.model")
    tokens: list[str] = read("tokenizer.ggml.tokens")
    if kind == "gpt2":
        tokenizer = _byte_level(read, tokens)
    elif kind == "llama":
        tokens, tokenizer = _sentencepiece(read, tokens)
    else:
        raise BackendError(f"the GGUF file has a tokenizer {kind!r}; known are gpt2 and llama")
    types = read("tokenizer.ggml.token_type")
    whole = [
        AddedToken(token, normalized=False, special=of_type == CONTROL)
        for token, of_type in zip(tokens, types, strict=True)
        if of_type in (CONTROL, USER_DEFINED)
    ]
    tokenizer.add_tokens(whole)
    tokenizer.save(str(out / "tokenizer.json"))
    (out / "tokenizer_config.json").write_text(
        json.dumps(_tokenizer_config(read, tokens, context), indent=1, ensure_ascii=False),
        encoding="utf-8",
    )
    template = chat_template or read("tokenizer.chat_template")
    if not template:
        raise BackendError(
            f"the GGUF file has no chat template; type: model.chat_template={'|'.join(NAMED)}"
        )
    text = NAMED.get(template, template)
    (out / "chat_template.jinja").write_text(text, encoding="utf-8")


def _tokenizer_config(read: Read, tokens: list[str], context: int) -> dict[str, Any]:
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
    }
    for name, key in _SPECIALS.items():
        number = read(f"tokenizer.ggml.{key}")
        if number is not None:
            config[name] = tokens[number]
    config.setdefault("pad_token", config.get("eos_token"))
    return config


def _byte_level(read: Read, tokens: list[str]) -> Any:
    """Byte-level BPE as GPT-2 and SmolLM have it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    split = read("tokenizer.ggml.pre", "gpt-2")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    steps = {
        "gpt-2": byte_level,
        "default": byte_level,
        "smollm": pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), byte_level]
        ),
    }
    if split not in steps:
        raise BackendError(
            f"the GGUF file splits text by the rule {split!r}; known are {', '.join(steps)}. Give "
            "the model as a Hugging Face id or folder: model=huggingface"
        )
    merges = [tuple(merge.split(" ")) for merge in read("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocab=_vocabulary(tokens), merges=merges))
    tokenizer.pre_tokenizer = steps[split]
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _sentencepiece(read: Read, tokens: list[str]) -> tuple[list[str], Any]:
    """SentencePiece BPE with byte fallback (Gemma, Llama 2). Returns the tokens as it spells
    them: GGUF has runs of blanks as blanks."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    tokens = [
        "\u2581" * len(token) if token and not token.strip(" ") else token for token in tokens
    ]
    vocabulary = _vocabulary(tokens)
    unknown = tokens[read("tokenizer.ggml.unknown_token_id", 0)]
    model = models.BPE(
        vocab=vocabulary,
        merges=_merges(tokens, vocabulary, read),
        unk_token=unknown,
        fuse_unk=True,
        byte_fallback=True,
    )
    tokenizer = Tokenizer(model)
    spaces = normalizers.Replace(" ", "\u2581")
    back = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    if read("tokenizer.ggml.add_space_prefix", True):
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), spaces])
        back.append(decoders.Strip(" ", left=1))
    else:
        tokenizer.normalizer = spaces
    tokenizer.decoder = decoders.Sequence(back)
    return tokens, tokenizer


def _merges(tokens: list[str], vocabulary: dict[str, int], read: Read) -> list[tuple[str, str]]:
    """The merges a SentencePiece vocabulary implies: every split of a token into two tokens, in
    the order of the merged token, which is its score's order (Gemma's scores carry none)."""
    scores = read("tokenizer.ggml.scores")
    by_score = read("general.architecture") != "gemma3"
    merges: list[tuple[float, int, int, tuple[str, str]]] = []
    for number, token in enumerate(tokens):
        rank = -scores[number] if by_score else float(number)
        for at in range(1, len(token)):
            left, right = token[:at], token[at:]
            if left in vocabulary and right in vocabulary:
                merges.append((rank, vocabulary[left], vocabulary[right], (left, right)))
    merges.sort()
    return [pair for *_, pair in merges]


def _vocabulary(tokens: list[str]) -> dict[str, int]:
    return {token: number for number, token in enumerate(tokens)}
