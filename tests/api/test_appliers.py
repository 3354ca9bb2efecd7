"""Every way to bring the examples to the API server ends in the same objects, and once more changes nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import Result

from tests.examples import GOOD, ROOT, documents, inject, inject_text
from tests.lab import programs
from tests.lab.control_plane import ControlPlane, clean_environment
from tests.lab.process import wait_until
from tests.lab.webhook import OPTED_IN

pytestmark = pytest.mark.cluster

Object = dict[str, Any]
Identity = tuple[str, str]

AS_WRITTEN = {path.stem: path.read_text(encoding="utf-8") for path in GOOD}
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
COLLECTIONS = {
    "Service": "api/v1/namespaces/{}/services",
    "ConfigMap": "api/v1/namespaces/{}/configmaps",
    "Deployment": "apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "apis/apps/v1/namespaces/{}/statefulsets",
    "PodDisruptionBudget": "apis/policy/v1/namespaces/{}/poddisruptionbudgets",
}
WORKLOADS = ("Deployment", "StatefulSet")
DRAWN = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "namespace")
"""What the API server draws for itself, and the namespace, in which the ways differ."""
DRAWN_IN_A_SERVICE = ("clusterIP", "clusterIPs", "healthCheckNodePort")
DRAWN_IN_A_POD = re.compile(r"kube-api-access-\w+")
CACHE_SECONDS = 15.0


@dataclass(frozen=True)
class Place:
    """The examples in one file, in namespaces of their own."""

    cluster: ControlPlane
    file: Path
    items: tuple[Object, ...]

    def kubectl(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.cluster.kubectl(*args, "-f", str(self.file), check=check)

    def objects(self) -> dict[Identity, Object]:
        """The objects of the file as they are stored."""
        held: dict[Identity, Object] = {}
        for kind, namespace in {(item["kind"], item["metadata"]["namespace"]) for item in self.items}:
            listed = self.cluster.request("GET", "/" + COLLECTIONS[kind].format(namespace)).body["items"]
            held |= {(kind, item["metadata"]["name"]): {**item, "kind": kind} for item in listed}
        return {key: held[key] for key in map(identity, self.items)}


def identity(item: Object) -> Identity:
    return item["kind"], item["metadata"]["name"]


def place(cluster: ControlPlane, file: Path, texts: Mapping[str, str], opted_in: bool = True) -> Place:
    """Manifests, by the name of their example, in fresh namespaces that begin with the file's name.

    An example that describes a Namespace gets one with its labels; the others share one.
    """
    items: list[Object] = []
    namespaces = {file.stem: OPTED_IN}
    for example, text in texts.items():
        namespace = file.stem
        for item in documents(text):
            if item["kind"] == "Namespace":
                namespace = f"{file.stem}-{example}"
                namespaces[namespace] = item["metadata"]["labels"]
            else:
                items.append({**item, "metadata": {**item["metadata"], "namespace": namespace}})
    for namespace, labels in namespaces.items():
        cluster.namespace(namespace, labels if opted_in else {})
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    return Place(cluster, file, tuple(items))


def create(at: Place) -> None:
    at.kubectl("create")


def apply(at: Place) -> None:
    at.kubectl("apply")


def apply_server_side(at: Place) -> None:
    at.kubectl("apply", "--server-side")


def replace(at: Place) -> None:
    at.kubectl("replace")


def merge_patch(at: Place) -> None:
    for item in at.items:
        patch(at, item, "application/merge-patch+json")


def strategic_patch(at: Place) -> None:
    """Without ports of which two share a number.

    Kubernetes merges ports by their number alone, takes TCP for UDP, and refuses the result
    (kubernetes/kubernetes issue 105610).
    """
    for item in at.items:
        patch(at, without_twins(item), "application/strategic-merge-patch+json")


def without_twins(value: Any) -> Any:
    if isinstance(value, list):
        return [without_twins(one) for one in value]
    if not isinstance(value, dict):
        return value
    numbers = [port.get("port") or port.get("containerPort") for port in value.get("ports", ())]
    dropped = "ports" if len(set(numbers)) < len(numbers) else None
    return {key: without_twins(one) for key, one in value.items() if key != dropped}


def patch(at: Place, item: Object, content_type: str) -> None:
    kind, name = identity(item)
    path = f"/{COLLECTIONS[kind]}/{name}".format(item["metadata"]["namespace"])
    answer = at.cluster.request("PATCH", path, item, content_type)
    assert answer.status == 200, answer.body


def edit(at: Place) -> None:
    """`kubectl edit` by somebody who deletes every line that the manifest does not hold."""
    environment = clean_environment() | {
        "KUBECONFIG": str(at.cluster.kubeconfig),
        "HOME": str(at.file.parent),
        "EDITOR": f"{sys.executable} -m tests.lab.editor {at.file}",
    }
    names: dict[str, list[str]] = {}
    for item in at.items:
        names.setdefault(item["metadata"]["namespace"], []).append("/".join(identity(item)))
    for namespace, objects in names.items():
        command = [str(programs.find("kubectl")), "edit", f"--namespace={namespace}", *objects]
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@dataclass(frozen=True)
class Way:
    """How somebody brings manifests to the cluster: the steps of the first time, and the one that is repeated."""

    name: str
    first: tuple[Callable[[Place], None], ...]
    again: Callable[[Place], None]
    diff: tuple[str, ...] = ("--server-side", "--force-conflicts")


WAYS = (
    Way("client-side", (apply,), apply, diff=()),
    Way("server-side", (apply_server_side,), apply_server_side),
    Way("replace", (create, replace), replace),
    Way("merge-patch", (create, merge_patch), merge_patch),
    Way("strategic-patch", (create, strategic_patch), strategic_patch),
    Way("edit", (create, edit), edit),
)


@dataclass(frozen=True)
class Ended:
    """What a way led to: the objects, which of them a second time changed, and what kubectl would change."""

    objects: dict[Identity, Object]
    changed: list[Identity]
    diff: str


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("appliers")


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: way.name)
def ended(request: pytest.FixtureRequest, cluster: ControlPlane, directory: Path) -> Ended:
    way: Way = request.param
    at = place(cluster, directory / f"{way.name}.json", AS_WRITTEN)
    for step in way.first:
        step(at)
    before = at.objects()
    way.again(at)
    after = at.objects()
    changed = [key for key in after if version(after[key]) != version(before[key])]
    diff = at.kubectl("diff", *way.diff, check=False)
    return Ended(after, changed, diff.stdout + diff.stderr)


def version(item: Object) -> str:
    return str(item["metadata"]["resourceVersion"])


@pytest.fixture(scope="module")
def offline(cluster: ControlPlane, directory: Path) -> Place:
    """What `udplb inject` prints, in namespaces that udplb leaves alone."""
    texts = {path.stem: inject(path).stdout for path in GOOD}
    at = place(cluster, directory / "offline.json", texts, opted_in=False)
    create(at)
    return at


@pytest.fixture(scope="module")
def untouched(cluster: ControlPlane, directory: Path) -> Place:
    """The examples as they are written, in namespaces that udplb leaves alone."""
    at = place(cluster, directory / "untouched.json", AS_WRITTEN, opted_in=False)
    create(at)
    return at


@pytest.fixture(scope="module")
def live(cluster: ControlPlane, directory: Path) -> Place:
    """The examples as they are written, known to udplb."""
    at = place(cluster, directory / "live.json", AS_WRITTEN)
    create(at)
    return at


def test_a_second_time_changes_nothing(ended: Ended) -> None:
    assert ended.changed == []


def test_kubectl_sees_no_difference(ended: Ended) -> None:
    assert ended.diff == ""


def test_every_way_stores_the_services_that_udplb_inject_prints(ended: Ended, offline: Place) -> None:
    assert effective(ended.objects, ["Service"]) == effective(offline.objects(), ["Service"])


def test_every_way_stores_the_rest_as_it_is_written(ended: Ended, untouched: Place) -> None:
    kinds = COLLECTIONS.keys() - {"Service"}
    assert effective(ended.objects, kinds) == effective(untouched.objects(), kinds)


def test_a_dry_run_shows_and_says_what_udplb_inject_prints_of_the_services(
    cluster: ControlPlane, directory: Path, offline: Place
) -> None:
    done = dry_run(place(cluster, directory / "dry-run.json", AS_WRITTEN), ["Service"])
    made = {identity(item): item for item in json.loads(done.stdout)["items"]}
    assert effective(made, ["Service"]) == effective(offline.objects(), ["Service"])
    alone = (only(path, "Namespace", "Service") for path in GOOD)
    assert warnings(done.stderr) == findings(map(inject_text, alone), ["Service"])


def test_a_dry_run_says_of_the_workloads_what_udplb_inject_says(live: Place, offline: Place) -> None:
    wait_until(lambda: statuses(live) == statuses(offline), "Services in udplb's cache", CACHE_SECONDS)
    assert warnings(dry_run(live, WORKLOADS).stderr) == findings(map(inject, GOOD), WORKLOADS)


def test_the_pods_of_a_workload_are_those_of_its_injected_manifest(live: Place, offline: Place) -> None:
    wait_until(lambda: statuses(live) == statuses(offline), "Services in udplb's cache", CACHE_SECONDS)
    assert pods(live) == pods(offline)


def effective(objects: Mapping[Identity, Object], kinds: Iterable[str]) -> dict[Identity, Object]:
    """The objects of these kinds without what differs between two that mean the same."""
    return {key: without_drawn(item) for key, item in objects.items() if key[0] in kinds}


def without_drawn(item: Object) -> Object:
    metadata = {key: value for key, value in item["metadata"].items() if key not in DRAWN}
    annotations = {
        key: value for key, value in metadata.get("annotations", {}).items() if key != LAST_APPLIED
    }
    plain = {**item, "metadata": {**metadata, "annotations": annotations}}
    if item["kind"] == "Service":
        spec = {key: value for key, value in item["spec"].items() if key not in DRAWN_IN_A_SERVICE}
        ports = [{key: port[key] for key in port if key != "nodePort"} for port in spec["ports"]]
        plain["spec"] = {**spec, "ports": ports}
    return {key: value for key, value in plain.items() if key not in ("apiVersion", "status")}


def dry_run(at: Place, kinds: Iterable[str]) -> subprocess.CompletedProcess[str]:
    items = [item for item in at.items if item["kind"] in kinds]
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    return at.cluster.kubectl("apply", "--dry-run=server", "--output=json", "--filename=-", stdin=manifest)


def only(path: Path, *kinds: str) -> str:
    """The example's objects of these kinds: where no workload is in sight, nobody knows a named port's number."""
    return yaml.safe_dump_all(item for item in documents(path.read_text("utf-8")) if item["kind"] in kinds)


def findings(done: Iterable[Result], kinds: Iterable[str]) -> set[str]:
    """What runs of `udplb inject` say of these kinds, as the webhook would: without the object's name."""
    lines = [line for one in done for line in one.stderr.splitlines()]
    return {line.partition(": ")[2] for line in lines if line.partition("/")[0] in kinds}


def warnings(stderr: str) -> set[str]:
    return set(re.findall(r"^Warning: (UDPLB.*)$", stderr, re.MULTILINE))


def pods(at: Place) -> dict[str, Object]:
    """The first pod of each workload, as the API server would store it."""
    found = {}
    for item in at.items:
        if item["kind"] in WORKLOADS:
            path = f"/api/v1/namespaces/{item['metadata']['namespace']}/pods?dryRun=All"
            answer = at.cluster.request("POST", path, first_pod(item))
            assert answer.status == 201, answer.body
            text = DRAWN_IN_A_POD.sub("kube-api-access", json.dumps(without_drawn(answer.body)))
            found[item["metadata"]["name"]] = json.loads(text)
    return found


def statuses(at: Place) -> dict[str, str]:
    return {name: pod["metadata"]["annotations"].get("udplb/status", "") for name, pod in pods(at).items()}


def first_pod(workload: Object) -> Object:
    """What the workload's controller makes of its template."""
    template, name = workload["spec"]["template"], f"{workload['metadata']['name']}-0"
    claims = [claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", ())]
    labels = dict(template["metadata"]["labels"])
    if workload["kind"] == "StatefulSet":
        labels["statefulset.kubernetes.io/pod-name"] = name
    volumes = [
        *template["spec"].get("volumes", ()),
        *({"name": claim, "persistentVolumeClaim": {"claimName": f"{claim}-{name}"}} for claim in claims),
    ]
    metadata = {**template["metadata"], "name": name, "labels": labels}
    return {"kind": "Pod", "metadata": metadata, "spec": {**template["spec"], "volumes": volumes}}
