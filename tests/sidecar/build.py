"""The sidecar's Makefile, run once at a time."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "sidecar"


def make(target: str, *variables: str) -> Path:
    """Make a target and return it; parallel runs of one checkout build one after the other."""
    with (Path(tempfile.gettempdir()) / f"udp-healthcheck-{os.getuid()}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = ["make", "--no-print-directory", "-C", str(SOURCE), target, *variables]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return SOURCE / target
