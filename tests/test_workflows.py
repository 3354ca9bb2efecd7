"""What the workflows promise. They run where the repository is hosted, not here."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.lab import programs

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))


def steps(name: str) -> list[dict[str, Any]]:
    (job,) = YAML(typ="safe").load((ROOT / ".github" / "workflows" / name).read_text())["jobs"].values()
    found: list[dict[str, Any]] = job["steps"]
    return found


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_taken_by_version_and_rights_are_named(workflow: Path) -> None:
    whole = YAML(typ="safe").load(workflow.read_text())
    assert whole["permissions"]["contents"] == "read"
    (job,) = whole["jobs"].values()
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert used
    assert [action for action in used if not re.search(r"@v\d+$", action)] == []


def test_actionlint_finds_nothing() -> None:
    done = subprocess.run(
        [programs.find("actionlint"), "-no-color", *WORKFLOWS], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_gate_is_what_ci_runs() -> None:
    assert steps("ci.yaml")[-1]["run"] == "bash .ci/run"


def test_a_release_holds_both_images_for_both_processors() -> None:
    builds = [step["with"] for step in steps("release.yaml") if "build-push" in step.get("uses", "")]
    targets = set(re.findall(r"^FROM .* AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    assert {build["target"] for build in builds} == {"webhook", "sidecar"} <= targets
    assert {build["platforms"] for build in builds} == {"linux/amd64,linux/arm64"}


def test_a_released_chart_names_registry_and_digests() -> None:
    package = next(step["run"] for step in steps("release.yaml") if "helm package" in step.get("run", ""))
    values = (ROOT / "charts" / "udplb" / "values.yaml").read_text()
    edits = re.findall(r"s\|(\^[^|]+)\|", package)
    assert len(edits) == 3
    assert [
        edit for edit in edits if len(re.findall(edit.replace('\\"', '"'), values, re.MULTILINE)) != 1
    ] == []
