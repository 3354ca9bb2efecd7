"""Several replicas of udplb behind one Service, as the chart installs them, without a node.

The Service is an ExternalName that leads to a balancer on loopback, which does what kube-proxy does: a new
connection goes to any replica that is ready. API servers dial a webhook's ExternalName, too, under the name of
the Service, so certificates and caBundles are those of a real installation.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any

from ruamel.yaml import YAML

from tests.lab.control_plane import ControlPlane, free_port
from tests.lab.webhook import CHART, Webhook

NAMESPACE = "udplb-system"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:udplb"
PROBE_SECONDS = 0.1
SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/udplb-ca"
CONFIGURATIONS = (("mutatingwebhookconfigurations", "0-udplb"), ("validatingwebhookconfigurations", "udplb"))
LEFT_OUT = {"Deployment", "Service", "Namespace", "Pod", "PodDisruptionBudget"}


class Balancer:
    """A TCP port of loopback that leads to the ready ones of some replicas."""

    def __init__(self, replicas: Sequence[Webhook]) -> None:
        self._replicas = replicas
        self._ready: list[Webhook] = []
        self.port = free_port()

        self._ends: set[asyncio.StreamWriter] = set()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Balancer:
        self._thread.start()
        self._listening.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(self._accept, "127.0.0.1", self.port):
            self._listening.set()
            while not self._over.is_set():
                answers = await asyncio.gather(*(asyncio.to_thread(one.ready) for one in self._replicas))
                self._ready = [one for one, ready in zip(self._replicas, answers, strict=True) if ready]
                await asyncio.sleep(PROBE_SECONDS)
        while self._ends:
            for end in self._ends:
                end.close()
            await asyncio.sleep(PROBE_SECONDS)

    async def _accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            chosen = random.choice(self._ready)
            server, to_server = await asyncio.open_connection("127.0.0.1", chosen.port)
        except (IndexError, OSError):  # nobody is ready, or the chosen one has just gone
            to_client.close()
            return
        ends = {to_client, to_server}
        self._ends |= ends
        await asyncio.gather(_pump(client, to_server), _pump(server, to_client))
        self._ends -= ends


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


class Installation:
    """The chart's objects in a control plane, with `tls.mode: self`, and the replicas that serve them.

    The replicas start at once, from nothing, under the chart's account; `flags` go to helm.
    """

    def __init__(self, control_plane: ControlPlane, count: int, *flags: str) -> None:
        self._control_plane = control_plane
        self._flags = flags
        account = control_plane.kubeconfig_for(ACCOUNT, ["system:serviceaccounts"])
        serve = ("--tls-mode=self", f"--tls-namespace={NAMESPACE}", "--drain-seconds=1")
        self.replicas = [Webhook(account, *serve, files=False) for _ in range(count)]

    def __enter__(self) -> Installation:
        with ExitStack() as cleanup:
            balancer = Balancer(self.replicas)
            self._install(balancer.port)
            with ThreadPoolExecutor(len(self.replicas)) as starters:
                starting = [starters.submit(one.__enter__) for one in self.replicas]
            for one in starting:
                cleanup.push(one.result())
            cleanup.enter_context(balancer)
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def _install(self, port: int) -> None:
        self._control_plane.namespace(NAMESPACE)
        rendered = self._control_plane.helm(
            "template",
            "udplb",
            str(CHART),
            f"--namespace={NAMESPACE}",
            "--set=image.registry=localhost",
            *self._flags,
        )
        documents = [one for one in YAML(typ="safe").load_all(rendered.stdout) if one["kind"] not in LEFT_OUT]
        for configuration in (one for one in documents if "webhooks" in one):
            for webhook in configuration["webhooks"]:
                webhook["clientConfig"]["service"]["port"] = port
        documents.append(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "udplb", "namespace": NAMESPACE},
                "spec": {"type": "ExternalName", "externalName": "localhost"},
            }
        )
        self._control_plane.apply("---\n".join(json.dumps(one) + "\n" for one in documents))

    def secret(self) -> dict[str, Any]:
        """Secret `udplb-ca` as the API server has it; empty where there is none."""
        answer = self._control_plane.request("GET", SECRET)
        return dict(answer.body) if answer.status == 200 else {}

    def bundles(self) -> set[str]:
        """Every different caBundle of our webhook configurations."""
        found = set()
        for kind, name in CONFIGURATIONS:
            path = f"/apis/admissionregistration.k8s.io/v1/{kind}/{name}"
            webhooks = self._control_plane.request("GET", path).body["webhooks"]
            found |= {webhook["clientConfig"].get("caBundle", "") for webhook in webhooks}
        return found
