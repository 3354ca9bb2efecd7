"""What an operator and a player do to the cluster: kubectl, helm, datagrams, TCP checks."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.control_plane import ControlPlane
from tests.lab.node.node import Node
from tests.lab.process import wait_until

CHART = Path(__file__).parents[2] / "charts" / "udplb"
TIMEOUT = "--timeout=55s"
SECONDS = 30.0


@dataclass(frozen=True)
class Cluster:
    """The control plane and its one node."""

    control_plane: ControlPlane
    node: Node

    def apply(self, namespace: str, manifest: str) -> None:
        self.control_plane.kubectl("apply", f"--namespace={namespace}", "--filename=-", stdin=manifest)

    def helm(self, verb: str, *flags: str) -> str:
        """The verb on release `udplb` in its namespace; with the chart where the verb takes one."""
        chart = [str(CHART)] if verb in ("install", "upgrade") else []
        return self.control_plane.helm(verb, "udplb", *chart, "--namespace=udplb-system", *flags).stdout

    def wait(self, namespace: str, condition: str, *objects: str) -> None:
        self.control_plane.kubectl(
            "wait", f"--namespace={namespace}", f"--for={condition}", *objects, TIMEOUT
        )

    def rolled_out(self, namespace: str, workload: str) -> None:
        self.control_plane.kubectl("rollout", "status", f"--namespace={namespace}", workload, TIMEOUT)

    def pods(self, namespace: str, selector: str = "") -> list[dict[str, Any]]:
        listed = self.control_plane.kubectl(
            "get", "pods", f"--namespace={namespace}", f"--selector={selector}", "--output=json"
        )
        items: list[dict[str, Any]] = json.loads(listed.stdout)["items"]
        return items

    def logs(self, namespace: str, pod: str) -> list[str]:
        """What the sidecar of a pod wrote."""
        said = self.control_plane.kubectl(
            "logs", f"--namespace={namespace}", pod, "--container=udp-healthcheck"
        )
        return said.stdout.splitlines()


def sidecars(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in pod["spec"].get("initContainers", []) if one["name"] == "udp-healthcheck"]


def healthy(address: str, port: int) -> bool:
    """What the load balancer's TCP check sees."""
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_until_healthy(address: str, port: int, expected: bool = True) -> None:
    state = "green" if expected else "red"
    wait_until(lambda: healthy(address, port) is expected, f"{state} target {address}:{port}", SECONDS)


def echoed(address: str, port: int, text: str) -> bool:
    """Whether the UDP server there answers a datagram with its own bytes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as player:
        player.settimeout(1)
        player.sendto(text.encode(), (address, port))
        try:
            return player.recv(2048) == text.encode()
        except OSError:
            return False
