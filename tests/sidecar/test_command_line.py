"""The command line: what it refuses, and the words that stand alone on it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from webhook import __version__

pytestmark = pytest.mark.sidecar

EX_USAGE = 64


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=10, check=False)


def test_the_tables_in_c_hold(program: Path) -> None:
    made = subprocess.run(
        ["make", "--no-print-directory", "-C", str(program.parents[1]), "test"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr


@pytest.mark.parametrize(
    ("arguments", "option", "reason"),
    [
        ([], "--port", "give at least one"),
        (["--port"], "--port", "NUMBER[,key=value...] must follow"),
        (["--port", "0"], "--port 0", "a port number from 1 to 65535"),
        (["--port", "53,speed=high"], "--port 53,speed=high", "unknown key 'speed'"),
        (["--port", "53,rise=1,rise=1"], "--port 53,rise=1,rise=1", "rise is given twice"),
        (["--port", "53", "--port", "53"], "--port 53", "this port is given twice"),
        (["--port", "53,interval=1ms"], "--port 53,interval=1ms", "from 50ms to 300s"),
        (["--port", "53,probe=\n\x1b[31m"], "--port 53,probe=??[31m", "must be bound, payload or none"),
        (["--verbose"], "--verbose", "unknown option"),
        (["--grammar", "one"], "--grammar", "a version number must follow"),
        (["--version", "--once"], "--version", "must stand alone"),
        ([word for port in range(1, 66) for word in ("--port", str(port))], "--port 65", "the 64 that fit"),
    ],
    ids=lambda value: " ".join(value[:4]) if isinstance(value, list) else None,
)
def test_a_malformed_command_line_is_one_line_and_exit_64(
    program: Path, arguments: list[str], option: str, reason: str
) -> None:
    done = run(program, *arguments)
    assert done.returncode == EX_USAGE
    assert done.stdout == ""
    assert done.stderr.startswith(f"udp-healthcheck: {option}: ")
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith("\n")


def test_version_is_one_line_with_the_projects_version(program: Path) -> None:
    assert run(program, "--version").stdout == f"udp-healthcheck {__version__}\n"


def test_help_names_every_option(program: Path) -> None:
    done = run(program, "--help")
    assert done.returncode == 0
    for word in (
        "--port",
        "probe=",
        "queue=",
        "udp=",
        "tcp=",
        "send=",
        "expect=",
        "mask=",
        "from=",
        "to=",
        "timeout=",
        "interval=",
        "settle=",
        "rise=",
        "fall=",
        "--once",
        "--drain",
        "--grammar",
    ):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("version", "code"), [("1", 0), ("0", 1), ("2", 1), ("9" * 30, 1), ("", 64), ("x", 64)]
)
def test_grammar_tells_by_its_exit_code_whether_a_version_is_known(
    program: Path, version: str, code: int
) -> None:
    done = run(program, "--grammar", version)
    assert done.returncode == code
    assert done.stdout == ""
