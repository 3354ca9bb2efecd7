"""A loopback HTTP server that answers as a test tells it: what a real API server does only on a bad day."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kubernetes.client import Configuration

from webhook.kube.client import ApiClient

SECONDS = 20.0

Answer = Callable[["Call"], None]


class Call(BaseHTTPRequestHandler):
    """One request that a test answers."""

    protocol_version = "HTTP/1.1"
    server: Api

    def do_GET(self) -> None:
        split = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(split.query).items()}
        with self.server.lock:
            self.server.calls.append((split.path, self.query))
            answers = self.server.answers
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)

    def log_message(self, *_: object) -> None: ...

    def reply(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, *chunks: bytes, end: bool = True) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in chunks:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        if end:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True

    def hang(self) -> None:
        """Hold the connection until the server ends."""
        self.server.ended.wait(SECONDS)
        self.close_connection = True


class Api(ThreadingHTTPServer):
    """Gives its answers in turn, the last one for ever, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self, answers: Sequence[Answer]) -> None:
        super().__init__(("127.0.0.1", 0), Call)
        self.answers = list(answers)
        self.calls: list[tuple[str, Mapping[str, str]]] = []
        self.lock = threading.Lock()
        self.ended = threading.Event()

    def client(self) -> ApiClient:
        settings = Configuration()
        settings.host = f"http://127.0.0.1:{self.server_address[1]}"
        settings.proxy = None
        return ApiClient(settings)


@contextmanager
def answering(*answers: Answer) -> Iterator[Api]:
    with Api(answers) as api:
        thread = threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield api
        finally:
            api.ended.set()
            api.shutdown()
            thread.join()


def poll(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {SECONDS} s"
        time.sleep(0.01)


def encoded(body: Any) -> bytes:
    return json.dumps(body).encode()


def replying(body: Any, status: int = 200) -> Answer:
    text = body if isinstance(body, bytes) else encoded(body)
    return lambda call: call.reply(text, status)


def streaming(*events: Any, end: bool = True) -> Answer:
    lines = [event if isinstance(event, bytes) else encoded(event) + b"\n" for event in events]
    return lambda call: call.stream(*lines, end=end)


def hanging(call: Call) -> None:
    call.hang()


def service(name: str, version: int = 1, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "games", "name": name, "resourceVersion": str(version)},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 5555, "protocol": "UDP"}], **spec},
    }


def listing(*items: Any, version: int = 1, rest: str = "") -> dict[str, Any]:
    return {"metadata": {"resourceVersion": str(version), "continue": rest}, "items": list(items)}


def event(kind: str, item: Any) -> dict[str, Any]:
    return {"type": kind, "object": item}


def bookmark(version: int) -> dict[str, Any]:
    return event("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})
