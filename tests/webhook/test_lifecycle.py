"""From start to the end of the drain, with the real process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
from http.client import HTTPSConnection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Message

from certs.files import CA_CERT
from tests.webhook.reviews import pod, review
from tests.webhook.serving import SECONDS, FewServices, ask, issue, poll, serving
from webhook import app, server
from webhook.settings import load

POD = json.dumps(review(pod())).encode()
LIMIT = 256


def log(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "log").read_text().splitlines()]


def test_sigterm_fails_readiness_and_reviews_are_answered_on_a_closing_connection(tmp_path: Path) -> None:
    with serving(tmp_path, drain_seconds="2") as running:
        connection, idle = running.connection(), running.connection()
        for kept in (connection, idle):
            _, _, headers = ask(kept, "/mutate/pods", POD)
            assert "connection" not in headers
        assert running.process.pid
        os.kill(running.process.pid, signal.SIGTERM)
        poll(lambda: running.ops("/readyz")[0] == 503, "failing readiness")
        assert json.loads(running.ops("/readyz")[1]) == {"error": "draining"}
        status, answer, headers = ask(connection, "/mutate/pods", POD)
        assert (status, headers["connection"]) == (200, "close")
        assert answer["response"]["patch"]
        assert running.call("/mutate/pods", POD)[0] == 200
        assert idle.sock.recv(1) == b""
        idle.close()
        running.process.join(SECONDS)
        assert running.process.exitcode == 0
        assert [line["event"] for line in log(tmp_path) if line["event"] != "review"] == [
            "serving",
            "draining",
            "stopped",
        ]


def test_before_the_first_sync_reviews_get_503_and_readyz_says_why(tmp_path: Path) -> None:
    unsynced = FewServices(unready="the API server cannot be reached: refused")
    with serving(tmp_path, unsynced, drain_seconds="0") as running:
        status, answer = running.call("/mutate/pods", POD)
        assert status == 503
        assert answer == {"error": "not ready: the API server cannot be reached: refused"}
        assert running.ops("/healthz")[0] == 200
        assert running.ops("/readyz")[0] == 503
        assert "the API server cannot be reached" in running.ops("/readyz")[1]


def test_a_replica_whose_certificate_the_published_bundle_does_not_trust_is_not_ready(tmp_path: Path) -> None:
    other = tmp_path / "other"
    issue(other)
    with serving(tmp_path, published=other / CA_CERT, tls_namespace="udplb-system") as running:
        poll(lambda: running.ops("/readyz")[0] == 503, "failing readiness")
        (reason,) = json.loads(running.ops("/readyz")[1]).values()
        assert reason.startswith("our own port is not trusted by the published caBundle: ")


def test_a_replica_whose_certificate_is_there_and_not_proved_is_not_ready() -> None:
    """`tls.mode: self` has none at start; the first is served, and dialled, a moment later."""
    unproved = SimpleNamespace(
        context=ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
        published=frozenset(),
        not_after=None,
        unready="",
    )
    replica = server.Server(
        load({"tls_mode": "self", "tls_namespace": "udplb-system"}, {}), FewServices(), unproved
    )
    assert replica.unready() == "the certificate is not proved yet"


def test_one_review_more_than_the_limit_gets_503_and_the_others_their_answer(tmp_path: Path) -> None:
    with serving(tmp_path, concurrency=str(LIMIT), drain_seconds="0") as running:
        busy = [running.connection() for _ in range(LIMIT)]
        for connection in busy:
            connection.putrequest("POST", "/mutate/pods")
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(POD)))
            connection.endheaders(POD[:100])
        poll(lambda: running.call("/mutate/pods", POD)[0] == 503, "overload")
        for connection in busy:
            connection.send(POD[100:])
            assert connection.getresponse().status == 200
            connection.close()
        assert running.call("/mutate/pods", POD)[0] == 200


def test_a_new_certificate_is_served_without_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path, drain_seconds="0") as running:
        kept = running.connection()
        ask(kept, "/mutate/pods", POD)
        issue(tmp_path)

        def swapped() -> bool:
            try:
                return running.call("/mutate/pods", POD)[0] == 200
            except OSError:
                return False

        poll(swapped, "swap")
        assert ask(kept, "/mutate/pods", POD)[0] == 200
        kept.close()
        (tmp_path / "tls.key").write_text("no key")
        poll(lambda: "certificate refused" in (tmp_path / "log").read_text(), "refusal in the log")
        assert running.call("/mutate/pods", POD)[0] == 200
        assert "udplb_certificate_rotations_total 1.0" in running.ops("/metrics")[1]


@pytest.mark.parametrize("setting", ["port", "opsPort"])
def test_a_port_that_is_taken_is_named_with_its_setting(setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(
            server.CannotStart,
            match=f"^{setting}: cannot listen on 127.0.0.1:{number}: Address already in use$",
        ):
            server.listen("127.0.0.1", number, setting)


def test_without_a_host_both_families_are_listened_on() -> None:
    with server.listen("", 0, "port") as listening:
        number = listening.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            socket.create_connection((address, number), SECONDS).close()


def test_each_review_that_changed_something_is_one_line_of_log(tmp_path: Path) -> None:
    with serving(tmp_path, drain_seconds="0") as running:
        running.review("/mutate/pods", review(pod(), dryRun=True))
        running.review("/mutate/pods", review(pod("other")))
        running.call("/mutate/pods", b"{}")
        lines = [line for line in log(tmp_path) if line["event"] in {"review", "call refused"}]
    reviewed, refused = lines
    assert reviewed.pop("us") > 0
    assert reviewed.pop("timestamp")
    assert reviewed == {
        "event": "review",
        "level": "info",
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "namespace": "games",
        "name": "echo-5d-",
        "kind": "Pod",
        "operation": "CREATE",
        "owner": "lbc",
        "mode": "enabled",
        "dry_run": True,
        "outcome": "patched",
        "reason": "",
        "codes": [],
    }
    assert (refused["status"], refused["level"]) == (400, "warning")


def test_at_debug_a_skip_is_a_line_with_its_reason(tmp_path: Path) -> None:
    with serving(tmp_path, drain_seconds="0", log_level="debug") as running:
        running.review("/mutate/pods", review(pod("other")))
        (line,) = [line for line in log(tmp_path) if line["event"] == "review"]
    assert (line["outcome"], line["reason"], line["level"]) == ("skipped", "no_matching_service", "debug")


def test_an_internal_fault_is_a_500_and_its_uid_is_in_the_log(tmp_path: Path) -> None:
    broken = FewServices(live=RuntimeError("broken"))
    with serving(tmp_path, broken, drain_seconds="0") as running:
        status, answer = running.call("/mutate/pods", json.dumps(review(pod("other"))).encode())
        assert status == 500
        assert "705ab4f5-6393-11e8-b7cc-42010a800002" in answer["error"]
        assert "broken" not in answer["error"]
        assert running.call("/mutate/pods", POD)[0] == 200
        assert 'outcome="error",reason="500"} 1.0' in running.ops("/metrics")[1]
        (line,) = [line for line in log(tmp_path) if line["event"] == "internal fault"]
    assert line["uid"] == "705ab4f5-6393-11e8-b7cc-42010a800002"
    assert "RuntimeError: broken" in line["exception"]


async def nothing() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "BODY_SECONDS", 0.01)
    with pytest.raises(app.Refused, match=r"not complete after 0.01 s") as refused:
        asyncio.run(app.read_body(nothing, app.Gate(str, 1, 1), app.Sent()))
    assert refused.value.status == 408


def test_a_body_that_does_not_come_ends_with_the_server_in_one_line(tmp_path: Path) -> None:
    with serving(tmp_path, drain_seconds="0") as running:
        connection = running.connection()
        connection.putrequest("POST", "/mutate/pods")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", "100")
        connection.endheaders(b"{")
        assert running.call("/mutate/pods", POD)[0] == 200  # by then the other one is being read
        assert running.process.pid
        os.kill(running.process.pid, signal.SIGTERM)
        answer = connection.getresponse()
        assert answer.status == 503
        assert b"stopping" in answer.read()
        connection.close()
        running.process.join(SECONDS)
        assert running.process.exitcode == 0
        assert "Traceback" not in (tmp_path / "log").read_text()


def head(connection: HTTPSConnection) -> bytes:
    """What is there of an answer's first line."""
    try:
        return bytes(connection.sock.recv(12))
    except ssl.SSLWantReadError:
        return b""


def test_bodies_that_together_are_too_large_get_503_and_give_their_room_back(tmp_path: Path) -> None:
    size = 7 * 2**20
    with serving(tmp_path, drain_seconds="0") as running:
        waiting = [running.connection() for _ in range(app.HELD_BYTES // size + 1)]
        for connection in waiting:
            connection.putrequest("POST", "/mutate/pods")
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(size))
            connection.endheaders(b" " * (size - 1))
            connection.sock.setblocking(False)
        poll(lambda: b"HTTP/1.1 503" in map(head, waiting), "overload")
        assert running.call("/mutate/pods", POD)[0] == 200
        for connection in waiting:
            connection.close()
        poll(lambda: running.call("/mutate/pods", POD.ljust(size))[0] == 200, "room")
