"""Edits become the fewest operations that have their effect."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.pod.pods import apply as edited
from webhook.patch import apply, operations
from webhook.policy.finding import Action, Edit

CODE = "UDPLB900"
A, B = ("metadata", "annotations", "example.com/a~b"), ("metadata", "annotations", "b")


def put(*path: str | int, value: Any = "x") -> Edit:
    return Edit(CODE, path, value)


def insert(*path: str | int, value: Any = "x") -> Edit:
    return Edit(CODE, path, value, Action.INSERT)


def remove(*path: str | int) -> Edit:
    return Edit(CODE, path, action=Action.REMOVE)


ROWS: list[tuple[str, dict[str, Any], list[Edit], list[dict[str, Any]]]] = [
    ("nothing to do", {"a": 1}, [], []),
    (
        "two annotations on an object without annotations are one operation",
        {"metadata": {}},
        [put(*A), put(*B)],
        [{"op": "add", "path": "/metadata/annotations", "value": {"example.com/a~b": "x", "b": "x"}}],
    ),
    (
        "all missing parents are made at once",
        {},
        [put(*B)],
        [{"op": "add", "path": "/metadata", "value": {"annotations": {"b": "x"}}}],
    ),
    (
        "null is as good as missing",
        {"metadata": {"annotations": None}},
        [put(*B)],
        [{"op": "replace", "path": "/metadata/annotations", "value": {"b": "x"}}],
    ),
    (
        "a key is escaped",
        {"metadata": {"annotations": {}}},
        [put(*A)],
        [{"op": "add", "path": "/metadata/annotations/example.com~1a~0b", "value": "x"}],
    ),
    ("an equal value is left", {"a": {"b": [1]}}, [put("a", value={"b": [1]})], []),
    (
        "true is not 1",
        {"a": [1]},
        [put("a", value=[True])],
        [{"op": "replace", "path": "/a", "value": [True]}],
    ),
    ("another value replaces", {"a": 1}, [put("a", value=2)], [{"op": "replace", "path": "/a", "value": 2}]),
    (
        "an item is replaced",
        {"a": [1, 2]},
        [put("a", 1, value=3)],
        [{"op": "replace", "path": "/a/1", "value": 3}],
    ),
    ("an item comes first", {"a": [1]}, [insert("a", 0)], [{"op": "add", "path": "/a/0", "value": "x"}]),
    ("an item comes last", {"a": [1]}, [insert("a", -1)], [{"op": "add", "path": "/a/-", "value": "x"}]),
    (
        "a list is made",
        {},
        [insert("a", 0), insert("a", -1)],
        [{"op": "add", "path": "/a", "value": ["x", "x"]}],
    ),
    ("an absent member stays absent", {"a": {}}, [remove("a", "b"), remove("c", "d"), remove("c")], []),
    ("an absent item stays absent", {"a": [1]}, [remove("a", 1)], []),
    ("a member goes", {"a": {"b": None}}, [remove("a", "b")], [{"op": "remove", "path": "/a/b"}]),
    (
        "each edit sees those before it",
        {"a": [1, 2]},
        [remove("a", 0), insert("a", 0, value=0)],
        [{"op": "remove", "path": "/a/0"}, {"op": "add", "path": "/a/0", "value": 0}],
    ),
]


@pytest.mark.parametrize(
    ("raw", "edits", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_edits_become_the_fewest_operations(
    raw: dict[str, Any], edits: list[Edit], expected: list[dict[str, Any]]
) -> None:
    before = copy.deepcopy(raw)
    assert operations(raw, edits) == expected
    assert raw == before


def test_a_path_through_a_missing_item_is_a_fault() -> None:
    with pytest.raises(IndexError):
        operations({"a": []}, [put("a", 3, "b")])


KEYS = st.sampled_from(["a", "b", "c/d", "e~f", ""])
SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "x"])
OBJECTS = st.dictionaries(
    KEYS,
    st.dictionaries(KEYS, st.dictionaries(KEYS, SCALARS, max_size=3) | st.none(), max_size=3),
    max_size=3,
)
VALUES = SCALARS | st.dictionaries(KEYS, SCALARS, max_size=2)
SETS = st.builds(lambda path, value: put(*path, value=value), st.tuples(KEYS, KEYS, KEYS), VALUES)
LISTED = st.builds(
    lambda key, where, value: insert("list", key, where, value=value), KEYS, st.sampled_from([0, -1]), VALUES
)


@given(OBJECTS, st.lists(SETS | LISTED, max_size=8))
def test_applying_the_operations_is_applying_the_edits(raw: dict[str, Any], edits: list[Edit]) -> None:
    changes = operations(raw, edits)
    applied = apply(raw, json.loads(json.dumps(changes)))
    assert json.dumps(applied, sort_keys=True) == json.dumps(edited(raw, edits), sort_keys=True)


@given(OBJECTS, st.lists(SETS, max_size=8))
def test_what_is_there_already_yields_no_operation(raw: dict[str, Any], edits: list[Edit]) -> None:
    last_word = {edit.path: edit for edit in edits}.values()
    applied = apply(raw, operations(raw, last_word))
    assert operations(applied, last_word) == []


@given(OBJECTS, st.lists(SETS, max_size=8))
def test_no_operation_is_more_than_one_edit_needs(raw: dict[str, Any], edits: list[Edit]) -> None:
    assert len(operations(raw, edits)) <= len(edits)
