"""The README shows files that exist and names commands that exist."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_a_manifest_in_the_readme_is_a_file_of_the_examples() -> None:
    shown = re.findall(r"<!-- (docs/examples/\S+) -->\n```yaml\n(.*?)```", README, re.DOTALL)
    assert len(shown) == README.count("```yaml") > 0
    assert {name: (ROOT / name).read_text() for name, _ in shown} == dict(shown)


def test_every_manifest_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"docs/examples/[\w.-]+\.yaml", README))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_every_link_of_the_readme_leads_somewhere() -> None:
    assert [link for link in re.findall(r"\]\(([^)#:]+)\)", README) if not (ROOT / link).exists()] == []


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"\bmake ([a-z][a-z0-9-]*)", README))
    assert {target for target in named if not re.search(rf"^{target}:", makefile, re.MULTILINE)} == set()


def test_the_readmes_first_command_shows_the_diff_and_one_finding() -> None:
    command = [
        sys.executable,
        "-m",
        "webhook.cli",
        "inject",
        "--diff",
        "-f",
        "docs/examples/game-server.yaml",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "+  loadBalancerClass: service.k8s.aws/nlb" in done.stdout
    assert len(done.stderr.splitlines()) == 1
