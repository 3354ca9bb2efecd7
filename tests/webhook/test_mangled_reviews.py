"""Whatever is sent, the answer is a valid AdmissionReview or a 4xx."""

from __future__ import annotations

import base64
import copy
import json
import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.webhook.reviews import deployment, pod, review, service
from tests.webhook.serving import Running, ask

REVIEWS = 3000
SEED = 20261125
PATHS = ("/mutate/pods", "/mutate/services", "/validate/services", "/validate/pods", "/validate/workloads")
AWS = "service.beta.kubernetes.io/aws-load-balancer-"
JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**63,
    1e300,
    "",
    "x",
    "\u0000\n\u202e…",
    "x" * 5000,
    [],
    [None],
    [[]],
    {},
    {"": None},
    {"name": {}},
    [{"name": 7}],
    {"a": [{}] * 50},
)
BODIES = (b"", b"null", b"[", b'"', b"\xff\xfe", b"{}" * 2, b"[" * 5000, b'{"a":' * 2000, b"NaN", b"1" * 400)


def originals() -> list[dict[str, Any]]:
    annotated = {"udplb/ports": "5555,9001", "udplb/probe.5555": "a2s", "udplb/drain": "60s"}
    rich = pod(annotations=annotated)
    rich["spec"] |= {
        "containers": [
            {
                "name": "app",
                "image": "echo:1",
                "ports": [{"name": "game", "containerPort": 5555, "protocol": "UDP"}],
                "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}},
            }
        ],
        "initContainers": [{"name": "init", "image": "init:1"}],
        "securityContext": {"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "53"}]},
    }
    balancer = service(
        **{AWS + "attributes": "a=b", AWS + "healthcheck-port": "traffic-port", "udplb/allow": "UDPLB202"}
    )
    cron = {"metadata": {"name": "c"}, "spec": {"jobTemplate": {"spec": {"template": rich}}}}
    return [
        review(pod()),
        review(rich),
        review(balancer, "Service"),
        review(balancer, "Service", "UPDATE", oldObject=service()),
        review(deployment(), "Deployment", dryRun=True),
        review(deployment(**annotated), "StatefulSet", "UPDATE", oldObject=deployment()),
        review(cron, "CronJob", namespace="watched"),
    ]


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each member and item within."""
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in members:
        yield (*above, key)
        yield from places(inner, (*above, key))


def mangled(original: Mapping[str, Any], chance: random.Random) -> dict[str, Any]:
    """The review with a few members replaced, taken away, doubled or added."""
    asked = copy.deepcopy(dict(original))
    for _ in range(chance.randint(0, 4)):
        inside = [
            path for path in places(asked) if chance.random() < 0.1 or path[:2] == ("request", "object")
        ]
        if not inside:
            continue
        *above, last = chance.choice(inside)
        parent: Any = asked
        for step in above:
            parent = parent[step]
        how = chance.randrange(4)
        if how == 0:
            del parent[last]
        elif how == 1 and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[last]))
        elif how == 2 and isinstance(parent, dict):
            parent[chance.choice(["name", "labels", "udplb/ports", "x/~y"])] = copy.deepcopy(
                chance.choice(JUNK)
            )
        else:
            parent[last] = copy.deepcopy(chance.choice(JUNK))
    return asked


def bodies() -> Iterator[tuple[str, bytes]]:
    chance = random.Random(SEED)
    asked = originals()
    for _ in range(REVIEWS):
        path = chance.choice(PATHS)
        body = json.dumps(mangled(chance.choice(asked), chance)).encode()
        if chance.random() < 0.05:
            cut = chance.randrange(len(body))
            body = body[:cut] + bytes([chance.randrange(256)]) + body[cut + 1 :]
        yield path, chance.choice(BODIES) if chance.random() < 0.02 else body


def test_thousands_of_mangled_reviews_get_a_valid_answer_or_a_4xx(running: Running) -> None:
    connection = running.connection()
    answered = 0
    for path, body in bodies():
        status, answer, _ = ask(connection, path, body)
        if status == 200:
            answered += 1
            assert_valid(answer, body)
        else:
            assert 400 <= status < 500, (status, path, body)
            assert list(answer) == ["error"]
    connection.close()
    assert answered > REVIEWS / 2


def assert_valid(answer: Mapping[str, Any], body: bytes) -> None:
    response = answer["response"]
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert response["uid"] == json.loads(body)["request"]["uid"]
    assert response.keys() <= {"uid", "allowed", "warnings", "patchType", "patch", "status"}
    assert isinstance(response["allowed"], bool)
    warnings = response.get("warnings", [])
    assert all(0 < len(warning) <= 256 for warning in warnings)
    assert sum(map(len, warnings)) <= 4096
    if "patch" in response:
        assert response["patchType"] == "JSONPatch"
        operations = json.loads(base64.b64decode(response["patch"]))
        assert operations
        assert all(operation["op"] in {"add", "replace", "remove"} for operation in operations)
    if not response["allowed"]:
        assert response["status"]["code"] == 422
        assert response["status"]["details"]["causes"]


@pytest.mark.parametrize("path", PATHS)
def test_no_mangled_body_is_an_internal_fault(running: Running, path: str) -> None:
    for body in BODIES:
        assert running.call(path, body)[0] == 400
