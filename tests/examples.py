"""The manifests of docs/examples, and what `udplb inject` is known to make of each.

`make golden` writes tests/golden/examples anew; read the diff before you commit it.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner, Result

from webhook import __version__
from webhook.cli.inject import app

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples"
GOLDEN = ROOT / "tests" / "golden" / "examples"
FILES = tuple(sorted(EXAMPLES.glob("*.yaml")))
REJECTED = EXAMPLES / "rejected.yaml"
GOOD = tuple(path for path in FILES if path != REJECTED)
"""The examples to copy: all but the one that is to be refused."""


def documents(text: str) -> list[dict[str, Any]]:
    """The objects of a manifest, by YAML 1.1 as kubectl reads them: 0440 is octal."""
    return list(yaml.safe_load_all(text))


@cache
def inject(path: Path) -> Result:
    """What `udplb inject` says to the manifest."""
    return CliRunner().invoke(app, ["-f", str(path)])


def inject_text(manifest: str) -> Result:
    """What `udplb inject` says to a manifest on its standard input."""
    return CliRunner().invoke(app, ["-f", "-"], input=manifest)


def outcome(path: Path) -> str:
    """Exit code and findings as comments, then the manifest that comes out; without our own version."""
    done = inject(path)
    said = "".join(f"# {line}\n" for line in (f"exit {done.exit_code}", *done.stderr.splitlines()))
    ours = re.compile(rf'(udp-healthcheck:|"version":"){re.escape(__version__)}')
    return ours.sub(r"\1VERSION", f"{said}#\n{done.stdout}")


def main() -> None:
    """Write every golden file anew, and drop those without an example."""
    GOLDEN.mkdir(exist_ok=True)
    for stale in GOLDEN.glob("*.yaml"):
        stale.unlink()
    for path in FILES:
        (GOLDEN / path.name).write_text(outcome(path), encoding="utf-8")
        print(os.path.relpath(GOLDEN / path.name))


if __name__ == "__main__":
    main()
