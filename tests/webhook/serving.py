"""The real server with TLS in a process of its own, over a handful of Services instead of a cluster."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from certs import files
from certs.authority import CertificateAuthority
from webhook import server, settings
from webhook.policy.cluster import Cluster, Namespace, Owner, Sidecar
from webhook.policy.service.demand import Demand
from webhook.policy.service.objects import Service
from webhook.policy.service.sight import PodInSight, Sight

SECONDS = 20.0
ECHO = Demand("echo", {"app": "echo"}, probed=(5555,), udp=True)
NAMESPACES = {"games": {"udplb/inject": "enabled"}, "watched": {"udplb/inject": "audit"}, "other": {}}
JSON = {"Content-Type": "application/json"}


@dataclass
class FewServices:
    """What the server asks of the cluster, answered from memory."""

    known: Sequence[Demand] = (ECHO,)
    live: Sequence[Demand] | Exception = ()
    unready: str = ""
    owner_source: str = "detected"
    asked_live: list[str] = field(default_factory=list)
    asked_pods: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def gauges(self) -> Sequence[tuple[str, str, Mapping[str, str], Callable[[], float]]]:
        return [("udplb_cache_services", "Load balancers cached.", {}, lambda: len(self.known))]

    def cluster(self) -> Cluster:
        return Cluster(
            sidecar=Sidecar("registry.example/udp-healthcheck:1"), owner=Owner.LBC, version="0.1.0"
        )

    def services(self, namespace: str) -> Sequence[Service]:
        return ()

    def namespace(self, name: str) -> Namespace:
        return Namespace(name, NAMESPACES.get(name))

    def demands(self, namespace: str, labels: Mapping[str, str] | None = None) -> Sequence[Demand]:
        return [demand for demand in self.known if labels is None or demand.selects(labels)]

    async def live_demands(self, namespace: str, labels: Mapping[str, str]) -> Sequence[Demand]:
        self.asked_live.append(namespace)
        if isinstance(self.live, Exception):
            raise self.live
        return self.live

    async def pods(self, namespace: str, selector: Mapping[str, str]) -> Sight:
        self.asked_pods.append((namespace, selector))
        return {PodInSight("deployment/echo", frozenset(selector.items())): 3}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number: int = taken.getsockname()[1]
        return number


def poll(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {SECONDS} s"
        time.sleep(0.02)


def issue(directory: Path) -> None:
    """A CA and a serving certificate for loopback, made now."""
    now, lifetime = datetime.now(UTC), timedelta(hours=1)
    authority = CertificateAuthority.create(now, lifetime=lifetime)
    pair = authority.issue(["localhost", "udplb.udplb-system.svc"], [ip_address("127.0.0.1")], now, lifetime)
    files.write(directory, pair, authority.cert_pem, overwrite=True)


@dataclass
class Running:
    """The server while it runs, and how to talk to it."""

    process: multiprocessing.process.BaseProcess
    directory: Path
    port: int
    ops_port: int

    def connection(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=self.directory / files.CA_CERT)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=SECONDS, context=context)

    def call(
        self, path: str, body: bytes, method: str = "POST", headers: Mapping[str, str] = JSON
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON of one call on a connection of its own."""
        connection = self.connection()
        try:
            return ask(connection, path, body, method, headers)[:2]
        finally:
            connection.close()

    def review(self, path: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The response to a review that must be answered."""
        status, answer = self.call(path, json.dumps(asked).encode())
        assert status == 200, answer
        assert answer["apiVersion"] == "admission.k8s.io/v1"
        assert answer["kind"] == "AdmissionReview"
        response: dict[str, Any] = answer["response"]
        assert response["uid"] == asked["request"]["uid"]
        return response

    def ops(self, path: str, method: str = "GET") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ops_port, timeout=SECONDS)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def answers(self) -> bool:
        try:
            return self.ops("/healthz")[0] == 200
        except OSError:
            assert self.process.is_alive(), f"the server ended with {self.process.exitcode}"
            return False


def ask(
    connection: http.client.HTTPConnection,
    path: str,
    body: bytes,
    method: str = "POST",
    headers: Mapping[str, str] = JSON,
) -> tuple[int, dict[str, Any], Mapping[str, str]]:
    connection.request(method, path, body, dict(headers))
    response = connection.getresponse()
    read = response.read()
    return response.status, json.loads(read) if read else {}, dict(response.getheaders())


@contextmanager
def serving(
    directory: Path, cache: FewServices | None = None, published: Path | None = None, **flags: str
) -> Iterator[Running]:
    """`published` is the caBundle that the server finds in the cluster; without one it knows of none."""
    issue(directory)
    port, ops_port = free_port(), free_port()
    flags |= {
        "port": str(port),
        "ops_port": str(ops_port),
        "host": "127.0.0.1",
        "cert_file": str(directory / files.CERT),
        "key_file": str(directory / files.KEY),
    }
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=_serve, args=(flags, cache or FewServices(), directory / "log", published))
    process.start()
    try:
        running = Running(process, directory, port, ops_port)
        poll(running.answers, "answering server")
        yield running
    finally:
        process.terminate()
        process.join(SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


def _serve(flags: Mapping[str, str], cache: FewServices, log: Path, published: Path | None) -> None:
    if published:
        files.CertificateFiles.published = frozenset({published.read_bytes()})
    with log.open("wb") as file:
        os.dup2(file.fileno(), 2)
    server.serve(settings.load(flags, {}), cache)
