"""A second of mutated input for each parser, under sanitizers; `make fuzz` takes its time."""

from __future__ import annotations

import subprocess

import pytest

from tests.sidecar.build import make

pytestmark = pytest.mark.sidecar


@pytest.mark.parametrize("parser", ["arguments", "proc_net", "reply", "http", "sock_diag", "addresses"])
def test_mutated_input_breaks_no_promise(parser: str) -> None:
    fuzz = make("build/fuzz")
    done = subprocess.run([fuzz, parser, "1", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "no finding" in done.stdout
