"""Typed reading of raw JSON: absent and null are empty, another type than the API's is said once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class MalformedObject(ValueError):
    """A field of the object has a type that the API does not have; the text is the field's path.

    Such an object is let through: the API server refuses it in words of its own.
    """


class Raw:
    """A JSON object of the request and where it stands in it."""

    __slots__ = ("fields", "path")

    def __init__(self, fields: Any, path: str = "") -> None:
        if fields is None:
            fields = {}
        if not isinstance(fields, dict):
            raise MalformedObject(path or "object")
        self.fields: Mapping[str, Any] = fields
        self.path = path

    def get(self, name: str) -> Any:
        return self.fields.get(name)

    def map(self, name: str) -> Raw:
        value = self.fields.get(name)
        return _NOTHING if value is None else Raw(value, self._at(name))

    def items(self, name: str) -> list[Any]:
        return self._typed(name, list) or []

    def maps(self, name: str) -> list[Raw]:
        items = self.items(name)
        if not items:
            return []
        path = self._at(name)
        return [Raw(item, f"{path}[{index}]") for index, item in enumerate(items) if item is not None]

    def text(self, name: str) -> str:
        return self._typed(name, str) or ""

    def texts(self, name: str) -> tuple[str, ...]:
        items = self.items(name)
        if not all(isinstance(item, str) for item in items):
            raise MalformedObject(self._at(name))
        return tuple(items)

    def integer(self, name: str) -> int:
        value = self.fields.get(name)
        if value is None:
            return 0
        if type(value) is not int:  # a bool is an int to Python
            raise MalformedObject(self._at(name))
        return value

    def boolean(self, name: str) -> bool | None:
        return self._typed(name, bool)

    def strings(self, name: str) -> dict[str, str]:
        """A map of strings (labels, annotations, a selector)."""
        entries = self.map(name).fields
        if not all(isinstance(value, str) for value in entries.values()):
            raise MalformedObject(self._at(name))
        return dict(entries)

    def _typed(self, name: str, kind: type[T]) -> T | None:
        value = self.fields.get(name)
        if value is not None and not isinstance(value, kind):
            raise MalformedObject(self._at(name))
        return value

    def _at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


_NOTHING = Raw(None)
"""A map that is absent: most are, and nothing in it can have a wrong type."""
