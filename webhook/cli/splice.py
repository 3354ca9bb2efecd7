"""A change made on a text's normal form, carried over to the text itself: what did not change stays to the letter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from functools import partial
from itertools import starmap

_STYLE = re.compile(r"""[\s'"]""")
"""What a normal form writes otherwise and no line is recognised by."""
_END = "\0"
"""A line behind the last one, so that every line has one below it."""
_WHITE = f" \r\n{_END}"

Level = tuple[int, bool]
"""An indent, and whether a dash stands there: a list may be no deeper than its key."""
Piece = tuple[int, int, list[str]]
"""Lines from one number to another of the normal form, and what stands for them."""


def splice(text: str, before: str, after: str) -> str:
    """`text` with the lines that differ between `before`, which is its normal form, and `after`.

    A line of the text that has to change becomes the normal form's, as deep as the lines around it stand.
    """
    mine, base, wanted = (_lines(part) for part in (text, before, after))
    pieces = _pieces(mine, base)
    result: list[str] = []
    depth = _Depth()
    position = 0
    for start, end, replacement in [*_changes(base, wanted), (len(base), len(base), [])]:
        for normal, lines in _kept(pieces, base, position, start):
            result += lines
            depth.take(normal, lines)
        below = filter(None, starmap(_shift, _kept(pieces, base, end, len(base))))
        result += map(partial(depth.moved, below=next(below, None)), replacement)
        position = end
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


def _kept(
    pieces: Sequence[Piece], base: Sequence[str], start: int, end: int
) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """These lines of the normal form and the text for them; a piece that is cut in two gives way to the former.

    Lines that the normal form lacks, blank ones, stay with the line below them.
    """
    for first, last, mine in pieces:
        normal = base[max(first, start) : min(last, end)]
        if start <= first < end and last <= end:
            yield normal, mine
        elif first < end and start < last:
            yield normal, normal


class _Depth:
    """How much deeper than in the normal form the lines of the text stand, level by level, down to the last one."""

    def __init__(self) -> None:
        self._levels: list[tuple[Level, int]] = []
        """Each level of the normal form, and how many columns the text adds."""

    def take(self, normal: Sequence[str], lines: Sequence[str]) -> None:
        """The next lines are these."""
        found = _shift(normal, lines)
        if found:
            self._enter(found[0])
            self._levels.append(found)

    def moved(self, line: str, below: tuple[Level, int] | None) -> str:
        """The next line is this one of the normal form: it goes where its siblings or its parent are.

        `below` is of the next line that is kept, which may be its only sibling.
        """
        level = _level(line)
        shift = 0
        if level:
            self._enter(level)
            parent = self._levels[-1] if self._levels else (level, 0)
            shift = below[1] if below and below[0] == level != parent[0] else parent[1]
            self._levels.append((level, shift))
        elif self._levels:
            shift = self._levels[-1][1]
        return " " * shift + line if shift > 0 else line[min(-shift, _indent(line)) :]

    def _enter(self, level: Level) -> None:
        """Leave the levels that are no sibling's and no parent's of this one."""
        while self._levels and self._levels[-1][0] > level:
            self._levels.pop()


def _shift(normal: Sequence[str], lines: Sequence[str]) -> tuple[Level, int] | None:
    """The level of a line of the normal form, and how many columns the text adds; None where they cannot be told."""
    level = _level(normal[0]) if len(normal) == len(lines) == 1 else None
    return (level, _indent(lines[0]) - level[0]) if level else None


def _level(line: str) -> Level | None:
    """None of comments and blank lines, which may stand anywhere."""
    bare = line.strip(_WHITE)
    return (_indent(line), bare.startswith("-")) if bare and not bare.startswith("#") else None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _opcodes(one: Sequence[str], other: Sequence[str]) -> list[tuple[int, int, int, int]]:
    return [opcode[1:] for opcode in SequenceMatcher(None, one, other, autojunk=False).get_opcodes()]
