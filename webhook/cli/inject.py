"""`udplb inject`: what the webhook would do to manifests, without a cluster."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from webhook import __version__, patch
from webhook.cli import manifests
from webhook.handlers import AUDIT, POD, SERVICE, WORKLOADS, mode_of
from webhook.policy import keys
from webhook.policy.cluster import Cluster, Namespace, Owner, Sidecar
from webhook.policy.finding import Decision, Edit, Severity, shortened
from webhook.policy.pod import decision as pods
from webhook.policy.pod import templates
from webhook.policy.raw import MalformedObject
from webhook.policy.service import decision as services
from webhook.policy.service.demand import Demand, demand
from webhook.policy.service.objects import Service, parse_service

REJECTED, USAGE = 1, 2
STDIN = "-"
SYSTEM = "kube-system"
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}

app = typer.Typer()


@app.command()
def inject(
    files: Annotated[
        list[str] | None, typer.Option("-f", "--filename", help="Manifests; repeat for more; - is stdin.")
    ] = None,
    diff: Annotated[
        bool, typer.Option("--diff", help="Print what changes instead of the manifests.")
    ] = False,
    owner: Annotated[Owner, typer.Option(help="Who builds load balancers in the cluster.")] = Owner.LBC,
    old: Annotated[
        Path | None, typer.Option(help="Manifests as they are in the cluster: what they hold is an update.")
    ] = None,
) -> None:
    """Change manifests as the webhook would, and say what it would say.

    Services and workloads are seen together, so give the files of a release in one call. Namespaces among
    them decide what is opted in; without any, everything is. Manifests go to stdout, findings to stderr.
    Exit codes: 0 clean, 1 a finding that rejects, 2 usage or a file that cannot be read.

    Example: udplb inject --diff -f docs/examples/game-server.yaml
    """
    if not files and sys.stdin.isatty():
        _fail("no manifests; name a file with -f, or pipe them in")
    sources = [_read(name) for name in files or [STDIN]]
    release = Release(
        [item for source in sources for item in source.items()],
        list(_read(str(old)).items()) if old else [],
        Cluster(Sidecar(f"udp-healthcheck:{__version__}"), owner, version=__version__),
    )
    release.decide()
    if diff:
        _print_diff(line for source in sources for line in source.diff())
    else:
        typer.echo(manifests.joined([source.render() for source in sources]), nl=False)
    for line in release.said:
        typer.echo(line, err=True)
    if release.rejected:
        raise typer.Exit(REJECTED)


@dataclass(frozen=True, slots=True)
class Item:
    """One object of the input, and where it stands in its document."""

    document: manifests.Document
    place: tuple[str | int, ...]
    raw: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.raw.get("kind", ""))

    @property
    def type(self) -> tuple[str, str]:
        """Group and kind: others call their objects Services, too."""
        return str(self.raw.get("apiVersion", "")).rpartition("/")[0], self.kind

    @property
    def metadata(self) -> Mapping[str, Any]:
        metadata = self.raw.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    @property
    def labels(self) -> dict[str, str]:
        labels = self.metadata.get("labels")
        return {key: str(value) for key, value in labels.items()} if isinstance(labels, dict) else {}

    @property
    def namespace(self) -> str:
        return str(self.metadata.get("namespace") or "default")

    @property
    def name(self) -> str:
        return str(self.metadata.get("name") or self.metadata.get("generateName") or "")

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.kind, self.namespace, self.name

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Source:
    """One file of manifests."""

    name: str
    text: str
    documents: Sequence[manifests.Document]

    def items(self) -> Iterator[Item]:
        return (Item(one, place, raw) for one in self.documents for place, raw in one.objects())

    def render(self) -> str:
        return "".join(document.render() for document in self.documents)

    def diff(self) -> Iterator[str]:
        before, after = self.text.splitlines(), self.render().splitlines()
        return difflib.unified_diff(before, after, self.name, f"{self.name} (injected)", lineterm="")


@dataclass(slots=True)
class Release:
    """Manifests that are applied together: Services first, since they say what their pods need."""

    items: Sequence[Item]
    old_items: Sequence[Item]
    cluster: Cluster
    said: list[str] = field(default_factory=list)
    rejected: bool = False
    _demands: dict[str, list[Demand]] = field(default_factory=dict)

    def decide(self) -> None:
        """Put the edits into the documents, and what is to be said into `said`."""
        before = {item.identity: item.raw for item in self.old_items}
        namespaces = self._namespaces()
        known = [item for item in self.items if item.type in _DECIDE]
        for name in dict.fromkeys(item.namespace for item in known):
            if name not in namespaces:
                self.said.append(_left_alone(name))
        for item in sorted(known, key=lambda item: item.type not in SERVICE):
            namespace = namespaces.get(item.namespace)
            if namespace is None:
                continue
            try:
                decision = _DECIDE[item.type](self, item, before.get(item.identity), namespace)
            except MalformedObject as malformed:
                self.said.append(
                    f"{item}: {malformed}: the API server refuses a value of this type; give it the right one"
                )
                self.rejected = True
                continue
            self._take(item, decision, namespace)

    def _namespaces(self) -> dict[str, Namespace]:
        """The namespaces that opted in, by the documents that describe them, if there are any."""
        described = {item.name: item for item in self.items if item.type == ("", "Namespace")}
        if not described:
            opted_in = {keys.INJECT: "enabled"}
            names = {item.namespace for item in self.items}
            return {name: Namespace(name, opted_in) for name in names if name != SYSTEM}
        found = (Namespace(name, item.labels) for name, item in described.items())
        return {one.name: one for one in found if mode_of(one) and one.name != SYSTEM}

    def _take(self, item: Item, decision: Decision, namespace: Namespace) -> None:
        if mode_of(namespace) == AUDIT:
            changes = (
                f"{edit.code} {shortened(edit.field)}: {edit.says}" for edit in decision.edits if edit.says
            )
            self.said += (f"{item}: {AUDIT}: {one}" for one in (*changes, *decision.findings))
            return
        for finding in decision.findings:
            rejects = "rejected: " if finding.severity is Severity.REJECT else ""
            self.said.append(f"{item}: {rejects}{finding}")
        self.rejected |= decision.rejected
        if not decision.rejected:
            item.document.edits += _at(item.place, decision.edits)

    def service(self, item: Item, old: Mapping[str, Any] | None, namespace: Namespace) -> Decision:
        siblings = [
            service
            for other in self.items
            if other.type in SERVICE and other.namespace == item.namespace and other.name != item.name
            for service in _load_balancer(other)
        ]
        decision = services.mutate(item.raw, old, namespace, siblings, self.cluster)
        counts = decision.edits and not decision.rejected and mode_of(namespace) != AUDIT
        raw = patch.apply(item.raw, patch.operations(item.raw, decision.edits)) if counts else item.raw
        asked = demand(parse_service(raw, item.namespace), self.cluster)
        if asked:
            self._demands.setdefault(item.namespace, []).append(asked)
        return decision

    def pod(self, item: Item, _old: Mapping[str, Any] | None, namespace: Namespace) -> Decision:
        return pods.mutate(item.raw, namespace, self._demands.get(item.namespace, ()), self.cluster)

    def workload(self, item: Item, old: Mapping[str, Any] | None, namespace: Namespace) -> Decision:
        demands = self._demands.get(item.namespace, ())
        said = pods.preview(item.kind, item.raw, old, namespace, demands, self.cluster, dry_run=True)
        template = templates.template_of(item.kind, item.raw)
        labels = template.map("metadata").strings("labels")
        # The labels that a controller adds are not in the template yet: each pod of it is selected all the same.
        selecting = [
            replace(one, selector=labels)
            for one in templates.selecting(item.kind, item.name, labels, demands)
        ]
        edits = pods.mutate(template.fields, namespace, selecting, self.cluster).edits
        return Decision(_at(templates.path_of(item.kind), edits), said.findings, said.reason)


Decide = Callable[[Release, Item, Mapping[str, Any] | None, Namespace], Decision]

_DECIDE: dict[tuple[str, str], Decide] = {
    **dict.fromkeys(SERVICE, Release.service),
    **dict.fromkeys(POD, Release.pod),
    **dict.fromkeys(WORKLOADS, Release.workload),
}


def _load_balancer(item: Item) -> Iterator[Service]:
    try:
        service = parse_service(item.raw, item.namespace)
    except MalformedObject:
        return  # said where it is decided about itself
    if service.type == "LoadBalancer":
        yield service


def _at(place: tuple[str | int, ...], edits: Sequence[Edit]) -> tuple[Edit, ...]:
    return tuple(replace(edit, path=(*place, *edit.path)) for edit in edits)


def _left_alone(namespace: str) -> str:
    if namespace == SYSTEM:
        return f"{SYSTEM} is left alone, as by the webhook"
    return (
        f"namespace {namespace} is left alone: no Namespace among these manifests opts it in;"
        f" label it {keys.INJECT}: enabled, or leave every Namespace out"
    )


def _read(name: str) -> Source:
    try:
        text = sys.stdin.read() if name == STDIN else Path(name).read_text(encoding="utf-8")
    except OSError as failed:
        _fail(f"{name}: {failed.strerror}")
    except UnicodeDecodeError:
        _fail(f"{name}: not a text in UTF-8")
    shown = "stdin" if name == STDIN else name
    try:
        return Source(shown, text, manifests.read(text))
    except manifests.NotYAML as fault:
        _fail(f"{shown}: {fault}")


def _fail(sentence: str) -> NoReturn:
    typer.echo(f"udplb inject: {sentence}", err=True)
    raise typer.Exit(USAGE)


def _print_diff(lines: Iterator[str]) -> None:
    if not sys.stdout.isatty():
        for line in lines:
            typer.echo(line)
        return
    from rich.console import Console  # here, for only a terminal has colours
    from rich.text import Text

    console = Console(soft_wrap=True)
    for line in lines:
        console.print(Text(line, style=_COLOURS.get(line[:1], "")))
