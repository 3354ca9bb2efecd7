"""`make demo`: udplb on a real API server, from nothing to a sidecar that turns red and green.

Everything runs on this machine and ends with the demo; KEEP=1 leaves it up in the background.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.lab import programs
from tests.lab.control_plane import ControlPlane, free_port
from tests.lab.owners import LBC, add_owner
from tests.lab.process import LabError, Process, wait_until
from tests.lab.webhook import Webhook, install

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
SIDECAR = ROOT / "sidecar" / "build" / "udp-healthcheck"
NAMESPACE = "games"
TURN_SECONDS = 10.0

COLOURS = {"+": "green", "-": "red", "@": "cyan"}
# What the API server draws anew for every dry run, so that it would show in each diff.
DRAWN = re.compile(
    r"^ *((uid|creationTimestamp|clusterIP|nodePort|healthCheckNodePort): .*\n|clusterIPs:\n *- .*\n)",
    re.MULTILINE,
)
DRAWN_NAME = re.compile(r"kube-api-access-\w+")

console = Console(highlight=False, markup=False, soft_wrap=True)


def main() -> int:
    """Run the demo; the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if os.environ.get("KEEP", "0") in ("", "0"):
        return run(lambda _: None)
    return in_the_background(run)


def run(when_shown: Callable[[ControlPlane], None]) -> int:
    """Show everything, call `when_shown` while it is still up, then take it down."""
    started = time.monotonic()
    try:
        with ExitStack() as cleanup:
            control_plane = show_everything(cleanup, start_building(cleanup))
            console.print(f"\nAll shown in {time.monotonic() - started:.0f} s.", style="bold")
            when_shown(control_plane)
    except (LabError, programs.MissingProgram, OSError) as failure:
        print(f"udplb demo: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


@dataclass(frozen=True)
class Building:
    """What is found or built in the background while the demo shows what is there."""

    programs: dict[str, Future[Path]]
    sidecar: subprocess.Popen[str]

    def wait_for(self, *names: str) -> None:
        for name in names:
            self.programs[name].result()

    def wait_for_sidecar(self) -> None:
        output, _ = self.sidecar.communicate()
        if self.sidecar.returncode != 0:
            raise LabError(f"make -C sidecar: exit {self.sidecar.returncode}\n{output}")


def start_building(cleanup: ExitStack) -> Building:
    queue = ThreadPoolExecutor(1)
    cleanup.callback(queue.shutdown, cancel_futures=True)
    # In the order in which they are needed; each waits for its forerunners.
    found = {
        name: queue.submit(programs.find, name) for name in ("etcd", "kube-apiserver", "kubectl", "helm")
    }
    make = ["make", "--no-print-directory", "-C", str(ROOT / "sidecar")]
    sidecar = subprocess.Popen(make, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    cleanup.callback(lambda: None if sidecar.returncode is not None else sidecar.communicate())
    return Building(found, sidecar)


def show_everything(cleanup: ExitStack, building: Building) -> ControlPlane:
    with step("etcd and kube-apiserver are there"):
        building.wait_for("etcd", "kube-apiserver")
    with step("a real control plane runs on loopback"):
        control_plane = cleanup.enter_context(ControlPlane())
    with step("it has what the AWS Load Balancer Controller installs, the TargetGroupBinding resource"):
        add_owner(control_plane, LBC)
    with step("udplb serve runs beside it, with TLS"):
        webhook = cleanup.enter_context(Webhook(control_plane.kubeconfig))
    with step(f"namespace {NAMESPACE} has opted in (label udplb/inject: enabled)"):
        control_plane.namespace(NAMESPACE, {"udplb/inject": "enabled"})
    with step("kubectl apply --dry-run=server -f game-server.yaml without udplb"):
        building.wait_for("kubectl")
        before = dry_run(control_plane)
    with step("the chart's webhook objects are applied (helm template | kubectl apply)"):
        building.wait_for("helm")
        install(control_plane, webhook)
    with step("the same kubectl apply --dry-run=server with udplb"):
        after = dry_run(control_plane)
    show_changes(before, after)
    show_rejection(control_plane)
    building.wait_for_sidecar()
    show_sidecar(control_plane.directory / "udp-healthcheck.log")
    return control_plane


@dataclass(frozen=True)
class Admitted:
    """An object as the API server would store it, and what kubectl printed beside it."""

    yaml: str
    warnings: str


def dry_run(control_plane: ControlPlane) -> dict[str, Admitted]:
    """The example's objects, and the pod that its Deployment would make, through a server-side dry run."""
    service, deployment = (EXAMPLES / "game-server.yaml").read_text().split("\n---\n")
    seen = {
        "Service": _admitted(control_plane, "apply", service),
        "Deployment": _admitted(control_plane, "apply", deployment),
    }
    flags = ("create", "--dry-run=client", "-o", "json", "-f", "-")
    template = json.loads(control_plane.kubectl(*flags, stdin=deployment).stdout)["spec"]["template"]
    template["metadata"]["name"] = "game-0"
    pod = json.dumps({"apiVersion": "v1", "kind": "Pod", **template})
    return {**seen, "Pod of the Deployment": _admitted(control_plane, "create", pod)}


def _admitted(control_plane: ControlPlane, verb: str, manifest: str) -> Admitted:
    flags = (verb, "--dry-run=server", f"--namespace={NAMESPACE}", "-o", "yaml", "-f", "-")
    done = control_plane.kubectl(*flags, stdin=manifest)
    return Admitted(DRAWN_NAME.sub("kube-api-access", DRAWN.sub("", done.stdout)), done.stderr)


def show_changes(before: dict[str, Admitted], after: dict[str, Admitted]) -> None:
    for kind, now in after.items():
        lines = difflib.unified_diff(
            before[kind].yaml.splitlines(), now.yaml.splitlines(), "without udplb", "with udplb", lineterm=""
        )
        diff = list(lines)
        console.print(f"\n{kind}: {'changed' if diff else 'unchanged'}", style="bold")
        for line in diff:
            console.print(Text(line, COLOURS.get(line[0], "")))
        if now.warnings:
            console.print(Text(now.warnings.rstrip(), "yellow"))
    if before["Service"].yaml == after["Service"].yaml:
        raise LabError("the Service came back unchanged: udplb was not called or did nothing")
    console.print()


def show_rejection(control_plane: ControlPlane) -> None:
    manifest = os.path.relpath(EXAMPLES / "rejected.yaml")
    with step("kubectl apply --dry-run=server -f rejected.yaml is refused"):
        flags = ("apply", "--dry-run=server", f"--namespace={NAMESPACE}", "-f", manifest)
        refused = control_plane.kubectl(*flags, check=False)
        if refused.returncode == 0:
            raise LabError(f"{manifest} was admitted, it should have been refused")
    console.print(Text(f"\n{refused.stderr.strip()}\n", "red"))


def show_sidecar(log: Path) -> None:
    """The sidecar opens its TCP port while the UDP port of the same number is served, and only then."""
    port = free_port()
    process = Process([SIDECAR, "--port", str(port)], log, grace=1)
    try:
        with step(f"udp-healthcheck --port {port} starts red: nobody serves UDP {port}, TCP {port} refuses"):
            wait_until(lambda: not accepts(port), "refused connection", TURN_SECONDS, process)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as game:
            game.bind(("0.0.0.0", port))
            with step(f"green: a game server has opened UDP {port}, TCP {port} answers the load balancer"):
                wait_until(lambda: accepts(port), "accepted connection", TURN_SECONDS, process)
        with step(f"red: the game server is gone, TCP {port} refuses"):
            wait_until(lambda: not accepts(port), "refused connection", TURN_SECONDS, process)
    finally:
        process.stop()


def accepts(port: int) -> bool:
    """Whether a TCP check of the port would pass."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def step(text: str) -> Iterator[None]:
    """One line a step, with the seconds it took."""
    started = time.monotonic()
    yield
    line = Text.assemble((f"{time.monotonic() - started:6.1f} s  ", "dim"), text)
    console.print(line)


def in_the_background(demo: Callable[[Callable[[ControlPlane], None]], int]) -> int:
    """Run the demo in a session of its own that stays up after it has shown all; return when it has."""
    up, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(up)
        sys.exit(demo(lambda control_plane: _stay(control_plane, tell)))
    os.close(tell)
    try:
        if os.read(up, 1):
            return 0
    except KeyboardInterrupt:
        os.kill(child, signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _stay(control_plane: ControlPlane, tell: int) -> None:
    print(f"\nexport KUBECONFIG={control_plane.kubeconfig}")
    print(f"export PATH={programs.find('kubectl').parent}:$PATH")
    print(f"kubectl apply -n {NAMESPACE} -f docs/examples/game-server.yaml")
    print(f"To stop everything: kill {os.getpid()}", flush=True)
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    os.write(tell, b"1")
    os.close(tell)
    signal.pause()


if __name__ == "__main__":
    sys.exit(main())
