"""Values as Go and the AWS Load Balancer Controller parse them, no wider and no narrower.

Source: LBC `pkg/annotations/parser.go` (string lists, string maps, int32, bool); Go `strconv`.
"""

from __future__ import annotations

import re

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_INTEGER = re.compile(r"([+-]?)0*([0-9]{1,19})", re.ASCII)
_COMMA_OR_ESCAPE = re.compile(r",|\\.", re.DOTALL)
_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(2**63), 2**63)
_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"


def parse_bool(text: str) -> bool | None:
    """`strconv.ParseBool`: None where Go returns an error."""
    if text in _TRUE:
        return True
    return False if text in _FALSE else None


def parse_int32(text: str) -> int | None:
    """`strconv.ParseInt(text, 10, 32)`: None where Go returns an error."""
    return _parse_int(text, _INT32)


def parse_int64(text: str) -> int | None:
    """`strconv.ParseInt(text, 10, 64)`, `strconv.Atoi`: None where Go returns an error."""
    return _parse_int(text, _INT64)


def _parse_int(text: str, legal: range) -> int | None:
    match = _INTEGER.fullmatch(text)
    if match is None:
        return None
    number = int("".join(match.groups()))
    return number if number in legal else None


def parse_list(text: str) -> tuple[str, ...]:
    """A comma list: items trimmed, empty ones dropped."""
    return tuple(item for part in text.split(",") if (item := part.strip(_SPACE)))


def parse_map(text: str) -> dict[str, str] | None:
    """A `key=value,…` map: None where the controller gives a parse error.

    Only the first `=` splits, a backslash takes the next character literally, and a comma at the very
    end belongs to the last value.
    """
    pairs: dict[str, str] = {}
    for item in _split_pairs(text):
        key, separator, value = item.partition("=")
        key = key.strip(_SPACE)
        if not separator or not key:
            return None
        pairs[key] = value.strip(_SPACE)
    return pairs


def _split_pairs(text: str) -> list[str]:
    """The items between commas; the length of an annotation is its author's, so one pass must do."""
    items: list[str] = []
    current: list[str] = []
    end = len(text.rstrip(_SPACE))
    last_equal = text.rfind("=")
    start = 0
    for mark in _COMMA_OR_ESCAPE.finditer(text):
        position = mark.start()
        current.append(text[start:position])
        start = mark.end()
        if mark[0] != ",":
            current.append(mark[0][-1])
        elif start >= end:
            current.append(",")
        else:
            items.append("".join(current).strip(_SPACE))
            if last_equal < position:
                return [*items, text[start:].strip(_SPACE)]
            current = []
    current.append(text[start:])
    return [*items, "".join(current).strip(_SPACE)] if text else items


def merge_pair(text: str, key: str, value: str) -> str | None:
    """The map with one pair more, everything the user wrote kept to the letter.

    None where no pair can be added without changing what the controller reads of the rest.
    """
    before = parse_map(text)
    if before is None or key in before:
        return None
    if not before:
        return f"{key}={value}"
    for joint in (",", "\\,"):
        merged = f"{text}{joint}{key}={value}"
        if parse_map(merged) == before | {key: value}:
            return merged
    return None
