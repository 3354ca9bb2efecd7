"""The real programs that tests ask: the control plane's, the node's, and AWS's load balancer controller.

A program comes from `$KUBEBUILDER_ASSETS` (the field's convention: `setup-envtest use -p path`) or,
helm, from PATH; else from the cache; else it is built from the Go modules pinned beside this file
and kept in the cache, which lives outside the checkout and is keyed by version, lock, source and
compiler.

Standard library only: `python3 -m tests.lab.programs` builds while the rest is still being set up.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path

MODULES = Path(__file__).parent / "modules"
GO_AT_LEAST = (1, 26)
PROGRESS_SECONDS = 15.0
SCRATCH_PREFIX = ".building-"

Say = Callable[[str], None]


class Found(Enum):
    """Where a program is looked for before it is built."""

    ASSETS = "$KUBEBUILDER_ASSETS"
    PATH = "PATH"
    NOWHERE = "nowhere: it is always built"


class MissingProgram(Exception):
    """A program is neither there nor can be built; the text names the way out."""


@dataclass(frozen=True)
class Program:
    """One program and the Go package that it is built from.

    `asks` names the module whose version counts, where the program's own source stands beside its go.mod.
    """

    name: str
    module: str
    package: str
    stamp: str = ""
    found: Found = Found.ASSETS
    asks: str = ""

    @property
    def version(self) -> str:
        """The version that go.mod pins, without the `v`."""
        path = re.escape(self.asks or self.package.split("/cmd/")[0])
        pinned = re.search(rf"{path} v(\S+)", (MODULES / self.module / "go.mod").read_text())
        if pinned is None:
            raise MissingProgram(f"{self.module}/go.mod does not require {self.package}")
        return pinned[1]


# Without these a Kubernetes program calls itself v0.0.0-master, and charts with a kubeVersion refuse it.
KUBERNETES_STAMP = " ".join(
    f"-X {package}.{variable}"
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    for variable in ("gitVersion=v{version}", "gitMajor={major}", "gitMinor={minor}")
)

NEWEST = os.environ.get("KUBERNETES") == "newest"
"""Whether the API server and kubectl are the newest instead of what demo, tests and node share."""
KUBERNETES, KUBERNETES_FOUND = (
    ("kubernetes-newest", Found.NOWHERE) if NEWEST else ("kubernetes", Found.ASSETS)
)

CONTROL_PLANE = ("etcd", "kube-apiserver", "kubectl", "helm")
NODE = ("kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
PROGRAMS = {
    program.name: program
    for program in (
        Program("etcd", "etcd", "go.etcd.io/etcd/server/v3"),
        *(
            Program(name, KUBERNETES, f"k8s.io/kubernetes/cmd/{name}", KUBERNETES_STAMP, KUBERNETES_FOUND)
            for name in ("kube-apiserver", "kubectl")
        ),
        Program("helm", "helm", "helm.sh/helm/v4/cmd/helm", found=Found.PATH),
        *(
            Program(name, "kubernetes", f"k8s.io/kubernetes/cmd/{name}", KUBERNETES_STAMP, Found.NOWHERE)
            for name in NODE
        ),
        Program("actionlint", "actionlint", "github.com/rhysd/actionlint/cmd/actionlint", found=Found.PATH),
        Program(
            "lbc-model", "lbc", ".", found=Found.NOWHERE, asks="sigs.k8s.io/aws-load-balancer-controller"
        ),
    )
}


def say_on_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def cache_directory() -> Path:
    """Where finished programs are kept between checkouts."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "udplb" / "programs"


def find(name: str, say: Say = say_on_stderr) -> Path:
    """The program's path, building it first where it has to be.

    Raises:
        MissingProgram: `$KUBEBUILDER_ASSETS` lacks it, there is no usable Go, or the build failed.
    """
    program = PROGRAMS[name]
    given = _given(program)
    if given is not None:
        return given
    cached = _cached(program)
    if not cached.exists():
        with _one_build_at_a_time(say):
            if not cached.exists():
                _build(program, cached, say)
    return cached


def _given(program: Program) -> Path | None:
    if program.found is Found.NOWHERE:
        return None
    if program.found is Found.PATH:
        on_path = shutil.which(program.name)
        return Path(on_path) if on_path else None
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        return None
    given = Path(assets) / program.name
    if not os.access(given, os.X_OK):
        raise MissingProgram(
            f"KUBEBUILDER_ASSETS={assets} holds no {program.name}: "
            "run `setup-envtest use -p path` again, or unset it to have the program built"
        )
    return given


def _cached(program: Program) -> Path:
    module = MODULES / program.module
    sources = sorted(module.glob("*.go")) if program.asks else ()
    lock = b"".join(path.read_bytes() for path in (module / "go.sum", module / "go.mod", *sources))
    key = hashlib.sha256(lock + _go_version().encode() + program.stamp.encode()).hexdigest()[:12]
    return cache_directory() / f"{program.name}-{program.version}-{platform.machine()}-{key}" / program.name


@cache
def _go_version() -> str:
    out = ""
    if shutil.which("go"):
        asked = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False)
        out = asked.stdout.strip()
    found = re.match(r"go(\d+)\.(\d+)", out)
    if found is None or (int(found[1]), int(found[2])) < GO_AT_LEAST:
        raise MissingProgram(
            f"Go {'.'.join(map(str, GO_AT_LEAST))} or newer is needed to build the test control plane "
            f"(found: {out or 'none'}): install it from go.dev/dl, or set KUBEBUILDER_ASSETS to a folder "
            "with kube-apiserver, kubectl and etcd and put helm on PATH"
        )
    return out


def _build(program: Program, target: Path, say: Say) -> None:
    major, minor, *_ = program.version.split(".")
    stamp = program.stamp.format(version=program.version, major=major, minor=minor)
    environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}
    with tempfile.TemporaryDirectory(dir=target.parent.parent, prefix=SCRATCH_PREFIX) as scratch:
        command = ["go", "build", "-mod=readonly", "-trimpath", "-tags=providerless"]
        command += [f"-ldflags=-s -w {stamp}", f"-o={scratch}/{program.name}", program.package]
        with _ticking(say, f"building {program.name} {program.version} (once; minutes on two cores)"):
            built = subprocess.run(
                command,
                cwd=MODULES / program.module,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        if built.returncode != 0:
            raise MissingProgram(f"building {program.name} {program.version} failed:\n{built.stderr.strip()}")
        target.parent.mkdir(exist_ok=True)
        Path(scratch, program.name).replace(target)


@contextmanager
def one_at_a_time(what: str, say: Say) -> Iterator[None]:
    """Wait until nobody else on this machine holds the lock; the kernel drops that of one who is killed."""
    folder = cache_directory().parent
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{what}.lock").open("w") as lock:
        with _ticking(say, f"waiting for another {what} to finish"):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _one_build_at_a_time(say: Say) -> Iterator[None]:
    """Two builds at once take more memory and no less time."""
    with one_at_a_time("build", say):
        cache_directory().mkdir(exist_ok=True)
        for leftover in cache_directory().glob(f"{SCRATCH_PREFIX}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield


@contextmanager
def _ticking(say: Say, what: str) -> Iterator[None]:
    """Say what is being done while it takes long."""
    started = time.monotonic()
    done = threading.Event()

    def tick() -> None:
        while not done.wait(PROGRESS_SECONDS):
            say(f"{what} … {time.monotonic() - started:.0f} s")

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        done.set()
        ticker.join()


def main() -> int:
    """Build or find every program named on the command line (without arguments the control plane's)."""
    try:
        for name in sys.argv[1:] or CONTROL_PLANE:
            print(find(name), flush=True)
    except MissingProgram as missing:
        print(f"udplb: {missing}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
