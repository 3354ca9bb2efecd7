"""Process 1 of the node: makes the mounts that a kubelet expects, says that it is there, and reaps.

Run by `namespaces.py` under unshare, with the state folder as its argument. Standard library only.
Nothing of it outlives this process: the mounts are the namespace's own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

CGROUPS = "/sys/fs/cgroup"
# Folders whose content on this machine is not the node's.
OWN = ("/run", "/var/lib", "/var/log")


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def main(state: Path) -> None:
    outer_pid = str(Path("/proc/self").readlink())  # still the /proc of the outer namespace
    mount("-t", "proc", "proc", "/proc")
    _renew_sys(state / "cgroups")
    for folder in OWN:
        mount("-t", "tmpfs", "tmpfs", folder)
    for folder in ("kubelet", "pods"):
        (state / folder).mkdir()
    for source, target in (("kubelet", "/var/lib/kubelet"), ("pods", "/var/log/pods")):
        Path(target).mkdir()
        mount("--bind", str(state / source), target)
    # containerd and kubelet make mounts that containers must see; before this line they would spread.
    mount("--make-rshared", "/")
    (state / "pid.new").write_text(outer_pid)
    (state / "pid.new").replace(state / "pid")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:
        signal.sigwait({signal.SIGCHLD})
        _reap()


def _reap() -> None:
    """Bury every orphan that has ended; one signal may stand for several."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


def _renew_sys(shelf: Path) -> None:
    """A /sys of this network namespace that still has the machine's cgroups."""
    shelf.mkdir()
    mount("--rbind", CGROUPS, str(shelf))
    mount("-t", "sysfs", "sysfs", "/sys")
    mount("--rbind", str(shelf), CGROUPS)
    subprocess.run(["umount", "--lazy", str(shelf)], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
