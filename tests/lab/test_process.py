"""A program of the lab ends with its owner, and with its keeper."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.lab.process import LabError, Process, wait_until

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
POLITE = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); print('up', flush=True); signal.pause()"


def start(code: str, log: Path, grace: float = 0) -> Process:
    process = Process([sys.executable, "-c", code], log, grace)
    wait_until(lambda: "up" in process.tail(), "start", 10, process)
    return process


def test_the_exit_code_is_the_programs_own(tmp_path: Path) -> None:
    process = Process([sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "log")
    assert process.wait(10) == 3
    process.stop()


def test_a_program_may_end_by_itself_within_its_grace(tmp_path: Path) -> None:
    assert start(POLITE, tmp_path / "log", grace=10).stop() == 7


def test_a_program_that_outstays_its_grace_is_killed(tmp_path: Path) -> None:
    assert start(STUBBORN, tmp_path / "log", grace=0.1).stop() == -signal.SIGKILL


def test_without_grace_a_program_is_killed_at_once(tmp_path: Path) -> None:
    assert start(POLITE, tmp_path / "log").stop() == -signal.SIGKILL


def test_a_stopped_program_still_ends(tmp_path: Path) -> None:
    process = start(POLITE, tmp_path / "log", grace=10)
    process.signal(signal.SIGSTOP)
    assert process.stop() == 7


def test_a_signal_reaches_the_program(tmp_path: Path) -> None:
    process = start(POLITE, tmp_path / "log")
    process.signal(signal.SIGTERM)
    assert process.wait(10) == 7
    process.stop()


def test_a_killed_keeper_takes_its_program_along(tmp_path: Path) -> None:
    code = "import os, signal; print('up', os.getppid(), os.getpid(), flush=True); signal.pause()"
    process = start(code, tmp_path / "log")
    keeper, program = map(int, process.tail().split()[1:])
    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: not alive(program), "end of the program", 10)
    process.stop()


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_waiting_fails_with_the_log_of_a_program_that_ended(tmp_path: Path) -> None:
    process = Process([sys.executable, "-c", "raise SystemExit('no such flag')"], tmp_path / "log")
    with pytest.raises(LabError, match="no such flag"):
        wait_until(lambda: False, "readiness", 10, process)
    process.stop()


def test_waiting_fails_when_time_is_up() -> None:
    with pytest.raises(LabError, match="no miracle within 0 s"):
        wait_until(lambda: False, "miracle", 0)
