"""Longest common subsequences by bit vectors: 64 cells of the table in one machine operation.

A row of the usual table rises by 0 or 1 from each column to the next, so it fits in one integer
with a 0 bit where it rises (Hyyrö 2004, "Bit-parallel LCS-length computation revisited").
Python's integers have any length, so no text is too long.
"""

from __future__ import annotations

from collections.abc import Sequence


def lcs_rows(reference: Sequence[str], answer: Sequence[str]) -> list[int]:
    """Bit rows of the table, one more than the reference has words; bit j stands for word j of
    the answer, 0 where the row rises."""
    places: dict[str, int] = {}
    for index, word in enumerate(answer):
        places[word] = places.get(word, 0) | 1 << index
    full = (1 << len(answer)) - 1
    row = full
    rows = [row]
    for word in reference:
        hits = row & places.get(word, 0)
        row = ((row + hits) | (row - hits)) & full
        rows.append(row)
    return rows


def lcs_length(reference: Sequence[str], answer: Sequence[str]) -> int:
    return len(answer) - lcs_rows(reference, answer)[-1].bit_count()


def lcs_indices(reference: Sequence[str], answer: Sequence[str]) -> list[int]:
    """Places in the reference of one longest common subsequence, last first.

    Which one matters for ROUGE-Lsum; it is the one that ROUGE-1.5.5 walks back to: a match is
    taken at once, else left where that cell is larger, else up.
    """
    rows = lcs_rows(reference, answer)
    i, j = len(reference), len(answer)
    taken = []
    while i and j:
        if reference[i - 1] == answer[j - 1]:
            i, j = i - 1, j - 1
            taken.append(i)
        elif _cell(rows[i], j - 1) > _cell(rows[i - 1], j):
            j -= 1
        else:
            i -= 1
    return taken


def _cell(row: int, column: int) -> int:
    """The table's number at a column: how often the row rose up to there."""
    return column - (row & ((1 << column) - 1)).bit_count()
