"""What the rendered rows of a split look like: lengths, answers, words. One pass, nothing kept
but counts of what is distinct, so that a million rows need little memory."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.records import Example, read_jsonl

MAX_VALUES = 200
"""A field with more different values than this is free text, not a label."""
MAX_WORDS = 500_000
"""Beyond this many different words the vocabulary is not followed any further."""
EXAMPLES = 3
WORD = re.compile(r"\w+")
ANSWER = "answer"
"""Name of the only field of answers that are no JSON objects."""


@dataclass(slots=True)
class Profile:
    """One split. Lengths are in characters; `prompt` counts system instruction and turns."""

    split: str
    rows: int = 0
    prompt: Counter[int] = field(default_factory=Counter)
    target: Counter[int] = field(default_factory=Counter)
    values: dict[str, Counter[str] | None] = field(default_factory=dict)
    """Answer field to rows by value; None where it is free text."""
    slices: dict[str, Counter[str]] = field(default_factory=dict)
    files: Counter[str] = field(default_factory=Counter)
    words: set[str] | None = field(default_factory=set)
    """Of the user turns, folded; None when there are too many."""
    unseen: Counter[str] = field(default_factory=Counter)
    """Words that the training rows do not have."""
    spoken: int = 0
    """Words in all."""
    examples: list[Example] = field(default_factory=list)

    def add(self, example: Example, known: set[str] | None) -> None:
        """Count one row; `known` are the training words, None in training itself."""
        self.rows += 1
        turns = [turn.text for turn in example.contents]
        self.prompt[len(example.system) + sum(map(len, turns))] += 1
        self.target[len(example.target)] += 1
        self.files[example.origin.file] += 1
        for name, value in fields_of(example.target).items():
            self._value(name, value)
        for name, value in example.slices.items():
            self.slices.setdefault(name, Counter())[value] += 1
        self._words(turns, known)
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)

    def _value(self, name: str, value: str) -> None:
        counts = self.values.setdefault(name, Counter())
        if counts is None:
            return
        counts[value] += 1
        if len(counts) > MAX_VALUES:
            self.values[name] = None

    def _words(self, turns: Iterable[str], known: set[str] | None) -> None:
        found = [word for turn in turns for word in WORD.findall(turn.casefold())]
        self.spoken += len(found)
        if known is not None:
            self.unseen.update(word for word in found if word not in known)
        elif self.words is not None:
            self.words.update(found)
            if len(self.words) > MAX_WORDS:
                self.words = None


def fields_of(target: str) -> Mapping[str, str]:
    """The answer's labels: the simple top-level fields of a JSON object, else the answer."""
    if target.startswith("{"):
        try:
            value: Any = json.loads(target)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            return {
                str(key): item if isinstance(item, str) else json.dumps(item)
                for key, item in value.items()
                if not isinstance(item, dict | list)
            }
    return {ANSWER: target}


def are_labels(values: Counter[str]) -> bool:
    """Whether the values come back often enough to be labels: few rows hide free text."""
    return len(values) <= MAX_VALUES and 2 * len(values) <= values.total()


def profiles(rendered: Path, splits: Iterable[str]) -> dict[str, Profile]:
    """The profile of every split that has a file, training first: the others are held
    against its words."""
    found: dict[str, Profile] = {}
    for split in splits:
        path = rendered / f"{split}.jsonl"
        if not path.is_file():
            continue
        profile = found[split] = Profile(split)
        train = found.get("train")
        known = None if train is profile else train.words if train else set[str]()
        for raw in read_jsonl(path):
            profile.add(Example.from_json(raw), known)
    return found
