"""Manifests in every dress: what nobody changes comes out letter for letter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from webhook.cli.inject import app
from webhook.cli.splice import splice

ELASTIC_IPS = Path("docs/examples/elastic-ips.yaml")
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "game", "namespace": "games"},
    "spec": {
        "type": "LoadBalancer",
        "selector": {"app": "game"},
        "ports": [{"port": 7777, "protocol": "UDP"}],
    },
}
ODD = """\
%YAML 1.1
# chart: game
---
# Source: game/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
    name:   game
    labels: { app: game,  tier: "a" }
    annotations:
        "notes": 'single'
        long: "a line that is much longer than eighty characters, so that a dumper might want to fold it somewhere"
        script: |-
          #!/bin/sh
          echo hi   

          ---
        folded: >
          some folded
          text

spec:
    selector: { matchLabels: { app: game } }
    template:
        metadata:
            labels: { app: game }   # kept


        spec:
            # before the containers
            containers:
            -   name: game
                image: "game:1"
                args: ["--a",   '--b']
                ports: [ { containerPort: 7777, protocol: UDP } ]
                env:
                -   { name: A, value: "yes" }
            # behind the containers
            volumes:   [ ]
---

---
# only a comment
--- # and a marker with one
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name:   games.example.com}
spec: &shared
  weird: [ 0644, 1_000, 2001-01-01, yes,   ~ ]
status: *shared
...
"""  # noqa: W291 the blanks behind a line are the point


def inject(manifests: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), input=manifests.encode())


def changed_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    """The lines that are gone and those that are new, by what is common at both ends of each change."""
    old, new = before.splitlines(), after.splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


def test_only_lines_are_added_whatever_the_style_of_the_others() -> None:
    done = inject(ODD)
    assert done.exit_code == 0
    gone, new = changed_lines(ODD, done.stdout)
    assert gone == []
    assert "            - name: udp-healthcheck" in new
    kept = iter(done.stdout.splitlines())
    assert all(line in kept for line in ODD.splitlines()), "and their order stays"


MIXED = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: game
spec:
  template:
    metadata:
      labels: { app:  game }
    spec:
      # rendered by a template's toYaml
      tolerations:
      - key: a
        operator: Exists
      initContainers:
        # written by hand
        - name: first   # of all
          image: i
      containers:
        - name: game
          ports: [ { containerPort: 7777,  protocol: UDP } ]
          env:
          - { name: A,  value: b }
"""


@pytest.mark.parametrize(
    "text",
    [
        MIXED,
        MIXED.replace("      - key: a\n        operator", "        - key: a\n          operator").replace(
            "        - name: game\n          ports: [ { containerPort: 7777,  protocol: UDP } ]\n          env:\n",
            "      - name: game\n        ports: [ { containerPort: 7777,  protocol: UDP } ]\n        env:\n",
        ),
    ],
    ids=["flat list first", "deep list first"],
)
def test_what_is_put_in_stands_as_deep_as_its_neighbours(text: str) -> None:
    done = inject(text)
    gone, new = changed_lines(text, done.stdout)
    assert gone == []
    assert "        - name: udp-healthcheck" in new
    assert "          image: udp-healthcheck:0.1.0" in new


def test_a_comment_below_what_is_removed_stays() -> None:
    before = ELASTIC_IPS.read_text(encoding="utf-8")
    gone, _ = changed_lines(before, inject(before, "--owner", "auto-mode").stdout)
    assert gone == [
        '    service.beta.kubernetes.io/aws-load-balancer-cross-zone-load-balancing-enabled: "true"'
    ]


@pytest.mark.parametrize("empty", ["initContainers: []", "initContainers:", "initContainers: [ ]  # none"])
def test_what_fills_an_empty_list_is_indented_as_the_rest(empty: str) -> None:
    pod = f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    udplb/ports: '1'\nspec:\n  {empty}\n"
    done = inject(pod + "  containers:\n  - name: a\n")
    assert "\n  - name: udp-healthcheck\n    image: " in done.stdout


def test_line_ends_of_windows_stay() -> None:
    done = inject(ODD.replace("\n", "\r\n"))
    assert b"\n" not in done.stdout_bytes.replace(b"\r\n", b"")
    assert done.stdout_bytes.decode().replace("\r\n", "\n") == inject(ODD).stdout


def test_a_byte_order_mark_stays() -> None:
    done = inject("\ufeff" + json.dumps(SERVICE))
    assert done.exit_code == 0
    assert done.stdout.startswith("\ufeff{")


@pytest.mark.parametrize("indent", [None, 2, 4, "\t"])
def test_json_stays_json_with_its_indentation(indent: int | str | None) -> None:
    text = json.dumps(SERVICE, indent=indent) + "\n"
    done = inject(text)
    written = json.loads(done.stdout)
    assert written["spec"]["loadBalancerClass"] == "service.k8s.aws/nlb"
    assert done.stdout == json.dumps(written, indent=indent) + "\n"


def test_compact_json_stays_compact() -> None:
    text = json.dumps(SERVICE, separators=(",", ":"))
    done = inject(text)
    assert done.stdout == json.dumps(json.loads(done.stdout), separators=(",", ":"))


def test_objects_of_json_behind_each_other_stay_so() -> None:
    done = inject(f"{json.dumps(SERVICE)}\n{json.dumps({'kind': 'ConfigMap'})}\n")
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["spec"]["externalTrafficPolicy"] == "Local"
    assert second == {"kind": "ConfigMap"}


def test_two_files_of_json_are_one_stream_of_json(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps(SERVICE | {"metadata": {"name": name}}))
    done = inject("", "-f", str(tmp_path))
    assert [json.loads(line)["metadata"]["name"] for line in done.stdout.splitlines()] == ["a.json", "b.json"]


def test_broken_json_is_told_as_yaml() -> None:
    done = inject('{"a": 1,\n "b" 2}')
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("udplb inject: stdin: line ")


@pytest.mark.parametrize(
    "listed",
    [
        {"apiVersion": "v1", "kind": "List", "items": [SERVICE]},
        {"apiVersion": "v1", "kind": "ServiceList", "items": [{**SERVICE, "kind": None}]},
        {"apiVersion": "v1", "kind": "List", "items": [{"kind": "List", "items": [SERVICE]}]},
    ],
    ids=["List", "ServiceList", "a List in a List"],
)
def test_the_items_of_lists_are_objects(listed: dict[str, Any]) -> None:
    if listed["kind"] == "ServiceList":
        listed["items"] = [{key: SERVICE[key] for key in ("metadata", "spec")}]
    done = inject(json.dumps(listed))
    assert '"loadBalancerClass": "service.k8s.aws/nlb"' in done.stdout
    assert done.stdout.count('"kind"') == json.dumps(listed).count('"kind"')


def test_a_directory_is_its_manifests_in_order_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text("kind: B\n")
    (tmp_path / "a.yaml").write_text("kind: A\n")
    (tmp_path / "c.txt").write_text(": no manifest")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "d.yaml").write_text("kind: D\n")
    assert inject("", "-f", str(tmp_path)).stdout == "kind: A\n---\nkind: B\n"


def test_a_directory_without_manifests_is_a_mistake(tmp_path: Path) -> None:
    done = inject("", "-f", str(tmp_path))
    assert done.exit_code == 2
    assert done.stderr == f"udplb inject: {tmp_path}: no file in this directory ends in .json, .yaml, .yml\n"


def test_files_are_cut_by_markers_where_they_have_none(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: A")
    (tmp_path / "b.yaml").write_text("# a comment\n---\nkind: B\n")
    (tmp_path / "c.yaml").write_text("")
    assert inject("", "-f", str(tmp_path)).stdout == "kind: A\n# a comment\n---\nkind: B\n"


@pytest.mark.parametrize("written", ["yes", "on", "y", "True"])
def test_a_bare_truth_of_yaml_1_1_is_what_kubernetes_reads(written: str) -> None:
    pod = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: game, annotations: {udplb/ports: '7777'}}\n"
        f"spec:\n  hostNetwork: {written}\n  containers: [{{name: game}}]\n"
    )
    done = inject(pod)
    assert "UDPLB959" in done.stderr


def test_a_map_of_an_anchor_is_edited_where_it_is_used_alone() -> None:
    text = (
        "apiVersion: v1\nkind: List\nitems:\n"
        "  - apiVersion: v1\n    kind: Service\n    metadata: &meta {name: game} # shared\n"
        "    spec:\n      type: LoadBalancer\n      ports: [{port: 1, protocol: UDP}]\n"
        "  - apiVersion: v1\n    kind: ConfigMap\n    metadata: *meta\n    data: { a:  b }\n"
    )
    done = inject(text)
    first, second = YAML(typ="safe").load(done.stdout)["items"]
    assert "annotations" in first["metadata"]
    assert second["metadata"] == {"name": "game"}
    assert "data: { a:  b }" in done.stdout


def test_objects_that_name_no_namespace_are_in_the_one_of_the_call() -> None:
    bare = json.dumps({**SERVICE, "metadata": {"name": "game"}})
    assert "kube-system is left alone" in inject(bare, "-n", "kube-system").stderr


def test_machines_get_objects_and_findings_as_one_json() -> None:
    bad = {**SERVICE, "spec": {**SERVICE["spec"], "ports": [{"port": 7777, "protocol": "UDP"}] * 51}}
    bad["spec"]["ports"] = [{"port": number, "protocol": "UDP"} for number in range(1, 52)]
    done = inject(json.dumps(bad), "-o", "json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["rejected"], done.stderr) == (1, True, "")
    assert told["objects"] == [bad]
    found = {finding["code"]: finding for finding in told["findings"]}["UDPLB323"]
    assert {key: found[key] for key in ("kind", "namespace", "name", "severity", "field")} == {
        "kind": "Service",
        "namespace": "games",
        "name": "game",
        "severity": "reject",
        "field": "spec.ports",
    }


@pytest.mark.parametrize(
    ("text", "before", "after", "expected"),
    [
        ("a\n", "a\n", "a\nb\n", "a\nb\n"),
        ("a:  1\n\n\nb:  2\n", "a: 1\nb: 2\n", "a: 1\nnew\nb: 2\n", "a:  1\nnew\n\n\nb:  2\n"),
        ("a:  1\nb:  2\n", "a: 1\nb: 2\n", "a: 1\nb: 3\n", "a:  1\nb: 3\n"),
        ("[1,\n 2]\nb:  2\n", "[1, 2]\nb: 2\n", "[1, 2, 3]\nb: 2\n", "[1, 2, 3]\nb:  2\n"),
        ("a\n\n", "a\n", "a\nb\n", "a\nb\n\n"),
        ("a\n", "a\n", "", ""),
    ],
    ids=["append", "between", "replace", "rewritten where it changes", "blank end", "all gone"],
)
def test_a_change_of_the_normal_form_lands_in_the_text(
    text: str, before: str, after: str, expected: str
) -> None:
    assert splice(text, before, after) == expected
