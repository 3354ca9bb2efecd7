"""The node's own network, mount and process namespaces, joined to this machine by one link.

Killing the one process that holds them ends every program, mount, address and rule of the node. Addresses
are of 198.18.0.0/15, which is set aside for tests of networks (RFC 2544), so no real host is ever meant.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.lab.process import LabError, Process, wait_until
from tests.lab.scratch import scratch_directory

LINK = "udplb-node"
OUTSIDE = "198.18.0.1"
NODE = "198.18.0.2"
WHOLE = "198.18.0.0/16"
PODS = "198.18.64.0/24"
SERVICES = "198.18.128.0/20"
CGROUP = "udplb-node"
START_SECONDS = 10.0
INIT = Path(__file__).with_name("init.py")
# What a kubelet sets for the whole machine, put back afterwards.
KERNEL_SETTINGS = (
    "vm/overcommit_memory",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)


class NodeNamespaces:
    """The namespaces while the context lasts; `state` is the node's folder on this machine."""

    def __enter__(self) -> NodeNamespaces:
        with ExitStack() as cleanup:
            self.state = cleanup.enter_context(scratch_directory())
            cleanup.enter_context(_kernel_settings_kept())
            cleanup.enter_context(_cgroup())
            command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--"]
            command += [sys.executable, "-IS", str(INIT), str(self.state)]
            init = Process(command, self.state / "init.log")
            cleanup.callback(init.stop)
            wait_until((self.state / "pid").exists, "namespaces of the node", START_SECONDS, init)
            self._pid = (self.state / "pid").read_text()
            self._link()
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def command(self, *words: str | Path) -> list[str | Path]:
        """The command as it runs inside the node."""
        return ["nsenter", f"--target={self._pid}", "--net", "--mount", "--pid", "--", *words]

    def run(self, *words: str | Path, stdin: str | None = None) -> str:
        """Run a program inside the node and return what it printed."""
        return _run(self.command(*words), stdin)

    def _link(self) -> None:
        """Join this machine to the node; the kernel removes the link and its routes with the namespace."""
        _run(["ip", "link", "add", LINK, "type", "veth", "peer", "name", "eth0", "netns", self._pid])
        _run(["ip", "address", "add", f"{OUTSIDE}/30", "dev", LINK])
        _run(["ip", "link", "set", LINK, "up"])
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "address", "add", f"{NODE}/30", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        # A process on the node reaches a ClusterIP only if some route covers it.
        self.run("ip", "route", "add", WHOLE, "via", OUTSIDE)
        _run(["ip", "route", "add", WHOLE, "via", NODE])
        self.run(
            "sysctl", "--quiet", "--write", "net.ipv4.ip_forward=1", "net.bridge.bridge-nf-call-iptables=1"
        )


def left_behind(namespaces: NodeNamespaces) -> list[str]:
    """Links, cgroups, mounts, folders and processes of a node that has ended."""
    state = str(namespaces.state)
    paths = [Path("/sys/class/net", LINK), namespaces.state, *(one / CGROUP for one in _hierarchies())]
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if state in line]
    processes = [line for line in _run(["ps", "-e", "-o", "pid=,args="]).splitlines() if state in line]
    return [*(str(path) for path in paths if path.exists()), *mounts, *processes]


def _run(command: Sequence[str | Path], stdin: str | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in command], input=stdin or "", capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise LabError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def _kernel_settings_kept() -> Iterator[None]:
    before = {
        path: path.read_text() for name in KERNEL_SETTINGS if (path := Path("/proc/sys", name)).exists()
    }
    try:
        yield
    finally:
        for path, value in before.items():
            path.write_text(value)


@contextmanager
def _cgroup() -> Iterator[None]:
    """A cgroup for the node in each hierarchy (one with cgroup v2), empty again and gone afterwards."""
    folders = [hierarchy / CGROUP for hierarchy in _hierarchies()]
    for folder in folders:
        _remove_cgroups(folder)
        folder.mkdir()
        for name in ("cpuset.cpus", "cpuset.mems"):  # in v1 nobody may enter while these are empty
            if (folder / name).exists() and folder.parent.joinpath(name).exists():
                (folder / name).write_text((folder.parent / name).read_text())
    try:
        yield
    finally:
        for folder in folders:
            _remove_cgroups(folder)


def _hierarchies() -> list[Path]:
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return [root]
    return [folder for folder in root.iterdir() if folder.is_dir() and not folder.is_symlink()]


def _remove_cgroups(folder: Path) -> None:
    """Remove a cgroup and all below it, ending what an interrupted run left in them."""
    if not folder.exists():
        return
    for directory, _, _ in os.walk(folder, topdown=False):
        wait_until(lambda: _removed(Path(directory)), f"end of {directory}", START_SECONDS)


def _removed(folder: Path) -> bool:
    """Whether it is gone; the kernel says busy until the last process in it has been reaped."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
