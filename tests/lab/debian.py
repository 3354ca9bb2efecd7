"""Real servers and emulators for the tests: installed ones, else Debian's packages, unpacked into the cache.

apt downloads with lists and folders of its own and nothing is installed, so that an ordinary user can. Standard
library only, like the Go programs: `python3 -m tests.lab.debian`.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.lab.programs import MissingProgram, Say, cache_directory, say_on_stderr

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
EMULATOR = {"x86_64": "qemu-aarch64-static", "aarch64": "qemu-x86_64-static"}[platform.machine()]
PACKAGES = {
    "dnsmasq": "dnsmasq-base",
    "turnserver": "coturn",
    "chronyd": "chrony",
    "snmpd": "snmpd",
    "kamailio": "kamailio",
    EMULATOR: "qemu-user-static",
}


def command(name: str) -> list[str]:
    """The head of a command that runs the program.

    Raises:
        MissingProgram: it is not installed, and apt cannot get it.
    """
    if installed := shutil.which(name, path=PATH):
        return [installed]
    root = _unpacked()
    program = shutil.which(name, path=f"{root}/usr/sbin:{root}/usr/bin")
    if program is None:
        raise MissingProgram(f"Debian's {PACKAGES[name]} holds no {name}: install it")
    libraries = ":".join(map(str, root.glob("usr/lib/*-linux-gnu")))
    return ["/usr/bin/env", f"LD_LIBRARY_PATH={libraries}", program]


def folder(path: str) -> Path:
    """A folder of an installed or unpacked package, by a pattern such as `usr/lib/*/kamailio`.

    Raises:
        MissingProgram: there is none.
    """
    found = next(Path("/").glob(path), None) or next(_unpacked().glob(path), None)
    if found is None:
        raise MissingProgram(f"no package of Debian holds /{path}")
    return found


def _unpacked(say: Say = say_on_stderr) -> Path:
    """The packages of all programs that are not installed, and what these depend on, under one root."""
    missing = sorted({package for name, package in PACKAGES.items() if not shutil.which(name, path=PATH)})
    release = _debian(missing)
    key = hashlib.sha256(" ".join([release, *missing]).encode()).hexdigest()[:12]
    home = cache_directory().parent / "debian"
    root = home / f"{release}-{key}"
    if not root.exists():
        say(f"fetching {' '.join(missing)} from Debian's archive (once; a minute)")
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home) as scratch:
            _download(Path(scratch), missing)
            for package in Path(scratch).glob("archives/*.deb"):
                _run(["dpkg-deb", "--extract", str(package), f"{scratch}/root"], missing)
            try:
                Path(scratch, "root").rename(root)
            except OSError:  # somebody else was faster
                if not root.exists():
                    raise
    return root


def _download(scratch: Path, packages: Sequence[str]) -> None:
    for part in ("lists/partial", "archives/partial"):
        (scratch / part).mkdir(parents=True)
    # dpkg's own status is read, so what the machine has is not fetched again.
    apt = ["apt-get", "-q", "-y", f"-oDir::State::Lists={scratch}/lists", f"-oDir::Cache={scratch}"]
    apt += ["-oDebug::NoLocking=true", "-oAPT::Sandbox::User=", "-oAPT::Update::Post-Invoke::="]
    _run([*apt, "update"], packages)
    _run([*apt, "--download-only", "--no-install-recommends", "install", *packages], packages)


def _debian(packages: Sequence[str]) -> str:
    release = Path("/etc/os-release").read_text()
    found = re.search(r"^VERSION_CODENAME=(\w+)$", release, re.MULTILINE)
    if found is None or not shutil.which("apt-get"):
        raise MissingProgram(f"the sidecar's tests need what Debian calls {' '.join(packages)}: install them")
    return found[1]


def _run(line: Sequence[str], packages: Sequence[str]) -> None:
    done = subprocess.run(
        line,
        env=os.environ | {"LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise MissingProgram(
            f"{' '.join(line)} failed: {done.stderr.strip()}\nor install them: {' '.join(packages)}"
        )


def main() -> int:
    """Find or fetch them all."""
    try:
        for name in PACKAGES:
            print(*command(name), flush=True)
    except MissingProgram as missing:
        print(f"udplb: {missing}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
