"""Repairs of a row's text, each counted by its rule."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from runner.config import Clean
from runner.prepare.template import cleaned_row
from runner.records import Row

Rule = tuple[str, Callable[[str], str]]

CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064"
    "\u2066-\u206f\ufeff\ufff9-\ufffb]"
)
"""Controls but newline and tab, zero-width marks and direction overrides. The zero-width joiners
U+200C and U+200D stay: Persian and Indic spelling and composed emoji need them."""

TAGS = (
    "a abbr address article aside b blockquote body br button center cite code dd del div dl dt em"
    " fieldset figcaption figure font footer form h1 h2 h3 h4 h5 h6 head header hr html i iframe"
    " img input ins kbd label li link main mark meta nav ol option p pre q s samp section select"
    " small span strike strong sub summary sup svg table tbody td textarea tfoot th thead title"
    " tr tt u ul var video"
)
_NAMES = "|".join(TAGS.split())
MARKUP = re.compile(
    r"<(script|style)\b[^>]*>.*?</\1\s*>|<!--.*?-->|</?(?:" + _NAMES + r")(?:\s[^<>]*)?/?>",
    re.IGNORECASE | re.DOTALL,
)
"""HTML's own tags only: ``a < b`` and ``List<String>`` are text."""

BLANKS = re.compile(r"[^\S\n]+")


class Cleaner:
    """Applies the configured repairs; `changed` counts rows by the rule that altered them."""

    def __init__(self, config: Clean) -> None:
        self.rules = list(_rules(config))
        self.changed: Counter[str] = Counter()
        # Printable ASCII without blank ends is a fixed point of these rules.
        self._plain = {name for name, _ in self.rules} <= {"unicode", "control", "whitespace"}
        self._collapse = config.whitespace == "collapse"

    def row(self, row: Row) -> Row:
        """The row, or its repaired copy."""
        fired: set[str] = set()
        if row.references or row.system or row.history or row.media:
            repaired = cleaned_row(row, lambda text: self._text(text, fired))
        else:  # most rows, and the fastest way through them
            fields = {name: self._text(text, fired) for name, text in row.fields.items()}
            target = self._text(row.target, fired)
            repaired = replace(row, fields=fields, target=target) if fired else row
        if not fired:
            return row
        self.changed.update(fired)
        return repaired

    def _text(self, text: str, fired: set[str]) -> str:
        if self._plain and text.isascii() and text.isprintable() and not self._blanks(text):
            return text
        for name, repair in self.rules:
            repaired = repair(text)
            if repaired != text:
                fired.add(name)
                text = repaired
        return text

    def _blanks(self, text: str) -> bool:
        """Whether the white-space rule may find something in printable ASCII."""
        return text[:1] == " " or text[-1:] == " " or (self._collapse and "  " in text)


def empty_reason(row: Row) -> str:
    """Why a row has to go after cleaning: nothing is left to ask or to answer; else empty."""
    if not row.target.strip():
        return "empty_target"
    inputs = (row.history[-1].text,) if row.history else row.fields.values()
    return "" if any(text and not text.isspace() for text in inputs) else "empty_input"


def _rules(config: Clean) -> list[Rule]:
    """Markup first (it can uncover the rest), masks last (they read repaired text)."""
    rules: list[Rule] = []
    form = config.unicode
    if config.markup == "strip":
        rules.append(("markup", _without_markup))
    if form != "keep":
        rules.append(("unicode", lambda text: unicodedata.normalize(form, text)))
    if config.control == "drop":
        rules.append(("control", _without_controls))
    if config.whitespace != "keep":
        collapse = config.whitespace == "collapse"
        rules.append(("whitespace", _collapsed if collapse else str.strip))
    if config.pii == "mask":
        rules.append(("pii", mask))
    return rules


def _without_markup(text: str) -> str:
    return html.unescape(MARKUP.sub(" ", text)) if "<" in text or "&" in text else text


def _without_controls(text: str) -> str:
    return CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _collapsed(text: str) -> str:
    return BLANKS.sub(" ", text).strip()


# Marks in the place of what identifies a person: addresses and numbers.
#
# A net with holes, not anonymisation: names and postal addresses pass through.

EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])")
IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
CARD = re.compile(r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])")
PHONE = re.compile(
    r"(?<![\w.+/-])(?:\+\d{1,3}[ .-]?)?(?:\(\d{1,5}\)[ .-]?)?\d{2,5}(?:[ .-]\d{2,8}){1,4}"
    r"(?![\w-]|\.\d)|(?<![\w+])\+\d{8,15}(?!\w)"
)
DATE = re.compile(r"(?:\d{4}[ .-]\d{1,2}[ .-]\d{1,2}|\d{1,2}[ .-]\d{1,2}[ .-](?:\d{4}|\d{2}))")

AMOUNT = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")


def mask(text: str) -> str:
    """The text with e-mail addresses, IBANs, card and phone numbers as ``[EMAIL]``, ``[IBAN]``,
    ``[CARD]``, ``[PHONE]``. Card numbers and IBANs must have valid check digits."""
    for name, pattern, holds in _KINDS:
        text = _masked(text, f"[{name}]", pattern, holds)
    return text


def _masked(text: str, mark: str, pattern: re.Pattern[str], holds: Callable[[str], bool]) -> str:
    return pattern.sub(lambda found: mark if holds(found[0]) else found[0], text)


def _is_email(_: str) -> bool:
    return True


def _is_iban(text: str) -> bool:
    """ISO 7064 mod 97-10: the rearranged number leaves 1."""
    plain = text.replace(" ", "")
    number = "".join(str(int(char, 36)) for char in plain[4:] + plain[:4])
    return 15 <= len(plain) <= 34 and int(number) % 97 == 1


def _is_card(text: str) -> bool:
    """Luhn's rule (ISO/IEC 7812-1)."""
    digits = [int(char) for char in reversed(text) if char.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _is_phone(text: str) -> bool:
    """7 to 15 digits (ITU-T E.164) that are neither a date nor an amount."""
    digits = sum(char.isdigit() for char in text)
    return 7 <= digits <= 15 and not (DATE.fullmatch(text) or AMOUNT.fullmatch(text))


_KINDS = (
    ("EMAIL", EMAIL, _is_email),
    ("IBAN", IBAN, _is_iban),
    ("CARD", CARD, _is_card),
    ("PHONE", PHONE, _is_phone),
)
