"""The pages under docs/ name files, headings and tests that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.examples import documents, inject_text

ROOT = Path(__file__).parents[1]
AWS_PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"
PAGES = sorted(path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md"))
GOOD_PRACTICES = (ROOT / "docs" / "good-practices.md").read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The headings of a page, as GitHub names them, and the anchors that are written out."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'<a id="([^"]+)"', text))


def broken(page: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^):]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        there = (ROOT / page).parent / file if file else ROOT / page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(broken(page)) == []


def test_every_good_practice_is_proved_by_a_test_that_exists() -> None:
    rows = [line for line in GOOD_PRACTICES.splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(row.split("|")[1]) for row in rows] == list(range(1, 31))
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, row
        for file, test in named:
            assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{test}"


def test_the_pointers_for_argo_cd_are_what_differs_from_a_manifest() -> None:
    """What udplb changes of what a user wrote; what it adds is no difference."""
    attributes = f"{AWS_PREFIX}attributes"
    written: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "game", "annotations": {attributes: "deletion_protection.enabled=true"}},
        "spec": {
            "type": "LoadBalancer",
            "externalTrafficPolicy": "Cluster",
            "selector": {"app": "game"},
            "ports": [{"port": 7777, "protocol": "UDP", "targetPort": 7777}],
        },
    }
    (admitted,) = documents(inject_text(json.dumps(written)).stdout)
    changed = {
        f"/{'/'.join(path)}/{key.replace('/', '~1')}"
        for path in (("metadata", "annotations"), ("spec",))
        for key, value in at(written, path).items()
        if at(admitted, path)[key] != value
    }
    page = (ROOT / "docs" / "eks.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (ignored,) = yaml.safe_load(snippet)["spec"]["ignoreDifferences"]
    assert set(ignored["jsonPointers"]) == changed


def at(raw: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    return reduce(lambda held, step: held[step], path, raw)
