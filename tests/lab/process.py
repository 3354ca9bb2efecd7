"""A program that never outlives the process that started it.

Between the two stands a keeper (this file run as a script) that holds the read end of a pipe. The kernel
closes the other end when the owner dies, whatever it died of, and the keeper then ends the program. Should
the keeper itself be killed, the kernel kills the program (PR_SET_PDEATHSIG, which is bound to a thread of the
parent and therefore of no use to an owner with threads; the keeper has one).

Standard library only, and nothing of this project: the keeper starts in isolated mode.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.02


class LabError(Exception):
    """Something of the lab did not do what the tests build on; the text carries the end of its log."""


class Process:
    """A running program whose output goes to the end of `log`.

    `grace` is how many seconds the program has between SIGTERM and SIGKILL when it is stopped; with 0 it is
    killed at once.
    """

    def __init__(
        self, command: Sequence[str | Path], log: Path, grace: float = 0, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = Path(command[0]).name
        self.log = log
        keeper = [sys.executable, "-IS", __file__, str(grace), *map(str, command)]
        with log.open("ab") as output:
            self._keeper = subprocess.Popen(
                keeper,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=env,
                start_new_session=True,
            )

    def running(self) -> bool:
        return self._keeper.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send the program a signal."""
        if self._keeper.stdin is None or self._keeper.stdin.closed:
            raise LabError(f"{self.name} has been stopped")
        self._keeper.stdin.write(bytes([number]))

    def wait(self, seconds: float) -> int:
        """The exit code once the program has ended by itself, negative for a signal."""
        try:
            code = self._keeper.wait(seconds)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name} still runs after {seconds:.0f} s\n{self.tail()}") from None
        return 128 - code if code > 128 else code

    def stop(self, seconds: float = 30) -> int:
        """End the program and return its exit code, negative for a signal."""
        if self._keeper.stdin is not None:
            self._keeper.stdin.close()
        return self.wait(seconds)

    def tail(self, lines: int = 30) -> str:
        """The last lines of its output, for a person who wants to know why."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def wait_until(condition: Callable[[], bool], what: str, seconds: float, *needed: Process) -> None:
    """Poll until the condition holds.

    Raises:
        LabError: time is up or one of the needed processes has ended.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        for process in needed:
            if not process.running():
                raise LabError(f"{process.name} ended while waiting for {what}:\n{process.tail()}")
        if time.monotonic() > deadline:
            logs = "".join(f"\n--- {process.name}\n{process.tail()}" for process in needed)
            raise LabError(f"no {what} within {seconds:.0f} s{logs}")
        time.sleep(POLL_SECONDS)


def _keep(grace: float, command: Sequence[str]) -> int:
    """Run the command until it ends or standard input does; every byte read is a signal for it."""
    keeper = os.getpid()
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=lambda: _die_with(keeper))
    ended = os.pidfd_open(program.pid)
    while True:
        readable, _, _ = select.select([0, ended], [], [])
        if ended in readable:
            break
        numbers = os.read(0, 64)
        if not numbers:
            _end(program, grace)
            break
        for number in numbers:
            program.send_signal(number)
    code = program.wait()
    return 128 - code if code < 0 else code


def _die_with(keeper: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:
        os._exit(1)


def _end(program: subprocess.Popen[bytes], grace: float) -> None:
    if grace > 0:
        program.send_signal(signal.SIGCONT)
        program.terminate()
        try:
            program.wait(grace)
        except subprocess.TimeoutExpired:
            pass
        else:
            return
    program.kill()


if __name__ == "__main__":
    sys.exit(_keep(float(sys.argv[1]), sys.argv[2:]))
