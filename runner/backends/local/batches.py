"""Many conversations to token ids at once: the ids that `Chat` gives one by one, in less time.

Three things repeat from row to row. The chat template: where it only prints what a message says, it
is rendered once for each sequence of roles, and the texts are put into their places. The text
between two special tokens: a tokenizer never merges across one, so each such segment has ids of its
own, and those of the system instruction are the same in all rows. And prompt and whole row: all
their segments but the answer's are the same. What is left is tokenised in batches, where the
tokenizer lets it a word at a time, each new word once.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment, nodes

AT_ONCE = 1000
"""Rows whose segments are tokenised together."""
WORDS_KEPT = 100_000
KEPT = 1024
"""Segments that are kept because several rows have them."""
Message = Mapping[str, str]
"""`role` and `content`."""
Tokens = list[int] | bytes
"""Ids of a segment; its bytes, where each of them is a token."""
Division = tuple[list[str], list[str], list[str]]
"""The segments before the one in which the prompt ends; what the prompt has of that one, and the
whole of it; the segments behind it."""


class SegmentEncoder:
    """Ids of conversations, a segment at a time. For tokenizers that `splits_at_specials` approves.
    Safe to use from threads."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.get_added_tokens_decoder()
        self._kept: dict[str, Tokens] = {t.content: [number] for number, t in added.items()}
        longest_first = sorted(map(re.escape, self._kept), key=len, reverse=True)
        self._cut = re.compile(f"({'|'.join(longest_first) or '(?!)'})")
        self._room = len(self._kept) + KEPT
        self._bytes = _byte_ids(tokenizer)
        self._by_words = splits_before_spaces(tokenizer)
        self._words: dict[str, list[int]] = {}

    def encode(self, rows: Sequence[tuple[str, str]]) -> Iterator[tuple[list[int], int] | None]:
        """For each row, a prompt and the whole text that begins with it, the ids and how many of
        them are prompt; None where a token straddles the border between the two."""
        for division, known in self._divisions(rows):
            before, (last, first), behind = division
            if not _begins(known[first], known[last]):
                yield None
                continue
            ids: list[int] = []
            for text in before:
                ids += self._numbers(known[text])
            cut = len(ids) + len(known[last])
            for text in (first, *behind):
                ids += self._numbers(known[text])
            yield ids, cut

    def count(self, rows: Sequence[tuple[str, str]]) -> Iterator[tuple[int, int] | None]:
        """As `encode`, but how many of the ids are prompt and how many are not."""
        for (before, (last, first), behind), known in self._divisions(rows):
            if _begins(known[first], known[last]):
                prompt = len(known[last])
                behind_it = sum(len(known[text]) for text in behind)
                yield (
                    sum(len(known[text]) for text in before) + prompt,
                    len(known[first]) - prompt + behind_it,
                )
            else:
                yield None

    def _divisions(
        self, rows: Sequence[tuple[str, str]]
    ) -> Iterator[tuple[Division, dict[str, Tokens]]]:
        """Each row divided, with the tokens of all its segments."""
        for at in range(0, len(rows), AT_ONCE):
            divided = [self._divide(*row) for row in rows[at : at + AT_ONCE]]
            known = self._tokens(Counter(text for row in divided for part in row for text in part))
            yield from ((row, known) for row in divided)

    def _divide(self, head: str, whole: str) -> Division:
        *before, last = self._cut.split(head)
        first, *behind = self._cut.split(whole[len(head) - len(last) :])
        return before, [last, first], behind

    def _tokens(self, texts: Counter[str]) -> dict[str, Tokens]:
        new = [text for text in texts if text not in self._kept]
        if self._bytes:
            return self._kept | {text: text.encode() for text in new}
        made = dict(zip(new, self._of_texts(new), strict=True))
        known = self._kept | made
        if len(self._kept) < self._room:
            again = {text: ids for text, ids in made.items() if texts[text] > 1}
            self._kept = {**self._kept, **again}
        return known

    def _of_texts(self, texts: Sequence[str]) -> list[list[int]]:
        """Their ids, by way of their words where that can be: a word that came before is not
        tokenised again."""
        if not self._by_words:
            return self._of_each(texts)
        divided = [_words(text) for text in texts]
        new = {word for words in divided for word in words} - self._words.keys()
        if len(self._words) + len(new) > WORDS_KEPT:
            self._words = {}
            new = {word for words in divided for word in words}
        known = self._words | dict(zip(new, self._of_each([*new]), strict=True))
        self._words = known
        return [[number for word in words for number in known[word]] for words in divided]

    def _of_each(self, texts: Sequence[str]) -> list[list[int]]:
        batch = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [each.ids for each in batch]

    def _numbers(self, tokens: Tokens) -> Sequence[int]:
        return [self._bytes[byte] for byte in tokens] if isinstance(tokens, bytes) else tokens


def _begins(whole: Tokens, prompt: Tokens) -> bool:
    return whole[: len(prompt)] == prompt


def splits_at_specials(tokenizer: Any) -> bool:
    """Whether the ids of a text are those of its segments between added tokens, one after the
    other: no token takes blanks around it with it, none depends on what a normaliser makes of it,
    and no segment is treated otherwise for being the first."""
    added = tokenizer.get_added_tokens_decoder().values()
    loose = any(t.normalized or t.lstrip or t.rstrip or t.single_word for t in added)
    told = tokenizer.to_str()
    return not loose and '"prepend_scheme":"first"' not in told and not _model(told).get("dropout")


def splits_before_spaces(tokenizer: Any) -> bool:
    """Whether a space behind something that is no blank always begins a new piece, so that no
    token has both: GPT-2's way of cutting texts, with digits cut off or not."""
    told = json.loads(tokenizer.to_str())
    before, model = told["pre_tokenizer"] or {}, told["model"]
    if told["normalizer"] or model["type"] != "BPE" or model["dropout"]:
        return False
    *others, last = before.get("pretokenizers", [before])
    gpt2 = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
    digits = all(other.get("type") == "Digits" for other in others)
    return digits and all(last.get(name) == value for name, value in gpt2.items())


BLANKS = re.compile(r"\s ")


def _words(text: str) -> list[str]:
    """The text, cut before every space that follows something that is no blank."""
    first, *rest = text.split(" ")
    if not BLANKS.search(text):
        return [first, *[f" {word}" for word in rest]]
    words = [first]
    for word in rest:
        if words[-1] and not words[-1][-1].isspace():
            words.append(f" {word}")
        else:
            words[-1] += f" {word}"
    return words


def _byte_ids(tokenizer: Any) -> dict[int, int]:
    """The id of each byte where every byte is a token, as in the tiny model; else nothing."""
    told = json.loads(tokenizer.to_str())
    before, model = told["pre_tokenizer"] or {}, told["model"]
    plain = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}
    if told["normalizer"] or model["type"] != "BPE" or model["merges"] or model["dropout"]:
        return {}
    if any(before.get(name) != value for name, value in plain.items()):
        return {}
    # Every byte that UTF-8 has: all after C2, and all that begin a character.
    points = [*range(0x800), *range(0x800, 0xD800, 0x40), *range(0xE000, 0x110000, 0x1000)]
    text = "".join(map(chr, points))
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    told_bytes = text.encode()
    return dict(zip(told_bytes, ids, strict=True)) if len(ids) == len(told_bytes) else {}


def _model(told: str) -> dict[str, Any]:
    """The tokenizer's model without its vocabulary."""
    return dict(json.loads(told)["model"])


# Templates that print what messages say and do nothing else with it.


class PrintedTemplate:
    """Renders conversations by putting texts into the places that they have for their roles."""

    def __init__(self, template: Any) -> None:
        """`template` is a `ChatTemplate` that `only_prints`."""
        self._template = template
        self._places: dict[tuple[Any, ...], list[str]] = {}

    def render(self, messages: Sequence[Message], *, generation_prompt: bool) -> str:
        """What the template itself would render. Raises TemplateRefused as it does."""
        texts = [message["content"] for message in messages]
        if any(text != text.strip() for text in texts):  # a template may trim
            return self._real(messages, generation_prompt)
        key = (*(message["role"] for message in messages), generation_prompt)
        places = self._places.get(key)
        if places is None:
            marked = [
                {**message, "content": f"\ue110{number}\ue111"}
                for number, message in enumerate(messages)
            ]
            places = re.split("\ue110(\\d+)\ue111", self._real(marked, generation_prompt))
            self._places[key] = places
        return "".join(
            texts[int(part)] if number % 2 else part for number, part in enumerate(places)
        )

    def _real(self, messages: Sequence[Message], generation_prompt: bool) -> str:
        text: str = self._template.render(messages, generation_prompt=generation_prompt)
        return text


NO_MESSAGES = {"add_generation_prompt", "raise_exception", "tools", "documents"}
"""What a template knows besides; and special tokens, whose names end with ``_token``."""


def only_prints(environment: Environment, source: str) -> bool:
    """Whether a chat template uses what messages say for printing alone, trimmed at most: then a
    text's place does not depend on the text. Conservative: a template with anything else in it,
    such as other filters, macros or messages passed on as a whole, does not."""
    return _prints(environment.parse(source), False)


def _prints(node: nodes.Node, printed: bool) -> bool:
    """`printed`: all above `node`, up to the statement, prints."""
    from jinja2 import nodes

    if _is_content(node):
        return printed
    if isinstance(node, nodes.Const):
        return bool(node.value != "content")
    if isinstance(node, nodes.Filter):
        if node.name != "trim" or node.args or node.kwargs:
            return False
    elif isinstance(node, nodes.Call):
        called = node.node
        if not isinstance(called, nodes.Name) or called.name != "raise_exception":
            return False
    elif isinstance(node, nodes.Macro | nodes.CallBlock | nodes.FilterBlock | nodes.Assign):
        return False
    prints = isinstance(node, nodes.Output | nodes.Add | nodes.Concat | nodes.Filter)
    below = prints and (printed or isinstance(node, nodes.Output))
    return all(
        _prints(child, below) and not _passed_on(node, child) for child in node.iter_child_nodes()
    )


def _is_content(node: nodes.Node) -> bool:
    from jinja2 import nodes

    if isinstance(node, nodes.Getitem):
        return isinstance(node.arg, nodes.Const) and bool(node.arg.value == "content")
    return isinstance(node, nodes.Getattr) and bool(node.attr == "content")


def _passed_on(node: nodes.Node, child: nodes.Node) -> bool:
    """Whether what may be messages is used as a whole, not to go through it or pick from it."""
    from jinja2 import nodes

    if not isinstance(child, nodes.Name) or child.ctx != "load":
        return False
    if child.name in NO_MESSAGES or child.name.endswith("_token"):
        return False
    return not isinstance(node, nodes.Getitem | nodes.Getattr | nodes.For)
