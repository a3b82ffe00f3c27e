"""A text's language: by its script where that says it, and for Latin letters by py3langid.

py3langid is langid.py (Lui and Baldwin 2012) with a newer model: naive Bayes over byte n-grams.
A guess stands when it is likelier than all others together; of questions of a few words about one
in six is `UNKNOWN`. Good for shares over a hundred texts, less for one text.
"""

from __future__ import annotations

import sys
import unicodedata
from collections import Counter
from functools import cache
from typing import Any

LATIN = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
    "sv": "Swedish",
    "pl": "Polish",
    "tr": "Turkish",
    "da": "Danish",
    "no": "Norwegian",
    "nn": "Norwegian",
    "fi": "Finnish",
    "is": "Icelandic",
    "cs": "Czech",
    "sk": "Slovak",
    "sl": "Slovenian",
    "hr": "Croatian",
    "bs": "Bosnian",
    "hu": "Hungarian",
    "ro": "Romanian",
    "sq": "Albanian",
    "et": "Estonian",
    "lv": "Latvian",
    "lt": "Lithuanian",
    "ca": "Catalan",
    "gl": "Galician",
    "eu": "Basque",
    "ga": "Irish",
    "cy": "Welsh",
    "mt": "Maltese",
    "id": "Indonesian",
    "ms": "Malay",
    "vi": "Vietnamese",
    "tl": "Tagalog",
    "sw": "Swahili",
    "af": "Afrikaans",
}
"""Languages written in Latin letters by their ISO 639 code; only these are told apart."""
SCRIPTS = {
    "CYRILLIC": "Cyrillic",
    "GREEK": "Greek",
    "ARABIC": "Arabic",
    "HEBREW": "Hebrew",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "HANGUL": "Korean",
    "CJK": "Chinese",
    "DEVANAGARI": "Hindi",
    "THAI": "Thai",
    "BENGALI": "Bengali",
    "TAMIL": "Tamil",
}
UNKNOWN = "unknown"
LANGUAGES = (*dict.fromkeys(LATIN.values()), *dict.fromkeys(SCRIPTS.values()))
"""All that can be told."""
LOOKED_AT = 2000
LIKELIER_THAN_ALL_OTHERS = 0.5
"""Probability over `LATIN`."""


def language(text: str) -> str:
    """``English``, ``Japanese`` ...; `UNKNOWN` when nothing speaks for one."""
    start = text[:LOOKED_AT]
    scripts = Counter(_script(sign) for sign in start if sign.isalpha())
    if scripts["Japanese"] and scripts["Japanese"] + scripts["Chinese"] > scripts["LATIN"]:
        return "Japanese"
    main = scripts.most_common(1)[0][0] if scripts else UNKNOWN
    return _latin(start) if main == "LATIN" else main


@cache
def script_names() -> tuple[str, ...]:
    """The scripts that letters are in, as `script_of` names them."""
    letters = (chr(code) for code in range(sys.maxunicode + 1) if chr(code).isalpha())
    return tuple(sorted({name for sign in letters if (name := script_of(sign))}))


@cache
def script_of(letter: str) -> str:
    """A letter's script by its Unicode name, whose first word it is; ideographs are ``han``."""
    name = unicodedata.name(letter, "").lower()
    return "han" if name.startswith("cjk ") else name.partition(" ")[0]


def _script(sign: str) -> str:
    if sign < "\u0250":
        return "LATIN"
    name = unicodedata.name(sign, "").split(" ")[0].split("-")[0]
    return SCRIPTS.get(name, "LATIN" if name == "LATIN" else UNKNOWN)


def _latin(text: str) -> str:
    code, probability = _identifier().classify(text)
    return LATIN[code] if probability > LIKELIER_THAN_ALL_OTHERS else UNKNOWN


@cache
def _identifier() -> Any:
    """Loaded when first asked for: it takes a second. Its own instance, since the languages that
    it is held to are kept in it."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(LATIN))
    return identifier
