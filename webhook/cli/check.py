"""`udplb check`: is udplb installed in this cluster so that it works?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from webhook.cli.output import Format, Output, print_json, print_table
from webhook.cli.sources import fail
from webhook.kube import client, discovery
from webhook.kube.client import ApiClient, ApiError
from webhook.policy import keys
from webhook.policy.pod.objects import SIDECAR_NAME
from webhook.policy.raw import MalformedObject, Raw

FAULTY = 1
OLDEST_MINOR = 32
CONFIGURATIONS = {
    "0-udplb": "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/0-udplb",
    "udplb": "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/udplb",
}
INSTALL = "helm install udplb charts/udplb -n udplb-system --create-namespace --set image.registry=…"

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was looked at, what was found, and what to do where it is not as it should be."""

    name: str
    ok: bool
    found: str
    fix: str = ""


@app.command()
def check(
    kubeconfig: Annotated[
        Path | None, typer.Option(help="The cluster; else the pod's account or $KUBECONFIG.")
    ] = None,
    output: Output = Format.TEXT,
) -> None:
    """Look at an installation, a line for each thing that must be right, with the way out beside what is not.

    The last one asks the API server for a pod in a dry run: it shows whether the control plane reaches the
    webhook. Nothing is stored.

    Exit codes: 0 all is right, 1 something is not, 2 no answer from the cluster.

    Example: udplb check --kubeconfig ~/.kube/config
    """
    try:
        api = ApiClient(client.configuration(kubeconfig))
        found = discovery.discover(api)
    except (client.NoCluster, ApiError) as failed:
        fail("check", str(failed))
    done = [_version(found.version), *_each(api)]
    if output is Format.JSON:
        print_json([asdict(one) for one in done])
    else:
        print_table(
            ("ok" if one.ok else "FAULT", one.name, one.found if one.ok else f"{one.found}: {one.fix}")
            for one in done
        )
    if not all(one.ok for one in done):
        raise typer.Exit(FAULTY)


def _each(api: ApiClient) -> Iterator[Check]:
    for name, look in LOOKS.items():
        try:
            yield look(api)
        except ApiError as failed:
            missing = failed.status == NOT_FOUND
            fix = (
                INSTALL
                if missing
                else "mend what the API server says, or ask with a kubeconfig of more rights"
            )
            yield Check(name, ok=False, found="not there" if missing else str(failed), fix=fix)
        except MalformedObject as malformed:
            yield Check(name, ok=False, found=f"{malformed}: a value of a wrong type", fix=INSTALL)


def _version(version: str) -> Check:
    minor = re.match(r"v1\.(\d+)", version)
    ok = minor is not None and int(minor[1]) >= OLDEST_MINOR
    fix = f"Kubernetes 1.{OLDEST_MINOR} or newer is needed, or the version cannot be read"
    return Check("Kubernetes", ok, version or "no version", fix)


def _owner(api: ApiClient) -> Check:
    """Told by the cluster, by the settings of the installation, or by every namespace that is enabled."""
    if found := discovery.discover(api).owner:
        return Check("owner", ok=True, found=f"{found} builds load balancers")
    told = "both controllers' resources are there, or neither's"
    namespace = _called_at(api).map("service").text("namespace")
    if namespace:
        settings = (
            Raw(api.get(f"/api/v1/namespaces/{namespace}/configmaps/udplb")).map("data").text("config.yaml")
        )
        if owner := re.search(r"^owner: (lbc|auto-mode)$", settings, re.MULTILINE):
            return Check("owner", ok=True, found=f"{told}, and the settings say {owner[1]}")
    open_ones = [name for name, labels in _enabled(api) if keys.OWNER not in labels]
    return Check(
        "owner",
        not open_ones,
        f"{told}, and {', '.join(open_ones) or 'no enabled namespace'} lacks the label {keys.OWNER}",
        "label it, or set owner to lbc or auto-mode (helm upgrade --set owner=…, outside the cluster serve --owner)",
    )


def _configurations(api: ApiClient) -> Check:
    name = "webhook configurations"
    for configuration, path in CONFIGURATIONS.items():
        for webhook in Raw(api.get(path)).maps("webhooks"):
            if not webhook.map("clientConfig").text("caBundle"):
                return Check(
                    name,
                    ok=False,
                    found=f"{webhook.text('name')} of {configuration} has no caBundle",
                    fix="with tls.mode self a replica fills it within seconds: read the log of one; with "
                    "certManager cert-manager's cainjector does",
                )
    return Check(name, ok=True, found="both there, with the authority that is trusted")


def _replicas(api: ApiClient) -> Check:
    called = _called_at(api)
    if called.text("url"):
        return Check("replicas", ok=True, found=f"outside the cluster, at {called.text('url')}")
    namespace = called.map("service").text("namespace")
    deployment = Raw(api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/udplb"))
    wanted, ready = (
        deployment.map("spec").integer("replicas"),
        deployment.map("status").integer("readyReplicas"),
    )
    return Check(
        "replicas",
        ready >= wanted > 0,
        f"{ready} of {wanted} are ready in {namespace}",
        f"kubectl -n {namespace} describe pods -l app.kubernetes.io/name=udplb; /readyz on the port of metrics says why",
    )


def _called(api: ApiClient) -> Check:
    """A pod of an enabled namespace, in a dry run: it has its sidecar if the API server reached us."""
    name = "a pod in a dry run"
    namespaces = [namespace for namespace, _ in _enabled(api)]
    if not namespaces:
        fix = f"kubectl label namespace NAME {keys.INJECT}=enabled"
        return Check(name, ok=False, found="no namespace is enabled, so nothing calls udplb", fix=fix)
    made = Raw(api.dry_run(f"/api/v1/namespaces/{namespaces[0]}/pods", POD))
    injected = any(one.text("name") == SIDECAR_NAME for one in made.map("spec").maps("initContainers"))
    return Check(
        name,
        injected,
        f"{'gets' if injected else 'gets no'} sidecar in namespace {namespaces[0]}",
        "the API server did not reach udplb: let the control plane's security group reach TCP 9443 of the nodes "
        "(docs/eks.md), and read udplb's log",
    )


def _called_at(api: ApiClient) -> Raw:
    """Where the API server calls the webhook: a service, or a URL."""
    webhooks = Raw(api.get(CONFIGURATIONS["0-udplb"])).maps("webhooks")
    return webhooks[0].map("clientConfig") if webhooks else Raw(None)


def _enabled(api: ApiClient) -> list[tuple[str, dict[str, str]]]:
    """Names and labels of the namespaces that are enabled; kube-system is left alone, labelled or not."""
    selector = f"{keys.INJECT}=enabled,kubernetes.io/metadata.name!=kube-system"
    pages = api.list("/api/v1/namespaces", {"labelSelector": selector})
    found = [Raw(item).map("metadata") for page in pages for item in page.items]
    return [(metadata.text("name"), metadata.strings("labels")) for metadata in found]


NOT_FOUND = 404
LOOKS: dict[str, Callable[[ApiClient], Check]] = {
    "owner": _owner,
    "webhook configurations": _configurations,
    "replicas": _replicas,
    "a pod in a dry run": _called,
}
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"generateName": "udplb-check-", "annotations": {keys.PORTS: "7777"}},
    "spec": {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 64646,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "check",
                "image": "udplb-check",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "resources": {
                    "requests": {"cpu": "1m", "memory": "4Mi"},
                    "limits": {"cpu": "50m", "memory": "16Mi"},
                },
            }
        ],
    },
}
"""Fit for a `restricted` namespace with a quota; its annotation asks for a sidecar, whatever the settings."""
