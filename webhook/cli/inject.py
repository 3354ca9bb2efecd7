"""`udplb inject`: what the webhook would do to manifests, without a cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from webhook.cli import sources
from webhook.cli.cluster import Config, OwnerOption, offline
from webhook.cli.output import Format, Output, print_json
from webhook.cli.release import Release

REJECTED = 1

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def inject(
    files: sources.Filenames = None,
    diff: sources.Diff = False,
    owner: OwnerOption = None,
    config: Config = None,
    old: Annotated[
        str | None,
        typer.Option(
            help="Manifests as they are in the cluster: what they hold is an update.", metavar="FILE"
        ),
    ] = None,
    namespace: Annotated[
        str, typer.Option("-n", "--namespace", help="Of objects that name none.")
    ] = "default",
    output: Output = Format.TEXT,
) -> None:
    """Change manifests as the webhook would, and say what it would say.

    Services and workloads are seen together, so give the files of a release in one call. Namespaces among
    them decide what is opted in; without any, everything is; kube-system is left alone. Comments, order and
    whatever is not ours stay to the letter. Manifests go to stdout, findings to stderr; with -o json both go
    to stdout, as objects and findings.

    Exit codes: 0 clean, 1 a finding that rejects, 2 usage or a file that cannot be read.

    \b
    Examples:
      udplb inject --diff -f docs/examples/game-server.yaml
      udplb inject --diff --config udplb.yaml -f docs/examples/game-server.yaml
      helm template game ./chart | udplb inject -n games | kubectl apply -n games -f -
      kubectl kustomize overlays/eu | udplb inject --owner auto-mode > release.yaml
      kubectl get service game -o yaml > old.yaml; udplb inject --old old.yaml -f new.yaml
    """
    given = sources.read(files, "inject")
    before = sources.read([old], "inject") if old else []
    release = Release(
        [item for source in given for item in source.items(namespace)],
        [item for source in before for item in source.items(namespace)],
        offline(config, "inject", owner),
    )
    release.decide()
    if output is Format.JSON:
        findings = [said.to_json() for said in release.said]
        objects = sources.changed(given)
        print_json({"rejected": release.rejected, "findings": findings, "objects": objects})
    else:
        sources.print_changed(given, "injected", diff)
        for said in release.said:
            typer.echo(said, err=True)
    if release.rejected:
        raise typer.Exit(REJECTED)
