"""Who may import whom: the contracts stand in pyproject.toml."""

import subprocess
import sys
from pathlib import Path


def test_the_import_contracts_hold() -> None:
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
