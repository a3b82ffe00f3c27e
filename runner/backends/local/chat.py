"""Text to token ids and back, exactly as the model sees a conversation; needs no torch.

One implementation serves token counts in the runner, tuning rows in the train worker and
prompts in the generate worker, so they cannot drift apart. It renders the model's own chat
template in Jinja's sandbox and tokenises with the model's `tokenizer.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from runner.backends.local.batches import (
    PrintedTemplate,
    SegmentEncoder,
    only_prints,
    splits_at_specials,
)
from runner.base.errors import BackendError, MissingExtraError
from runner.records import Example, Turn

# Private-use characters that fence off a control token written by a dataset, not by us.
_OPEN, _CLOSE = "\ue100", "\ue101"
_ROLES = {"user": "user", "model": "assistant"}


class Chat:
    """The tokenizer and chat template of a model folder."""

    def __init__(self, folder: Path) -> None:
        try:
            from tokenizers import Tokenizer
        except ModuleNotFoundError as error:
            raise MissingExtraError("tokenizers", "local", "The local backend") from error
        self.folder = folder
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.config: dict[str, Any] = json.loads(
            (folder / "tokenizer_config.json").read_text(encoding="utf-8")
        )
        self.template = ChatTemplate(_template_text(folder, self.config), _specials(self.config))

    # --- tokens ----------------------------------------------------------------------------

    def prompt(self, system: str, contents: Sequence[Turn]) -> list[int]:
        """Ids up to where the model's answer begins."""
        return self._encode(self._render(system, contents, None))

    def example(self, system: str, contents: Sequence[Turn], target: str) -> tuple[list[int], int]:
        """Ids of prompt, target and end of turn, and how many of them are prompt.

        Where a token would straddle the border, the target is tokenised by itself, because the
        model will meet the prompt's tokens exactly as `prompt` gives them.
        """
        head, whole = self._render(system, contents, None), self._render(system, contents, target)
        prompt, ids = self._encode(head), self._encode(whole)
        if ids[: len(prompt)] == prompt:
            return ids, len(prompt)
        if not whole.startswith(head):
            raise BackendError(
                f"the chat template of {self.folder} renders a prompt differently once the answer "
                "follows it, so there is no telling where the answer begins; give another template"
            )
        return prompt + self._encode(whole[len(head) :]), len(prompt)

    def examples(self, examples: Sequence[Example]) -> Iterator[tuple[list[int], int]]:
        """What `example` gives, for many: in a third of the time or less where template and
        tokenizer let it (see `runner.backends.local.batches`)."""
        rendered = [self._both(each) for each in examples]
        found = self._segments.encode([row for row in rendered if row])
        for each, row in zip(examples, rendered, strict=True):
            yield (next(found) if row else None) or self._one(each)

    def counts(self, examples: Sequence[Example]) -> Iterator[tuple[int, int]]:
        """Tokens of each example's prompt and of its target."""
        rendered = [self._both(each) for each in examples]
        found = self._segments.count([row for row in rendered if row])
        for each, row in zip(examples, rendered, strict=True):
            counted = next(found) if row else None
            if counted is None:
                ids, cut = self._one(each)
                counted = cut, len(ids) - cut
            yield counted

    def _one(self, example: Example) -> tuple[list[int], int]:
        return self.example(example.system, example.contents, example.target)

    def _both(self, example: Example) -> tuple[str, str] | None:
        """Prompt and whole; None for what has to be looked at by itself: control tokens that a
        dataset wrote, and prompts that look otherwise once they are answered."""
        if not self._by_segments:
            return None
        of = (example.system, example.contents)
        head, whole = self._render(*of, None), self._render(*of, example.target)
        return (head, whole) if whole.startswith(head) and _OPEN not in whole else None

    @cached_property
    def _by_segments(self) -> bool:
        return splits_at_specials(self.tokenizer)

    @cached_property
    def _segments(self) -> SegmentEncoder:
        return SegmentEncoder(self.tokenizer)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of generated ids without special tokens."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    @cached_property
    def end_ids(self) -> frozenset[int]:
        """Ids that end an answer: end of text and the template's end of turn."""
        found = {self.tokenizer.token_to_id(token) for token in self._end_tokens()}
        return frozenset(token for token in found if token is not None)

    def _end_tokens(self) -> list[str]:
        tokens = [_text(self.config.get("eos_token"))]
        turns = (Turn("user", "a"),)
        head, whole = self._render("", turns, None), self._render("", turns, "\ue102")
        closing = whole[len(head) :].partition("\ue102")[2]
        if found := self._special_pattern.search(closing):
            tokens.append(found.group())
        return [token for token in tokens if token]

    # --- text ------------------------------------------------------------------------------

    def _render(self, system: str, contents: Sequence[Turn], target: str | None) -> str:
        messages = [{"role": _ROLES[turn.role], "content": turn.text} for turn in contents]
        if target is not None:
            messages.append({"role": "assistant", "content": target})
        if system and self._takes_system:
            messages.insert(0, {"role": "system", "content": system})
        elif system:
            first = messages[0]
            messages[0] = {**first, "content": f"{system}\n\n{first['content']}"}
        fenced = [{**message, "content": self._fence(message["content"])} for message in messages]
        return self._rendering.render(fenced, generation_prompt=target is None)

    @cached_property
    def _rendering(self) -> ChatTemplate | PrintedTemplate:
        return PrintedTemplate(self.template) if self.template.only_prints else self.template

    @cached_property
    def _takes_system(self) -> bool:
        """Whether the template has a place for a system instruction (Gemma's has none)."""
        probe = [{"role": "system", "content": "\ue102"}, {"role": "user", "content": "a"}]
        try:
            return "\ue102" in self.template.render(probe, generation_prompt=True)
        except TemplateRefused:
            return False

    def _is_fenced(self, text: str) -> bool:
        """Whether there is a control token in the text."""
        near = any(first in text for first in self._special_firsts)
        return near and self._special_pattern.search(text) is not None

    def _fence(self, text: str) -> str:
        """Fence off control tokens; half surrogates, which no tokenizer takes, become ``?``."""
        if text.isascii() and not self._is_fenced(text):
            return text
        text = text.encode("utf-8", "replace").decode()
        text = text.replace(_OPEN, "").replace(_CLOSE, "")
        return self._special_pattern.sub(rf"{_OPEN}\g<0>{_CLOSE}", text)

    @cached_property
    def _special_firsts(self) -> frozenset[str]:
        """What special tokens begin with: looking for one character takes no time."""
        added = self.tokenizer.get_added_tokens_decoder().values()
        return frozenset(token.content[0] for token in added if token.special)

    @cached_property
    def _special_pattern(self) -> re.Pattern[str]:
        """Matches any special token; the longest first."""
        added = self.tokenizer.get_added_tokens_decoder().values()
        specials = sorted((token.content for token in added if token.special), key=len)
        return re.compile("|".join(map(re.escape, reversed(specials))) or r"(?!)")

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = []
        for number, piece in enumerate(re.split(f"[{_OPEN}{_CLOSE}]", text)):
            # Odd pieces are control tokens that a dataset wrote: to the model they are text.
            self.tokenizer.encode_special_tokens = number % 2 == 1
            ids += self.tokenizer.encode(piece, add_special_tokens=False).ids
        self.tokenizer.encode_special_tokens = False
        return ids


def _template_text(folder: Path, config: dict[str, Any]) -> str:
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    text = config.get("chat_template")
    if isinstance(text, list):  # older folders list several templates by name
        text = next((item["template"] for item in text if item["name"] == "default"), None)
    if not text:
        raise BackendError(
            f"the model in {folder} has no chat template; for a GGUF file or a wheel "
            "type: model.chat_template=chatml (or gemma)"
        )
    return str(text)


def _specials(config: dict[str, Any]) -> dict[str, str]:
    """`bos_token` and friends, which templates refer to by name."""
    return {key: _text(value) for key, value in config.items() if key.endswith("_token") and value}


def _text(token: Any) -> str:
    """A token of `tokenizer_config.json`: text, or an object with its content."""
    return str(token["content"]) if isinstance(token, dict) else str(token or "")


# Chat templates: the Jinja a model ships with, rendered in a sandbox.
#
# The environment is the one Hugging Face documents for chat templates: trimmed blocks, loop
# controls, `tojson`, `raise_exception`, `strftime_now`, and `{% generation %}` blocks as plain
# text.

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "<start_of_turn>{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    "{{ message['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
NAMED = {"chatml": CHATML, "gemma": GEMMA}
"""Templates for models that carry none, by the name `model.chat_template` uses."""


class TemplateRefused(Exception):
    """The template itself called `raise_exception`, e.g. for a role it does not know."""


class ChatTemplate:
    """A compiled chat template with the special tokens it may name."""

    def __init__(self, text: str, specials: Mapping[str, str]) -> None:
        environment = _environment()
        self._template = environment.from_string(text)
        self._specials = dict(specials)
        self.only_prints = only_prints(environment, text)
        """Whether texts are printed as they are (trimmed at most), and nothing depends on them."""

    def render(self, messages: Sequence[Mapping[str, str]], *, generation_prompt: bool) -> str:
        """The conversation as one text. Raises TemplateRefused when the template objects."""
        text: str = self._template.render(
            messages=[dict(message) for message in messages],
            tools=None,
            documents=None,
            add_generation_prompt=generation_prompt,
            **self._specials,
        )
        return text


def _environment() -> Any:
    from jinja2.ext import Extension, loopcontrols
    from jinja2.nodes import Scope
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}` marks the answer for other libraries; here it is its content."""

        tags = {"generation"}  # noqa: RUF012  Jinja's own declaration

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return Scope(body, lineno=line)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = _now
    return environment


def _tojson(value: Any, indent: int | None = None) -> str:
    """Without HTML escapes, unlike Jinja's own filter."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> NoReturn:
    raise TemplateRefused(message)


def _now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)
