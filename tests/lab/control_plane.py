"""A real Kubernetes API server on loopback, with etcd behind it and its usual admission plugins.

    with ControlPlane() as cluster:
        cluster.namespace("games", {"udplb/inject": "enabled"})
        print(cluster.kubectl("get", "namespaces").stdout)

No controller manager runs: Deployments make no pods, quotas count only what a test writes into their status,
and a namespace gets its ServiceAccount from `namespace()`. A node adds one, see `tests/lab/node`.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import random
import re
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.lab import programs
from tests.lab.keys import Authority, Pair, signing_key
from tests.lab.process import LabError, Process, wait_until
from tests.lab.rest import Answer, RestClient
from tests.lab.scratch import scratch_directory

READY_SECONDS = 60.0
COMMAND_SECONDS = 60.0
REQUEST_SECONDS = 30.0
PORT_ATTEMPTS = 5
# Below Linux's ephemeral ports (32768 and up), which any outgoing connection may take at any time.
PORTS = range(20000, 30000)
SERVING_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")


class ControlPlane:
    """etcd and kube-apiserver while the context lasts; `admin` may do everything.

    `address` is where the API server listens and what it tells pods; `services` the ranges of ClusterIPs;
    `flags` come last and win.
    """

    def __init__(
        self,
        address: str = "127.0.0.1",
        services: str = "10.0.0.0/16,fd00:5e::/108",
        flags: Sequence[str] = (),
    ) -> None:
        self._address = address
        self._services = services
        self._flags = flags
        self._cleanup = ExitStack()
        self._authority = Authority("udplb-lab")
        self.ca_pem = self._authority.pem.decode()

    def __enter__(self) -> ControlPlane:
        with ExitStack() as cleanup:
            self.directory = cleanup.enter_context(scratch_directory())
            self._write_keys()
            self._start(cleanup)
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def _start(self, cleanup: ExitStack) -> None:
        etcd = programs.find("etcd")
        self._api_server_path = programs.find("kube-apiserver")
        self._etcd = Process(_etcd_command(etcd, self.directory), self.directory / "etcd.log")
        cleanup.callback(self._etcd.stop)
        cleanup.callback(self.stop_api_server)
        for attempts_left in reversed(range(PORT_ATTEMPTS)):
            self.port = free_port(self._address)
            try:
                self.start_api_server()
                break
            except LabError as failure:
                if "address already in use" not in str(failure) or not attempts_left:
                    raise
        self.kubeconfig = self.kubeconfig_for("admin", ["system:masters"])
        self._give_service_account("default")

    def _write_keys(self) -> None:
        first_service = ipaddress.ip_network(self._services.split(",")[0])[1]
        names = (*SERVING_NAMES, self._address, str(first_service))
        (self.directory / "ca.crt").write_bytes(self._authority.pem)
        (self.directory / "service-account.key").write_bytes(signing_key())
        self._write_pair("api-server", self._authority.server("kube-apiserver", names))
        self._write_pair("admin", self._authority.client("admin", ["system:masters"]))

    def _write_pair(self, name: str, pair: Pair) -> None:
        (self.directory / f"{name}.crt").write_bytes(pair.certificate)
        (self.directory / f"{name}.key").write_bytes(pair.key)

    @property
    def url(self) -> str:
        return f"https://{self._address}:{self.port}"

    def start_api_server(self) -> None:
        """Start the API server, for the first time or again on the same port and data; return when ready."""
        command: list[str | Path] = [self._api_server_path, *self._api_server_flags(), *self._flags]
        self._api_server = Process(command, self.directory / "kube-apiserver.log")
        try:
            wait_until(self._ready, "ready API server", READY_SECONDS, self._etcd, self._api_server)
        except LabError:
            self.stop_api_server()
            raise

    def _api_server_flags(self) -> list[str]:
        directory = self.directory
        return [
            f"--bind-address={self._address}",
            f"--secure-port={self.port}",
            f"--advertise-address={self._address}",
            "--endpoint-reconciler-type=none",  # a loopback address must not become an endpoint
            f"--etcd-servers=unix://{directory}/etcd.sock",
            f"--cert-dir={directory}",
            f"--tls-cert-file={directory}/api-server.crt",
            f"--tls-private-key-file={directory}/api-server.key",
            f"--client-ca-file={directory}/ca.crt",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={directory}/service-account.key",
            f"--service-account-signing-key-file={directory}/service-account.key",
            f"--service-cluster-ip-range={self._services}",
            f"--kubelet-client-certificate={directory}/admin.crt",
            f"--kubelet-client-key={directory}/admin.key",
            "--kubelet-preferred-address-types=InternalIP",
            "--allow-privileged=true",
            "--profiling=false",
        ]

    def stop_api_server(self) -> None:
        """Kill the API server, as a lost node would; etcd keeps the data."""
        self._api_server.stop()

    def signal_api_server(self, number: signal.Signals) -> None:
        """Send it a signal: SIGSTOP makes it hang with its connections open, SIGCONT ends that."""
        self._api_server.signal(number)

    def _ready(self) -> bool:
        try:
            return self._admin(timeout=1.0).request("GET", "/readyz").status == 200
        except OSError:
            return False

    def _admin(self, timeout: float) -> RestClient:
        certificate, key = self.directory / "admin.crt", self.directory / "admin.key"
        return RestClient((self._address, self.port), self.directory / "ca.crt", certificate, key, timeout)

    def request(self, method: str, path: str, body: Any = None, content_type: str = "") -> Answer:
        """One plain request as admin, see `RestClient.request`."""
        return self._admin(REQUEST_SECONDS).request(method, path, body, content_type)

    def namespace(self, name: str, labels: Mapping[str, str] | None = None) -> str:
        """Create a namespace that pods can be created in; return its name."""
        metadata = {"name": name, "labels": dict(labels or {})}
        answer = self.request("POST", "/api/v1/namespaces", {"metadata": metadata})
        if answer.status != 201:
            raise LabError(f"namespace {name} was not created: {answer.body}")
        self._give_service_account(name)
        return name

    def _give_service_account(self, namespace: str) -> None:
        """Make what the controller manager would: without it the ServiceAccount plugin refuses every pod."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        account = {"metadata": {"name": "default"}}
        # The API server makes the namespace `default` itself, a moment after it is ready.
        wait_until(
            lambda: self.request("POST", path, account).status in (201, 409),
            f"ServiceAccount in {namespace}",
            READY_SECONDS,
            self._api_server,
        )

    def kubeconfig_for(self, user: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig that authenticates as the user (a ServiceAccount by its full name) with a certificate."""
        pair = self._authority.client(user, groups)
        path = self.directory / f"{re.sub('[^A-Za-z0-9-]', '_', user)}.kubeconfig"
        path.write_text(json.dumps(_kubeconfig(self.url, self._authority.pem, user, pair)))
        path.chmod(0o600)
        return path

    def kubectl(
        self, *args: str, stdin: str | None = None, check: bool = True, kubeconfig: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as admin, or under another kubeconfig.

        Raises:
            LabError: it failed (unless `check` is false) or took longer than a minute.
        """
        return self._run([programs.find("kubectl"), *args], stdin, check, kubeconfig or self.kubeconfig)

    def helm(
        self, *args: str, stdin: str | None = None, check: bool = True, kubeconfig: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run helm; as `kubectl`."""
        return self._run([programs.find("helm"), *args], stdin, check, kubeconfig or self.kubeconfig)

    def apply(self, manifest: str) -> str:
        """Apply YAML documents as admin; return what kubectl said."""
        return self.kubectl("apply", "-f", "-", stdin=manifest).stdout

    def logs(self) -> str:
        """The last lines of etcd and the API server."""
        processes = (self._etcd, self._api_server)
        return "\n".join(f"--- {process.name}\n{process.tail()}" for process in processes)

    def _run(
        self, command: Sequence[str | Path], stdin: str | None, check: bool, kubeconfig: Path
    ) -> subprocess.CompletedProcess[str]:
        environment = self._environment | {"KUBECONFIG": str(kubeconfig)}
        words = [str(word) for word in command]
        try:
            done = subprocess.run(
                words,
                input=stdin if stdin is not None else "",
                capture_output=True,
                text=True,
                env=environment,
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise LabError(
                f"{' '.join(words)}: no end within {COMMAND_SECONDS:.0f} s\n{self.logs()}"
            ) from late
        if check and done.returncode != 0:
            raise LabError(f"{' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    @cached_property
    def _environment(self) -> dict[str, str]:
        home = self.directory / "home"
        home.mkdir()
        return clean_environment() | {"HOME": str(home)}


def clean_environment() -> dict[str, str]:
    """The environment without what would lead a program to another cluster, home, proxy or setting."""
    foreign = re.compile(r"(HOME|KUBECONFIG|(XDG|KUBE|KUBERNETES|HELM|UDPLB)_.*|.*_PROXY)", re.IGNORECASE)
    return {name: value for name, value in os.environ.items() if not foreign.fullmatch(name)}


def free_port(address: str = "127.0.0.1") -> int:
    """A TCP port of the address that nobody listens on now; who binds it must be ready to lose a race."""
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as trial:
            try:
                trial.bind((address, port))
            except OSError:
                continue
            return port
    raise LabError(f"no free port between {PORTS.start} and {PORTS.stop}")


def _etcd_command(program: Path, directory: Path) -> list[str | Path]:
    # Unix sockets in a private folder: no port to lose a race for, no open door for others on the machine.
    return [
        program,
        f"--data-dir={directory}/etcd",
        "--unsafe-no-fsync",
        f"--listen-client-urls=unix://{directory}/etcd.sock",
        f"--listen-peer-urls=unix://{directory}/peer.sock",
        "--advertise-client-urls=http://localhost:2379",
        "--log-level=warn",
    ]


def _kubeconfig(url: str, authority: bytes, user: str, pair: Pair) -> dict[str, Any]:
    def data(pem: bytes) -> str:
        return base64.b64encode(pem).decode()

    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "lab", "cluster": {"server": url, "certificate-authority-data": data(authority)}}
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": data(pair.certificate),
                    "client-key-data": data(pair.key),
                },
            }
        ],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user}}],
        "current-context": "lab",
    }
