"""`udplb uninject` gives back what `udplb inject` was given, letter for letter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from tests.webhook.cli.test_manifests import ODD
from webhook.cli.inject import app as inject_app
from webhook.cli.uninject import app

GOLDEN = Path("tests/golden/inject/comments.yaml")


def inject(manifests: str) -> str:
    return CliRunner().invoke(inject_app, [], input=manifests.encode()).stdout_bytes.decode()


def uninject(manifests: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), input=manifests.encode())


def back(manifests: str) -> str:
    return uninject(inject(manifests)).stdout_bytes.decode()


def workloads(text: str) -> str:
    """The documents without Services: what udplb sets on those stays."""
    parts = ["---" + part if number else part for number, part in enumerate(text.split("\n---"))]
    return "\n".join(part for part in parts if "kind: Service" not in part)


@pytest.mark.parametrize(
    "text", [ODD, ODD.replace("\n", "\r\n")], ids=["odd style", "ends of lines of Windows"]
)
def test_odd_manifests_come_back_to_the_letter(text: str) -> None:
    assert inject(text) != text
    assert back(text) == text


EVERYTHING = """\
apiVersion: v1
kind: List
items:
  # the first
  - apiVersion: v1
    kind: Pod
    metadata:
      name: a
      annotations:
        udplb/drain: 300s # long
        kubectl.kubernetes.io/default-container:   'a'
      # behind the annotations
    spec:
      terminationGracePeriodSeconds: 40   # a while
      securityContext:
        sysctls: # all
        # first
        - name: net.core.somaxconn # one
          value: '9'
        # behind
      resources:
        requests: {cpu: '2', memory: 1Gi}
        limits:
          # at most
          memory: "2Gi" # much
      containers:
      - name: a
        ports: [ {containerPort: 53, protocol: UDP} ]
        lifecycle:
          postStart: { exec: { command: [ "/x" ] } }
      - name: b # the second
        image: b
"""


def test_whatever_else_was_changed_comes_back_to_the_letter() -> None:
    injected = inject(EVERYTHING)
    assert "terminationGracePeriodSeconds: 340   # a while\n" in injected
    assert "requests: {cpu: '2001m', memory: 1028Mi}\n" in injected
    assert back(EVERYTHING) == EVERYTHING


@pytest.mark.parametrize(
    "file", [GOLDEN, *sorted(Path("docs/examples").glob("*.yaml"))], ids=lambda file: file.stem
)
def test_the_workloads_of_the_examples_come_back_to_the_letter(file: Path) -> None:
    text = file.read_text()
    assert workloads(back(text)) == workloads(text)


def line(text: str, *others: str) -> st.SearchStrategy[str]:
    return st.sampled_from([text, *others])


DEPLOYMENTS = st.builds(
    "".join,
    st.tuples(
        line("", "# the chart\n", "---\n", "--- # marked\n", "\n\n"),
        line(
            "apiVersion: apps/v1\nkind: Deployment\n", 'kind:   "Deployment"\napiVersion: apps/v1 # stable\n'
        ),
        line("metadata:\n  name: game\n", "metadata: {name: game}\n", "metadata: { name:  game }   # it\n"),
        line("spec:\n  template:\n", "spec: # what\n  # how many\n  replicas: 2\n\n  template:\n"),
        line(
            "    metadata:\n      labels: {app: game}\n",
            "    metadata:\n      labels:\n        app: game\n      # notes\n      annotations:\n        a: 'b'\n",
            '    metadata: # all\n      annotations:\n        udplb/native-sidecar: "false"   # never\n',
        ),
        line("    spec:\n", "    spec: # inside\n      # the first\n      restartPolicy: Always\n\n"),
        line(
            "",
            "      initContainers:\n        # before all\n        - name: init\n          image:  i:1\n",
            "      initContainers:\n        - image: i:1   # old\n          name: init\n\n      # after it\n",
        ),
        line("", "      tolerations:\n      - key: a # any\n        operator: Exists\n"),
        line("", "      securityContext:\n        fsGroup: 1 # one\n"),
        st.sampled_from([53, 7777]).map(
            lambda number: (
                "      containers:\n        # the game\n        - name: game\n"
                f"          ports: [ {{containerPort: {number}, protocol: UDP}} ] # played\n"
                "          args: [\"--a\",   'b']\n"
            )
        ),
        line("", "      # behind\n", "      volumes:   []\n", "\n\n      dnsPolicy: Default # last\n"),
        line("", "status: {}\n", "# the end\n", "---\n# nothing\n", "---\nkind: X\na:   b\n", "...\n"),
    ),
)


@settings(max_examples=10)
@given(text=DEPLOYMENTS)
def test_what_was_injected_comes_back_to_the_letter(text: str) -> None:
    assert "name: udp-healthcheck" in inject(text)
    assert back(text) == text


def test_a_map_that_was_empty_before_goes_with_what_was_put_into_it() -> None:
    text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n{}spec:\n  containers:\n  - name: a\n{}"
    ports = "    ports: [{containerPort: 53, protocol: UDP}]\n"
    empty = text.format("  annotations: {}\n", ports + "  securityContext: {}\n")
    assert back(empty) == text.format("", ports)


def test_json_comes_back_to_the_letter() -> None:
    spec: dict[str, Any] = {
        "containers": [{"name": "a", "ports": [{"containerPort": 53, "protocol": "UDP"}]}]
    }
    text = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec}, indent=4)
    assert inject(text) != text
    assert back(text) == text


def test_nothing_changes_where_nothing_is_ours() -> None:
    text = GOLDEN.read_text()
    done = uninject(text)
    assert (done.exit_code, done.stdout) == (0, text)


def test_a_service_is_said_to_stay() -> None:
    done = uninject(GOLDEN.read_text(), "--diff")
    assert done.stdout == ""
    assert ": left as it is: a Service does not tell what udplb set and what you wrote\n" in done.stderr


def test_a_malformed_object_is_left_and_named() -> None:
    text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: []}\n"
    done = uninject(text)
    assert (done.exit_code, done.stdout) == (0, text)
    assert done.stderr.startswith("Pod/a: left as it is: metadata.annotations: ")


def test_machines_get_the_objects_as_json() -> None:
    spec: dict[str, Any] = {
        "containers": [{"name": "a", "ports": [{"containerPort": 53, "protocol": "UDP"}]}]
    }
    original = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec}
    told = json.loads(uninject(inject(json.dumps(original)), "-o", "json").stdout)
    assert told == {"left": [], "objects": [original]}
