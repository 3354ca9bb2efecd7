"""A change made on a text's normal form, carried over to the text itself: what did not change stays to the letter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

_STYLE = re.compile(r"""[\s'"]""")
"""What a normal form writes otherwise and no line is recognised by."""
_END = "\0"
"""A line behind the last one, so that every line has one below it."""

Piece = tuple[int, int, list[str]]
"""Lines from one number to another of the normal form, and what stands for them."""


def splice(text: str, before: str, after: str) -> str:
    """`text` with the lines that differ between `before`, which is its normal form, and `after`.

    A line of the text that has to change becomes the normal form's.
    """
    mine, base, wanted = (_lines(part) for part in (text, before, after))
    pieces = _pieces(mine, base)
    result: list[str] = []
    position = 0
    for start, end, replacement in _changes(base, wanted):
        result += _kept(pieces, base, position, start)
        result += replacement
        position = end
    result += _kept(pieces, base, position, len(base))
    return "".join(result).removesuffix(_END)


def _lines(text: str) -> list[str]:
    return [*(line for line in re.split(r"(?<=\n)", text) if line), _END]


def _pieces(mine: Sequence[str], base: Sequence[str]) -> list[Piece]:
    """What of the text stands for which of its normal form's lines."""
    pieces: list[Piece] = []
    told = [[_STYLE.sub("", line) for line in lines] for lines in (base, mine)]
    for start, end, first, last in _opcodes(*told):
        if end - start == last - first:
            pieces += ((start + n, start + n + 1, [mine[first + n]]) for n in range(end - start))
        else:
            pieces.append((start, end, list(mine[first:last])))
    return pieces


def _changes(base: Sequence[str], wanted: Sequence[str]) -> list[Piece]:
    return [
        (start, end, list(wanted[first:last]))
        for start, end, first, last in _opcodes(base, wanted)
        if base[start:end] != wanted[first:last]
    ]


def _kept(pieces: Sequence[Piece], base: Sequence[str], start: int, end: int) -> list[str]:
    """The text for these lines of the normal form; a piece that is cut in two gives way to the normal form.

    Lines that the normal form lacks, blank ones, stay with the line below them.
    """
    lines: list[str] = []
    for first, last, mine in pieces:
        if start <= first < end and last <= end:
            lines += mine
        elif first < end and start < last:
            lines += base[max(first, start) : min(last, end)]
    return lines


def _opcodes(one: Sequence[str], other: Sequence[str]) -> list[tuple[int, int, int, int]]:
    return [opcode[1:] for opcode in SequenceMatcher(None, one, other, autojunk=False).get_opcodes()]
