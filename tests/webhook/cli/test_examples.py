"""What `udplb inject` makes of docs/examples, held by golden files: `make golden` writes them anew."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.examples import EXAMPLES, FILES, GOLDEN, GOOD, documents, inject, outcome
from webhook.cli.inject import app
from webhook.policy import keys


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_becomes_what_its_golden_file_shows(path: Path) -> None:
    golden = GOLDEN / path.name
    known = golden.read_text(encoding="utf-8").splitlines() if golden.exists() else []
    diff = difflib.unified_diff(known, outcome(path).splitlines(), str(golden), "now", lineterm="")
    changed = "\n".join(diff)
    assert not changed, f"{changed}\n\nif this is meant: make golden"


def test_every_golden_file_has_its_example() -> None:
    assert {path.name for path in GOLDEN.glob("*.yaml")} == {path.name for path in FILES}


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_an_injected_example_needs_nothing_more(path: Path) -> None:
    again = CliRunner().invoke(app, ["--diff"], input=inject(path).stdout)
    assert (again.exit_code, again.stdout) == (0, "")


def test_the_table_of_the_examples_names_each_once() -> None:
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| \[([^]]+)\]\(\1\)", table, re.MULTILINE)
    assert sorted(named) == [path.name for path in FILES]


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_an_example_is_fit_to_be_copied(path: Path) -> None:
    """Every container says what it needs and what it may, but for the README's bare game server."""
    for raw in documents(path.read_text(encoding="utf-8")):
        for container in raw.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ()):
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]
            if path.stem != "game-server":
                assert not container["securityContext"]["allowPrivilegeEscalation"]
                assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]


def test_no_example_holds_what_udplb_writes_into_pods() -> None:
    assert [path.name for path in FILES if keys.STATUS in path.read_text(encoding="utf-8")] == []
