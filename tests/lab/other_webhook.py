"""Other people's webhooks: a small HTTPS server that the API server calls beside, before or after udplb."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jsonpatch

from tests.lab.control_plane import ControlPlane
from tests.lab.keys import Authority
from tests.lab.process import wait_until
from tests.lab.scratch import scratch_directory

CALLED_SECONDS = 30.0
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"

Respond = Callable[[str, bytes], bytes]
"""A path and a body to the body of the answer, which has the status 200."""


@contextmanager
def serving(respond: Respond) -> Iterator[tuple[str, str]]:
    """The server's URL and its authority (PEM)."""
    authority = Authority("other webhooks")
    with scratch_directory() as directory:
        pair = authority.server("localhost", ["127.0.0.1"])
        pem = directory / "server.pem"
        pem.write_bytes(pair.certificate + pair.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(respond))
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}", authority.pem.decode()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(respond: Respond) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = respond(self.path, self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    return Handler


def changing(change: Callable[[dict[str, Any]], None]) -> Respond:
    """A webhook that does this to every object."""

    def respond(_: str, body: bytes) -> bytes:
        request = json.loads(body)["request"]
        before, after = request["object"], json.loads(json.dumps(request["object"]))
        change(after)
        response: dict[str, Any] = {"uid": request["uid"], "allowed": True}
        if operations := jsonpatch.make_patch(before, after).patch:
            patch = base64.b64encode(json.dumps(operations).encode()).decode()
            response |= {"patchType": "JSONPatch", "patch": patch}
        return json.dumps(
            {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
        ).encode()

    return respond


@contextmanager
def mutating_pods(
    control_plane: ControlPlane,
    namespace: str,
    name: str,
    reinvoked: bool,
    change: Callable[[dict[str, Any]], None],
) -> Iterator[None]:
    """A webhook that changes the pods of one namespace; its configuration's name says whether it comes first."""
    calls = 0

    def counted(raw: dict[str, Any]) -> None:
        nonlocal calls
        calls += 1
        change(raw)

    with serving(changing(counted)) as (url, authority):
        body = _configuration(name, namespace, f"{url}/", authority, reinvoked)
        answer = control_plane.request("POST", CONFIGURATIONS, body)
        assert answer.status == 201, answer.body
        try:
            probe = {"metadata": {"name": "probe"}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}
            path = f"/api/v1/namespaces/{namespace}/pods?dryRun=All"

            def called() -> bool:  # the API server learns of it through a watch of its own
                control_plane.request("POST", path, probe)
                return calls > 0

            wait_until(called, f"call of {name}", CALLED_SECONDS)
            yield
        finally:
            control_plane.request("DELETE", f"{CONFIGURATIONS}/{name}")


def _configuration(name: str, namespace: str, url: str, authority: str, reinvoked: bool) -> Mapping[str, Any]:
    return {
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "pods.other.example",
                "clientConfig": {"url": url, "caBundle": base64.b64encode(authority.encode()).decode()},
                "rules": [
                    {
                        "operations": ["CREATE"],
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "resources": ["pods"],
                    }
                ],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "reinvocationPolicy": "IfNeeded" if reinvoked else "Never",
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }
