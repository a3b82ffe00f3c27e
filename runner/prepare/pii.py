"""Marks in the place of what identifies a person: addresses and numbers.

A net with holes, not anonymisation: names and postal addresses pass through.
"""

from __future__ import annotations

import re
from collections.abc import Callable

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
