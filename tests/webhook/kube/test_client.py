"""What the client tells the API server about itself."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from webhook.kube.client import Client


def test_a_token_is_sent(tmp_path: Path) -> None:
    given: list[str | None] = []

    class Call(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given.append(self.headers["Authorization"])
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Call) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        config = {
            "clusters": [{"name": "lab", "cluster": {"server": url}}],
            "users": [{"name": "lab", "user": {"token": "of-the-account"}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
            "current-context": "lab",
        }
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(json.dumps(config))
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert Client(kubeconfig).get("/version") == {}
        thread.join()
    assert given == ["Bearer of-the-account"]
