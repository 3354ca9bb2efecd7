"""`udplb explain`: a rule, a Service or a pod in words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from webhook.cli import pod_story, service_story, sources, surroundings
from webhook.cli.cluster import Config, OwnerOption, configured, offline
from webhook.cli.output import Format, Output, Tree, print_json
from webhook.cli.surroundings import Surroundings
from webhook.policy import catalogue
from webhook.policy.cluster import Cluster
from webhook.policy.finding import shortened
from webhook.policy.raw import MalformedObject

CANNOT_WORK = 1

SHORT = {
    "svc": "Service",
    "po": "Pod",
    "deploy": "Deployment",
    "sts": "StatefulSet",
    "ds": "DaemonSet",
    "cj": "CronJob",
}
"""kubectl's short names; the long ones are the kinds themselves, in any case, one or many."""
KINDS = ("Service", "Pod", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")
NOT_YET = ("TargetGroupBinding", "Gateway", "UDPRoute", "TCPRoute")

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def explain(
    what: Annotated[str, typer.Argument(help="UDPLBnnn, svc/NAME, pod/NAME, deploy/NAME and the like.")],
    files: sources.Filenames = None,
    namespace: Annotated[
        str | None,
        typer.Option("-n", "--namespace", help="Where the object is; else default, or as -f says."),
    ] = None,
    owner: OwnerOption = None,
    config: Config = None,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Without -f: the cluster; else the pod's account or $KUBECONFIG.")
    ] = None,
    output: Output = Format.TEXT,
) -> None:
    """Tell what a rule means, what AWS makes of a Service, or why a pod gets a sidecar or none.

    A Service is shown as the load balancer that its controller builds, down to who answers each health check.
    With -f the objects are manifests, as they will be once applied; without, those of the cluster.

    Exit codes: 0 explained, 1 explained and something there is rejected, 2 usage, nothing of that name, or no
    answer from the cluster.

    \b
    Examples:
      udplb explain UDPLB202
      udplb explain svc/game -f docs/examples/game-server.yaml
      udplb explain deploy/game -n games
      udplb explain svc/game -n games -o json | jq .loadBalancer.listeners
    """
    if what.upper().startswith("UDPLB"):
        _explain_rule(what.upper(), output)
        return
    kind, name = _kind_and_name(what)
    cluster = (offline if files else configured)(config, "explain", owner)
    around = _look(kind, name, files, namespace, cluster, kubeconfig)
    one = around.find(kind, name)
    if one is None:
        known = ", ".join(sorted(other.name for other in around.of(kind))) or "none"
        _fail(f"no {kind} {name} in namespace {around.namespace.name}; there are: {known}")
    try:
        story = service_story if kind == "Service" else pod_story
        told = story.story(one, around)
    except MalformedObject as malformed:
        _fail(f"{one}: {malformed}: the API server refuses a value of this type; give it the right one")
    if output is Format.JSON:
        print_json(told)
    else:
        _print(story.tree(told), told)
    if any(finding["severity"] == "reject" for finding in told["findings"]):
        raise typer.Exit(CANNOT_WORK)


def _explain_rule(code: str, output: Format) -> None:
    row = next((row for row in catalogue.rows() if row.code == code), None)
    if row is None and code in catalogue.CHANGES:
        _print_change(code, output)
    elif row is None:
        _fail(f"no rule {code}; the nearest are {', '.join(catalogue.nearest(code))}; udplb rules lists all")
    elif output is Format.JSON:
        print_json(catalogue.as_json(row))
    else:
        typer.echo(catalogue.as_text(row), nl=False)


def _print_change(code: str, output: Format) -> None:
    does = catalogue.CHANGES[code]
    if output is Format.JSON:
        print_json({"code": code, "change": does})
    else:
        typer.echo(f"{code}: a change, not a rule: udplb {does}")


def _kind_and_name(what: str) -> tuple[str, str]:
    written, slash, name = what.partition("/")
    spelt = {kind.lower(): kind for kind in (*KINDS, *NOT_YET)}
    kind = (
        SHORT.get(written.lower())
        or spelt.get(written.lower())
        or spelt.get(written.lower().removesuffix("s"))
    )
    if kind in NOT_YET:
        _fail(
            f"{kind}: not in this release; pods behind it are covered by the UDP ports that they declare,"
            " or by their annotation udplb/ports; explain the pod or its workload"
        )
    if kind is None or not slash or not name:
        _fail(f"{what!r} is none of UDPLBnnn, {', '.join(f'{kind.lower()}/NAME' for kind in KINDS)}")
    return kind, name


def _look(
    kind: str,
    name: str,
    files: list[str] | None,
    namespace: str | None,
    cluster: Cluster,
    kubeconfig: Path | None,
) -> Surroundings:
    if files:
        given = sources.read(files, "explain")
        items = (item for source in given for item in source.items())
        found = [item.namespace for item in items if (item.kind, item.name) == (kind, name)]
        return surroundings.of_manifests(given, namespace or (found or ["default"])[0], cluster)
    from webhook.kube.client import ApiError, NoCluster  # here, for a rule and manifests need no client

    try:
        return surroundings.of_cluster(kubeconfig, namespace or "default", {kind, "Service", "Pod"}, cluster)
    except (ApiError, NoCluster) as failed:
        _fail(f"{failed}; for manifests name them with -f")


def _print(tree: Tree, told: dict[str, Any]) -> None:
    for line in tree.lines():
        typer.echo(line)
    for finding in told["findings"]:
        verb = "rejected" if finding["severity"] == "reject" else "warned"
        fix = f"; {finding['fix']}" if finding["fix"] else ""
        typer.echo(f"{verb}: {finding['code']} {shortened(finding['field'])}: {finding['reason']}{fix}")


def _fail(sentence: str) -> NoReturn:
    sources.fail("explain", sentence)
