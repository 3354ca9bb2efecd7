"""`udplb audit`: what is not as it should be, over all namespaces that have opted in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from webhook.cli import pod_story, service_story, surroundings
from webhook.cli.cluster import Config, OwnerOption, configured
from webhook.cli.objects import KubernetesObject
from webhook.cli.output import Format, Output, print_json, print_table
from webhook.cli.sources import fail
from webhook.cli.surroundings import Surroundings
from webhook.kube import client
from webhook.kube.client import ApiClient, ApiError, NoCluster
from webhook.policy import keys
from webhook.policy.finding import shortened
from webhook.policy.pod.sight import is_running
from webhook.policy.raw import MalformedObject, Raw
from webhook.policy.service.objects import parse_service

FAULTY = 1
OPTED_IN = f"{keys.INJECT} in (enabled,audit)"
KINDS = {"Service", "Pod"}

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def audit(
    owner: OwnerOption = None,
    config: Config = None,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="The cluster; else the pod's account or $KUBECONFIG.")
    ] = None,
    output: Output = Format.TEXT,
) -> None:
    """List what is wrong with the UDP load balancers and pods of all namespaces that have opted in.

    For each load balancer what each rule says of it, and the NetworkPolicies that admit its UDP ports but not
    the health check; for each pod of an enabled namespace whether it lacks its sidecar or has one for other ports
    than its Services ask for today. Nothing is changed.

    Exit codes: 0 nothing rejects and no pod lacks its sidecar, 1 something does, 2 no answer from the cluster.

    \b
    Examples:
      udplb audit
      udplb audit -o json | jq '.[] | select(.kind == "Pod") | .name'
    """
    cluster = configured(config, "audit", owner)
    try:
        api = ApiClient(client.configuration(kubeconfig))
        pages = api.list("/api/v1/namespaces", {"labelSelector": OPTED_IN})
        names = [Raw(item).map("metadata").text("name") for page in pages for item in page.items]
        told = [
            entry
            for name in names
            for entry in _entries(surroundings.of_cluster(kubeconfig, name, KINDS, cluster))
        ]
    except (ApiError, NoCluster) as failed:
        fail("audit", str(failed))
    if output is Format.JSON:
        print_json(told)
    else:
        _print(told, len(names))
    if any(entry["faulty"] for entry in told):
        raise typer.Exit(FAULTY)


def _entries(around: Surroundings) -> Iterator[dict[str, Any]]:
    """What there is to say of a namespace's objects; nothing of those that are as they should be."""
    for kind, look in (("Service", _service), ("Pod", _pod)):
        for one in around.of(kind):
            try:
                says, faulty = look(one, around)
            except MalformedObject as malformed:
                says, faulty = [f"{malformed}: a value of a type that the API does not have"], True
            if says:
                yield {
                    "namespace": around.namespace.name,
                    "kind": kind,
                    "name": one.name,
                    "faulty": faulty,
                    "says": says,
                }


def _service(one: KubernetesObject, around: Surroundings) -> tuple[list[str], bool]:
    if not parse_service(one.raw).is_udp_load_balancer:
        return [], False
    story = service_story.story(one, around)
    says = [
        f"{finding['code']} {shortened(finding['field'])}: {finding['reason']}"
        + (f"; {finding['fix']}" if finding["fix"] else "")
        for finding in story["findings"]
    ]
    for port, policies in story["networkPolicies"].items():
        says.append(
            f"NetworkPolicy {', '.join(policies)} admits UDP {port} but not the health check on TCP {port}"
        )
    rejects = any(finding["severity"] == "reject" for finding in story["findings"])
    return says, rejects or bool(story["networkPolicies"])


def _pod(one: KubernetesObject, around: Surroundings) -> tuple[list[str], bool]:
    if around.namespace.mode != keys.ENABLED or not is_running(Raw(one.raw)):
        return [], False  # in audit mode no pod gets a sidecar
    about = pod_story.judged(one, around)
    if about.missing:
        asked = ", ".join(f"{port} ({source})" for port, source in about.ports.items())
        return [f"its sidecar is {about.condition}; asked for: {asked}"], True
    if about.stale:
        served = ", ".join(map(str, about.facts.status.ports)) if about.facts.status else ""
        return [
            f"stale: it answers on TCP {served}, its Services ask for {', '.join(map(str, about.ports))}"
        ], False
    return [], False


def _print(told: list[dict[str, Any]], namespaces: int) -> None:
    rows = [
        (entry["namespace"], f"{entry['kind']}/{entry['name']}", line)
        for entry in told
        for line in entry["says"]
    ]
    if rows:
        print_table(rows)
    pods = sum(entry["kind"] == "Pod" and entry["faulty"] for entry in told)
    typer.echo(
        f"namespaces that have opted in: {namespaces}; objects to look at: {len(told)}; "
        f"pods without their sidecar: {pods}"
    )
    if pods:
        typer.echo(
            "before you restart pods behind a live load balancer read docs/adopting.md: the first green one takes all"
        )
