"""Chat templates: the Jinja a model ships with, rendered in a sandbox.

The environment is the one Hugging Face documents for chat templates: trimmed blocks, loop
controls, `tojson`, `raise_exception`, `strftime_now`, and `{% generation %}` blocks as plain text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

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
        self._template = _environment().from_string(text)
        self._specials = dict(specials)

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
