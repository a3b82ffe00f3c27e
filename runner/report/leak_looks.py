"""What the search for leaks looked at, in words: the methods, the splits, how many rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from runner.records.leaks import LeakLook
from runner.report.wording import count

Looks = Sequence[LeakLook]
"""``leak_looks`` of a summary."""
WORDS = {
    "exact": "equal inputs",
    "minhash": "near-duplicates",
    "n-gram": "n-grams",
    "substring": "shared spans",
    "semantic": "meaning",
}


def nothing_found(looks: Looks) -> str:
    """What to say pairs_named no leak is known: by which methods there is none."""
    methods = dict.fromkeys(_method_name(look) for look in looks if look.not_looked is None)
    return f"none by {', '.join(methods)}" if methods else "not looked for"


def look_lines(looks: Looks) -> Iterator[str]:
    """A line a pair of splits: what each method found there and among how many rows. Then what was
    not looked at, and why."""
    unlooked: dict[tuple[str, str], list[str]] = {}
    pairs = dict.fromkeys((look.split, look.against) for look in looks)
    for pair in pairs:
        of_pair = [look for look in looks if (look.split, look.against) == pair]
        told = [_found(look) for look in of_pair if look.not_looked is None]
        if told:
            yield f"{' and '.join(pair)}: {', '.join(told)}"
        for look in of_pair:
            if reason := look.not_looked:
                what = _method_name(look) if told else ""
                unlooked.setdefault((what, reason), []).append(" and ".join(pair))
    whole = {pair for what, pair in _flat(unlooked) if not what}
    for (what, reason), pairs_named in unlooked.items():
        named = ", ".join(dict.fromkeys(pairs_named))
        everywhere = what and len(pairs_named) == len(pairs) - len(whole)
        about = f"{what}: " if everywhere else f"{named}, {what}: " if what else f"{named}: "
        yield f"not looked at: {about}{reason}"


def _flat(unlooked: Mapping[tuple[str, str], Sequence[str]]) -> Iterator[tuple[str, str]]:
    for (what, _), pairs in unlooked.items():
        yield from ((what, pair) for pair in pairs)


def _found(look: LeakLook) -> str:
    found = count(look.found) if look.found else "none"
    rows, against = count(look.rows or 0), count(look.against_rows or 0)
    return f"{_method_name(look)} {found} ({rows} × {against} rows)"


def _method_name(look: LeakLook) -> str:
    return WORDS.get(look.method, f"{look.method}s")
