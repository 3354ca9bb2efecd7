"""`udplb uninject`: manifests without what udplb put into their pods."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from webhook.cli import sources
from webhook.cli.cluster import DEFAULTS
from webhook.cli.output import Format, Output, print_json
from webhook.cli.sources import Item
from webhook.handlers import POD, SERVICE, WORKLOADS
from webhook.policy.pod import decision as pods
from webhook.policy.pod import templates
from webhook.policy.raw import MalformedObject
from webhook.policy.service.objects import parse_service

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def uninject(
    files: sources.Filenames = None,
    diff: sources.Diff = False,
    output: Output = Format.TEXT,
) -> None:
    """Take the sidecar, and all that came with it, out of pods and workloads.

    The annotation udplb/status says what is udplb's and what stood there before; everything else stays to the
    letter. What was an empty map, as annotations: {}, comes back as none. Services stay as they are: nothing in
    them tells what udplb set and what you wrote.

    Exit codes: 0 done, 2 usage or a file that cannot be read.

    \b
    Examples:
      udplb uninject --diff -f injected.yaml
      kubectl get deployment game -o yaml | udplb uninject > game.yaml
    """
    given = sources.read(files, "uninject")
    said = [line for source in given for item in source.items() for line in _uninject(item)]
    if output is Format.JSON:
        print_json({"left": said, "objects": sources.changed(given)})
    else:
        sources.print_changed(given, "uninjected", diff)
        for line in said:
            typer.echo(line, err=True)


def _uninject(item: Item) -> Iterator[str]:
    """Put the edits into the document; what is to be said of it comes back."""
    try:
        if item.type in SERVICE and parse_service(item.raw).is_udp_load_balancer:
            yield f"{item}: left as it is: a Service does not tell what udplb set and what you wrote"
        elif item.type in POD | WORKLOADS:
            template = templates.template_of(item.kind, item.raw)
            edits = pods.uninject(template.fields, DEFAULTS)
            item.edit(edit.below(templates.path_of(item.kind)) for edit in edits)
    except MalformedObject as malformed:
        yield f"{item}: left as it is: {malformed}: the API server refuses a value of this type"
