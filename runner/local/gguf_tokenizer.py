"""The tokenizer and chat template inside a GGUF file, as Hugging Face files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner.errors import BackendError
from runner.local.template import NAMED

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
        json.dumps(_config(read, tokens, context), indent=1, ensure_ascii=False), encoding="utf-8"
    )
    template = chat_template or read("tokenizer.chat_template")
    if not template:
        raise BackendError(
            f"the GGUF file has no chat template; type: model.chat_template={'|'.join(NAMED)}"
        )
    text = NAMED.get(template, template)
    (out / "chat_template.jinja").write_text(text, encoding="utf-8")


def _config(read: Read, tokens: list[str], context: int) -> dict[str, Any]:
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
