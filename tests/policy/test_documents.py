"""The generated documents say what the code says."""

from pathlib import Path

import pytest

from webhook.policy.catalogue import annotations_document, rules_document

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("name", "expected"), [("rules.md", rules_document()), ("annotations.md", annotations_document())]
)
def test_the_document_is_fresh(name: str, expected: str) -> None:
    assert (DOCS / name).read_text() == expected, "run: make docs"
