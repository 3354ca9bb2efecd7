"""What comes of the answers of an API server, good and bad."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import Configuration

from tests.webhook.kube.api import (
    Answer,
    Call,
    answering,
    bookmark,
    encoded,
    event,
    hanging,
    listing,
    poll,
    replying,
    service,
    streaming,
)
from webhook.kube.client import ApiClient, ApiError, NoCluster, configuration

PATH = "/api/v1/services"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBERNETES_SERVICE_HOST", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))


def test_a_list_is_read_page_by_page() -> None:
    pages = replying(listing(service("a"), rest="more")), replying(listing(service("b"), version=7))
    with answering(*pages) as api:
        read = list(api.client().list(PATH, {"fieldSelector": "spec.type=LoadBalancer"}))
    assert [[item["metadata"]["name"] for item in page.items] for page in read] == [["a"], ["b"]]
    assert read[-1].resource_version == "7"
    assert [query.get("continue") for _, query in api.calls] == [None, "more"]
    assert {query["fieldSelector"] for _, query in api.calls} == {"spec.type=LoadBalancer"}


def dripping(call: Call) -> None:
    """A byte at a time, so that no single read is ever late."""
    call.send_response(200)
    call.send_header("Content-Length", "100000")
    call.end_headers()
    try:
        while not call.server.ended.wait(0.02):
            call.wfile.write(b" ")
    except OSError:
        call.close_connection = True


@pytest.mark.parametrize(
    ("answer", "text", "status"),
    [
        pytest.param(replying(b"<html>"), "not JSON", 0, id="no JSON"),
        pytest.param(replying([]), "no JSON object", 0, id="no object"),
        pytest.param(replying({"message": "go away"}, 403), "HTTP 403: go away", 403, id="refused"),
        pytest.param(replying(b"bad\ngateway", 502), "HTTP 502: bad gateway", 502, id="refused by a proxy"),
        pytest.param(hanging, "timed out", 0, id="no answer"),
        pytest.param(dripping, "no whole answer in time", 0, id="an answer that drips"),
    ],
)
def test_a_bad_answer_is_an_error_in_time(answer: Answer, text: str, status: int) -> None:
    with answering(answer) as api, pytest.raises(ApiError, match=text) as failed:
        api.client().get(PATH, seconds=0.2)
    assert failed.value.status == status


def test_a_list_that_is_none_is_an_error() -> None:
    with answering(replying({"items": {}})) as api, pytest.raises(ApiError, match="no list"):
        list(api.client().list(PATH))


def test_pages_together_have_one_deadline() -> None:
    times = iter([0.0, 0.0, 0.0, 9.0])
    with answering(replying(listing(rest="more"))) as api:
        client = ApiClient(api.client()._settings, clock=lambda: next(times))
        with pytest.raises(ApiError, match="in time"):
            list(client.list(PATH, seconds=5))


def test_an_unreachable_server_is_named() -> None:
    with answering(hanging) as api:
        client = api.client()
    with pytest.raises(ApiError, match=client.host):
        client.get(PATH)


def test_a_watch_gives_events_however_they_are_cut() -> None:
    text = encoded(event("ADDED", service("ä", 2))) + b"\n\n" + encoded(bookmark(9)) + b"\n"
    with answering(streaming(text[:10], text[10:60], text[60:])) as api:
        events = list(api.client().watch(PATH, "1", 60))
    assert [read.type for read in events] == ["ADDED", "BOOKMARK"]
    assert events[0].object["metadata"]["name"] == "ä"
    assert api.calls[0][1] == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "1",
        "timeoutSeconds": "60",
    }


@pytest.mark.parametrize(
    ("answer", "text", "status"),
    [
        pytest.param(streaming(b"junk\n"), "not JSON", 0, id="junk"),
        pytest.param(streaming({"type": 1}), "without type or object", 0, id="no event"),
        pytest.param(streaming(b'{"type":'), "within an event", 0, id="cut within an event"),
        pytest.param(streaming(bookmark(2), end=False), PATH, 0, id="connection lost"),
        pytest.param(
            streaming(event("ERROR", {"code": 410, "message": "too old"})), "too old", 410, id="gone"
        ),
        pytest.param(streaming(event("ERROR", {"message": "odd"})), "odd", 0, id="error without code"),
        pytest.param(replying({"message": "too old"}, 410), "too old", 410, id="gone at once"),
    ],
)
def test_a_broken_watch_is_an_error(answer: Answer, text: str, status: int) -> None:
    with answering(answer) as api, pytest.raises(ApiError, match=text) as failed:
        list(api.client().watch(PATH, "1", 60))
    assert failed.value.status == status


def test_an_endless_line_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhook.kube.client.LONGEST_LINE_BYTES", 100)
    with answering(streaming(b"x" * 200)) as api, pytest.raises(ApiError, match="longer than"):
        list(api.client().watch(PATH, "1", 60))


def test_a_silent_watch_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhook.kube.client.IDLE_SECONDS", 0.1)
    with answering(hanging) as api, pytest.raises(ApiError, match="timed out"):
        list(api.client().watch(PATH, "1", 60))


def test_closing_ends_a_watch_in_another_thread() -> None:
    def opening(call: Call) -> None:
        call.stream(encoded(bookmark(2)) + b"\n", end=False)
        call.wfile.flush()
        call.hang()

    with answering(opening) as api:
        client = api.client()
        seen: list[str] = []

        def follow() -> None:
            try:
                seen.extend(read.type for read in client.watch(PATH, "1", 60))
            except ApiError:
                seen.append("ended")

        thread = threading.Thread(target=follow)
        thread.start()
        poll(lambda: bool(client._watches), "open watch")
        client.close()
        thread.join(5)
        assert not thread.is_alive()
        assert list(client.watch(PATH, "1", 60)) == []


def written(path: Path, user: Mapping[str, str]) -> Path:
    path.write_text(
        json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
                "users": [{"name": "u", "user": user}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    return path


@pytest.mark.parametrize("text", ["", "- 1", "{", "{}", "\x00"])
def test_an_unusable_kubeconfig_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(NoCluster, match="kubeconfig") as caught:
        configuration(path)
    assert len(str(caught.value).splitlines()) == 1


def test_without_account_and_kubeconfig_the_flag_is_named() -> None:
    with pytest.raises(NoCluster, match=r"no in-cluster account and no kubeconfig .*--kubeconfig"):
        configuration(None)


def test_a_token_of_the_kubeconfig_is_sent(tmp_path: Path) -> None:
    given: list[str | None] = []

    def look(call: Call) -> None:
        given.append(call.headers["Authorization"])
        call.reply(b"{}")

    with answering(look) as api:
        settings = configuration(written(tmp_path / "kubeconfig", {"token": "one"}))
        settings.host = api.client().host
        ApiClient(settings).get(PATH)
    assert given == ["Bearer one"]


def test_a_pods_own_token_is_sent_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str | None] = []

    def look(call: Call) -> None:
        given.append(call.headers["Authorization"])
        call.reply(b"{}")

    token, ca = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("old")
    ca.write_text("not looked at over http")
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_CERT_FILENAME", str(ca))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    with answering(look) as api:
        settings = configuration(None)
        assert settings.host == "https://127.0.0.1:1"
        settings.ssl_ca_cert = None
        ApiClient(unlocked(settings, api.client().host)).get(PATH)
    assert [str(one).lower() for one in given] == ["bearer old"]


def unlocked(settings: Configuration, host: str) -> Configuration:
    """The same credentials towards a server that speaks plain HTTP."""
    hook: Any = settings.refresh_api_key_hook

    def refreshed(target: Configuration) -> None:
        hook(target)
        target.host = host

    with_hook: Any = settings
    with_hook.refresh_api_key_hook = refreshed
    settings.host = host
    return settings


def test_credentials_that_cannot_be_renewed_are_an_error() -> None:
    settings: Any = Configuration()
    settings.host = "http://127.0.0.1:1"

    def broken(_: Configuration) -> None:
        raise OSError("token: No such file")

    settings.refresh_api_key_hook = broken
    with pytest.raises(ApiError, match="credentials: token: No such file"):
        ApiClient(settings).get(PATH)
