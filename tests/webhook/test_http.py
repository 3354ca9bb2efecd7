"""The contract of the review port and the ops port, asked over real sockets and TLS."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.webhook.reviews import after, deployment, patch_of, pod, review, service
from tests.webhook.serving import JSON, Running, ask

PATHS = ("/mutate/pods", "/mutate/services", "/validate/services", "/validate/pods", "/validate/workloads")
POD = json.dumps(review(pod())).encode()
LIMIT = 7 * 2**20


@pytest.mark.parametrize("path", PATHS)
def test_each_path_answers_with_the_uid_it_was_asked_with(running: Running, path: str) -> None:
    kind = {"pods": "Pod", "services": "Service", "workloads": "Deployment"}[path.rpartition("/")[2]]
    mutated = after(service(), running.review("/mutate/services", review(service(), "Service")))
    raw = {"Pod": pod(), "Service": mutated, "Deployment": deployment()}[kind]
    assert running.review(path, review(raw, kind))["allowed"] is True


def test_a_pod_behind_a_udp_service_gets_its_sidecar(running: Running) -> None:
    changed = after(pod(), running.review("/mutate/pods", review(pod())))
    assert changed["spec"]["initContainers"][0]["name"] == "udp-healthcheck"


def test_a_pod_that_has_its_sidecar_is_not_patched_again(running: Running) -> None:
    once = after(pod(), running.review("/mutate/pods", review(pod())))
    assert "patch" not in running.review("/mutate/pods", review(once))


def test_a_query_string_is_ignored(running: Running) -> None:
    assert patch_of(running.review("/mutate/pods?timeout=5s", review(pod())))


def test_a_content_type_with_a_charset_is_json(running: Running) -> None:
    assert (
        running.call("/mutate/pods", POD, headers={"Content-Type": "Application/JSON; charset=utf-8"})[0]
        == 200
    )


FAULTS = [
    ("an unknown path", "/mutate/secrets", POD, "POST", JSON, 404),
    ("a path with a slash behind it", "/mutate/pods/", POD, "POST", JSON, 404),
    ("GET", "/mutate/pods", b"", "GET", {}, 405),
    ("PUT", "/mutate/pods", POD, "PUT", JSON, 405),
    ("no content type", "/mutate/pods", POD, "POST", {}, 415),
    ("YAML", "/mutate/pods", POD, "POST", {"Content-Type": "application/yaml"}, 415),
    ("an empty body", "/mutate/pods", b"", "POST", JSON, 400),
    ("half a body", "/mutate/pods", POD[:99], "POST", JSON, 400),
    ("a list", "/mutate/pods", b"[]", "POST", JSON, 400),
    ("no review", "/mutate/pods", b"{}", "POST", JSON, 400),
    ("another version", "/mutate/pods", POD.replace(b"k8s.io/v1", b"k8s.io/v1beta1"), "POST", JSON, 400),
    ("deep nesting", "/mutate/pods", b'{"a":' * 100_000, "POST", JSON, 400),
    ("a body over the limit", "/mutate/pods", b" " * (LIMIT + 1), "POST", JSON, 413),
    ("a review without its object", "/mutate/pods", json.dumps(review(None)).encode(), "POST", JSON, 400),
]


@pytest.mark.parametrize(
    ("path", "body", "method", "headers", "status"),
    [row[1:] for row in FAULTS],
    ids=[row[0] for row in FAULTS],
)
def test_a_malformed_call_gets_its_status_and_one_line_of_json(
    running: Running, path: str, body: bytes, method: str, headers: Mapping[str, str], status: int
) -> None:
    got, answer = running.call(path, body, method, headers)
    assert got == status
    assert list(answer) == ["error"]
    assert answer["error"]
    assert "\n" not in answer["error"]


def test_a_body_of_exactly_the_limit_is_read(running: Running) -> None:
    assert running.call("/mutate/pods", POD.ljust(LIMIT))[0] == 200


def test_the_limit_acts_while_a_body_without_a_length_is_read(running: Running) -> None:
    connection = running.connection()
    chunks = (b" " * 2**20 for _ in range(8))
    connection.request("POST", "/mutate/pods", chunks, dict(JSON), encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_connection_is_used_again_after_a_refusal(running: Running) -> None:
    connection = running.connection()
    assert ask(connection, "/mutate/pods", b"{}")[0] == 400
    connection_before = connection.sock
    assert ask(connection, "/mutate/pods", POD)[0] == 200
    assert connection.sock is connection_before
    connection.close()


def sent(running: Running, head: bytes) -> tuple[int, dict[str, Any]]:
    """Status and JSON of the answer to these bytes, after which the server has closed."""
    connection = running.connection()
    connection.connect()
    with suppress(ConnectionError):  # it may be refused before all is sent
        connection.send(head)
    response = http.client.HTTPResponse(connection.sock)
    response.begin()
    answer: dict[str, Any] = json.loads(response.read())
    assert connection.sock.recv(1) == b""
    connection.close()
    return response.status, answer


@pytest.mark.parametrize(
    "head",
    [
        b"POST /mutate/pods HTTP/1.1\r\nx: ",
        b"POST /",
        b"POST /mutate/pods HTTP/1.1\r\n" + b"a: b\r\n" * 8_000,
        b"POST /mutate/pods HTTP/1.1\r\ncontent-type: application/json\r\n"
        b"transfer-encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 8_000,
    ],
    ids=["a header", "a path", "many headers", "trailers"],
)
def test_a_head_without_end_is_refused(running: Running, head: bytes) -> None:
    status, answer = sent(running, head + b"x" * (64 * 1024))
    assert (status, answer) == (431, {"error": "the head is larger than 65536 bytes"})


def test_a_head_that_does_not_end_is_given_up_however_much_of_it_came(running: Running) -> None:
    used = running.connection()
    assert ask(used, "/mutate/pods", POD)[0] == 200
    begun = {used: b"POST /mutate/pods HTTP/1.1\r\nHost: "}
    begun |= {running.connection(): head for head in (b"P", b"\r\n", b"POST / HTTP/1.1\r\nHost: a\r\n")}
    for connection, head in begun.items():
        connection.send(head)
    for connection in begun:
        response = http.client.HTTPResponse(connection.sock)
        response.begin()
        assert response.status == 408
        assert json.loads(response.read()) == {"error": "the head is not complete after 5 s"}
        assert connection.sock.recv(1) == b""
        connection.close()


def test_a_head_that_comes_in_pieces_is_read(running: Running) -> None:
    connection = running.connection()
    head = (
        f"POST /mutate/pods HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: {len(POD)}\r\n\r\n"
    )
    for piece in head.encode():
        connection.send(bytes([piece]))
    connection.send(POD)
    response = http.client.HTTPResponse(connection.sock)
    response.begin()
    assert response.status == 200
    connection.close()


def test_five_hundred_idle_connections_cost_little_and_disturb_nobody(running: Running) -> None:
    before = memory(running)
    with ExitStack() as held:
        for _ in range(500):
            connection = running.connection()
            connection.connect()
            held.callback(connection.close)
        assert running.call("/mutate/pods", POD)[0] == 200
        assert memory(running) - before < 32 * 2**20


def memory(running: Running) -> int:
    """Resident bytes of the server."""
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def test_a_head_of_the_usual_size_is_read(running: Running) -> None:
    assert running.call("/mutate/pods", POD, headers={**JSON, "x": "y" * 32_000})[0] == 200


@pytest.mark.parametrize(
    "head",
    [b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"],
    ids=["no request line", "a length below 0"],
)
def test_what_is_no_http_is_refused_in_one_line_of_json(running: Running, head: bytes) -> None:
    status, answer = sent(running, head)
    assert status == 400
    assert list(answer) == ["error"]


def test_an_answer_names_neither_server_nor_date(running: Running) -> None:
    connection = running.connection()
    headers = {name.lower(): value for name, value in ask(connection, "/mutate/pods", POD)[2].items()}
    connection.close()
    assert headers.keys() == {"content-type", "content-length"}
    assert headers["content-type"] == "application/json"


def test_a_wrong_method_is_told_the_right_one(running: Running) -> None:
    connection = running.connection()
    assert ask(connection, "/mutate/pods", b"", "GET")[2]["allow"] == "POST"
    connection.close()


def test_a_client_that_leaves_in_the_middle_of_a_body_harms_nobody(running: Running) -> None:
    connection = running.connection()
    connection.putrequest("POST", "/mutate/pods")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"{")
    connection.close()
    assert running.call("/mutate/pods", POD)[0] == 200


def test_a_namespace_in_audit_is_told_and_not_changed(running: Running) -> None:
    response = running.review("/mutate/pods", review(pod(), namespace="watched"))
    assert response["allowed"] is True
    assert "patch" not in response
    assert response["warnings"]
    assert all(warning.startswith("audit: UDPLB9") for warning in response["warnings"])


def test_a_namespace_without_the_label_is_left_alone(running: Running) -> None:
    assert running.review("/mutate/pods", review(pod(), namespace="other")).keys() == {"uid", "allowed"}


def test_a_namespace_that_the_cache_does_not_hold_counts_as_enabled(running: Running) -> None:
    assert patch_of(running.review("/mutate/pods", review(pod(), namespace="new")))


@pytest.mark.parametrize(
    "fields",
    [
        {"operation": "DELETE", "object": None},
        {"operation": "CONNECT", "object": None},
        {"subResource": "status", "object": None},
        {"kind": {"group": "apps", "version": "v1", "kind": "ReplicaSet"}, "object": None},
        {"kind": None, "object": None},
    ],
)
def test_what_is_not_ours_is_allowed_before_anything_else_is_looked_at(
    running: Running, fields: dict[str, Any]
) -> None:
    asked = review(pod())
    asked["request"] |= fields
    assert running.review("/mutate/pods", asked).keys() == {"uid", "allowed"}


@pytest.mark.parametrize(
    "raw", ["text", [], 7, {"metadata": []}, {"metadata": {"labels": {"app": 1}}}, {"spec": 0}]
)
def test_an_object_of_wrong_types_is_left_to_the_api_server(running: Running, raw: Any) -> None:
    assert running.review("/mutate/pods", review(raw)).keys() == {"uid", "allowed"}


def test_a_malformed_key_on_a_workload_is_denied_with_code_field_and_fix(running: Running) -> None:
    asked = review(deployment(**{"udplb/ports": "none"}), "Deployment")
    response = running.review("/validate/workloads", asked)
    assert response["allowed"] is False
    status = response["status"]
    assert (status["code"], status["reason"], status["details"]["kind"]) == (422, "Invalid", "Deployment")
    assert status["details"]["name"] == "echo"
    (cause,) = status["details"]["causes"]
    assert cause["field"] == "spec.template.metadata.annotations[udplb/ports]"
    assert cause["message"].startswith("UDPLB9")
    assert "docs/rules.md#udplb9" in cause["message"]
    assert status["message"].startswith("UDPLB9")


def test_the_ops_port_says_healthy_ready_and_who_decides(running: Running) -> None:
    assert running.ops("/healthz") == (200, "ok")
    assert running.ops("/readyz") == (200, "ok")
    status, text = running.ops("/version")
    assert status == 200
    assert json.loads(text) == {"version": "0.1.0", "owner": "lbc", "ownerSource": "detected", "grammar": 1}


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/mutate/pods", "POST", 404), ("/healthz", "POST", 405), ("/docs", "GET", 404)],
)
def test_the_ops_port_refuses_the_rest_in_json(running: Running, path: str, method: str, status: int) -> None:
    got, text = running.ops(path, method)
    assert got == status
    assert list(json.loads(text)) == ["error"]


def test_metrics_count_what_came_of_each_review(running: Running) -> None:
    line = 'udplb_reviews_total{kind="Pod",mode="enabled",operation="CREATE",outcome="patched",reason=""}'

    def count() -> float:
        text = running.ops("/metrics")[1]
        return sum(float(row.rpartition(" ")[2]) for row in text.splitlines() if row.startswith(line))

    before = count()
    running.review("/mutate/pods", review(pod()))
    assert count() == before + 1


@pytest.mark.parametrize(
    "name",
    [
        "udplb_review_seconds_count",
        "udplb_findings_total",
        "udplb_certificate_expiry_timestamp_seconds",
        "udplb_certificate_rotations_total",
        "udplb_build_info",
    ],
)
def test_metrics_hold_every_series_that_exists_now(running: Running, name: str) -> None:
    running.review("/validate/workloads", review(deployment(**{"udplb/ports": "none"}), "Deployment"))
    assert f"\n{name}" in running.ops("/metrics")[1]
