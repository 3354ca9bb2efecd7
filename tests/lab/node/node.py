"""A node that joins a control plane: containerd, kubelet and kube-proxy inside, controllers and scheduler beside."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.lab import programs
from tests.lab.control_plane import ControlPlane
from tests.lab.node import images
from tests.lab.node.namespaces import CGROUP, NODE, OUTSIDE, PODS, SERVICES, NodeNamespaces
from tests.lab.process import LabError, Process, wait_until

NAME = "node"
SOCKET = "/run/containerd/containerd.sock"
READY_SECONDS = 60.0
CNI_PLUGINS = Path("/usr/lib/cni")
NEEDED = {
    "buildah": "buildah",
    "containerd": "containerd",
    "ip": "iproute2",
    "iptables": "iptables",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "runc": "runc",
    str(CNI_PLUGINS / "bridge"): "containernetworking-plugins",
}


def missing() -> str:
    """Why no node can run here, in one line with the way out; empty where it can."""
    if os.geteuid() != 0:
        return "the node needs root: it makes namespaces, cgroups and containers"
    lacking = sorted({package for program, package in NEEDED.items() if shutil.which(program) is None})
    return f"the node needs packages: apt-get install {' '.join(lacking)}" if lacking else ""


class Node:
    """One schedulable node of the control plane while the context lasts."""

    def __init__(self, namespaces: NodeNamespaces, control_plane: ControlPlane) -> None:
        self._inside = namespaces
        self._control_plane = control_plane
        self._state = namespaces.state

    def __enter__(self) -> Node:
        with ExitStack() as cleanup:
            self._cleanup = cleanup
            self._write_configuration()
            containerd = self._start_inside("containerd", f"--config={self._state}/containerd.toml")
            wait_until(lambda: self._answers(), "containerd", READY_SECONDS, containerd)
            self.load(images.pause())
            self._start_beside("kube-controller-manager", *self._controller_manager_flags())
            self._start_beside("kube-scheduler", "--leader-elect=false", "--secure-port=0")
            kubelet = self._start_inside(programs.find("kubelet"), *self._kubelet_flags())
            proxy = self._start_inside(programs.find("kube-proxy"), f"--config={self._state}/proxy.json")
            wait_until(self._ready, "ready node", READY_SECONDS, containerd, kubelet, proxy)
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def load(self, archive: Path) -> None:
        """Give the node an image; there is no registry."""
        self._inside.run("ctr", f"--address={SOCKET}", "--namespace=k8s.io", "images", "import", archive)

    def run(self, *words: str) -> str:
        """Run a program inside the node's namespaces."""
        return self._inside.run(*words)

    def _start_inside(self, program: str | Path, *flags: str) -> Process:
        return self._process(Path(program).name, *self._inside.command(program, *flags))

    def _start_beside(self, program: str, *flags: str) -> Process:
        kubeconfig = self._control_plane.kubeconfig_for(f"system:{program}")
        return self._process(program, programs.find(program), f"--kubeconfig={kubeconfig}", *flags)

    def _process(self, name: str, *command: str | Path) -> Process:
        process = Process(command, self._state / f"{name}.log")
        self._cleanup.callback(process.stop)
        return process

    def _answers(self) -> bool:
        try:
            self._inside.run("ctr", f"--address={SOCKET}", "version")
        except LabError:
            return False
        return True

    def _ready(self) -> bool:
        answer = self._control_plane.request("GET", f"/api/v1/nodes/{NAME}")
        conditions = answer.body["status"]["conditions"] if answer.status == 200 else []
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def _controller_manager_flags(self) -> list[str]:
        directory = self._control_plane.directory
        return [
            "--leader-elect=false",
            "--secure-port=0",
            "--use-service-account-credentials",
            f"--root-ca-file={directory}/ca.crt",
            f"--service-account-private-key-file={directory}/service-account.key",
        ]

    def _kubelet_flags(self) -> list[str]:
        kubeconfig = self._control_plane.kubeconfig_for(f"system:node:{NAME}", ["system:nodes"])
        return [
            f"--config={self._state}/kubelet.json",
            f"--kubeconfig={kubeconfig}",
            f"--hostname-override={NAME}",
            f"--node-ip={NODE}",
        ]

    def _write_configuration(self) -> None:
        proxy = self._control_plane.kubeconfig_for("system:kube-proxy")
        (self._state / "cni").mkdir()
        (self._state / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        (self._state / "containerd.toml").write_text(_containerd(self._state))
        for name, content in (
            ("cni/10-bridge.conflist", _cni()),
            ("kubelet.json", _kubelet(self._state, self._control_plane.directory / "ca.crt")),
            ("proxy.json", _proxy(proxy)),
        ):
            (self._state / name).write_text(json.dumps(content))


def _containerd(state: Path) -> str:
    # Root without CAP_SYS_RESOURCE may not lower a score: without the restriction no sandbox starts.
    return f"""\
version = 2
root = "{state}/containerd"
state = "/run/containerd"
[grpc]
address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{images.PAUSE}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_PLUGINS}"
conf_dir = "{state}/cni"
"""


def _cni() -> dict[str, Any]:
    """Pod addresses are seen as they are, as under the AWS VPC CNI."""
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isDefaultGateway": True,
        "hairpinMode": True,
        "ipMasq": False,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]]},
    }
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]}


def _kubelet(state: Path, authority: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"x509": {"clientCAFile": str(authority)}},
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "resolvConf": f"{state}/resolv.conf",
        "clusterDNS": [NODE],
        # An imported image cannot be pulled again once it was collected.
        "evictionHard": {"memory.available": "1%", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
    }


def _proxy(kubeconfig: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": PODS,
        "hostnameOverride": NAME,
        "mode": "iptables",
        # These settings of the kernel are read-only in a network namespace.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def control_plane_for(namespaces: NodeNamespaces) -> ControlPlane:
    """A control plane that listens where the node and its pods reach it."""
    return ControlPlane(OUTSIDE, SERVICES, ["--endpoint-reconciler-type=lease"])
