"""A steady stream of pods that are created while something happens to udplb, counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tests.lab.control_plane import ControlPlane

CLIENTS = 2


class Stream:
    """Creations of one pod after the other, each of which must be admitted with its sidecar."""

    def __init__(
        self, control_plane: ControlPlane, namespace: str, pod: Mapping[str, Any], dry_run: bool
    ) -> None:
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._pod = pod
        self._dry_run = dry_run
        self._control_plane = control_plane
        self._over = threading.Event()
        self._began = time.monotonic()
        self.created = 0
        self.wrong: list[str] = []

    def run(self) -> None:
        query = "?dryRun=All" if self._dry_run else ""
        while not self._over.is_set():
            answer = self._control_plane.request("POST", self._path + query, self._pod)
            if answer.status != 201:
                self.wrong.append(str(answer.body))
            elif not any(
                one["name"] == "udp-healthcheck" for one in answer.body["spec"].get("initContainers", ())
            ):
                self.wrong.append("no sidecar")
            self.created += 1
            if answer.status == 201 and not self._dry_run:
                self._control_plane.request("DELETE", f"{self._path}/{answer.body['metadata']['name']}")

    def seconds(self) -> float:
        return time.monotonic() - self._began

    def end(self) -> None:
        self._over.set()

    def __str__(self) -> str:
        return f"{self.created} creations in {self.seconds():.0f} s, {len(self.wrong)} wrong"


@contextmanager
def streaming(
    control_plane: ControlPlane, namespace: str, pod: Mapping[str, Any], dry_run: bool = True
) -> Iterator[Stream]:
    """Creations while the context lasts, as fast as two clients can."""
    stream = Stream(control_plane, namespace, pod, dry_run)
    with ThreadPoolExecutor(CLIENTS) as clients:
        running = [clients.submit(stream.run) for _ in range(CLIENTS)]
        try:
            yield stream
        finally:
            stream.end()
    for one in running:
        one.result()
