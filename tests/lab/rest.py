"""Plain requests to an API server, a few milliseconds each where kubectl takes a fifth of a second."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONTENT_TYPES = {"PATCH": "application/merge-patch+json"}


@dataclass(frozen=True)
class Answer:
    """What the API server said: the status code, the object (or text) and the warnings."""

    status: int
    body: Any
    warnings: tuple[str, ...]


class RestClient:
    """Requests to one address under one client certificate."""

    def __init__(
        self, address: tuple[str, int], ca: Path, certificate: Path, key: Path, timeout: float
    ) -> None:
        self._address = address
        self._timeout = timeout
        self._tls = ssl.create_default_context(cafile=str(ca))
        self._tls.load_cert_chain(certificate, key)

    def request(self, method: str, path: str, body: Any = None, content_type: str = "") -> Answer:
        """Send one request on a connection of its own; a PATCH is a merge patch unless said otherwise.

        Raises:
            OSError: nobody answers.
        """
        connection = http.client.HTTPSConnection(*self._address, context=self._tls, timeout=self._timeout)
        headers = {"Content-Type": content_type or CONTENT_TYPES.get(method, "application/json")}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return Answer(response.status, _body(response), _warnings(response))
        except http.client.HTTPException as cut_off:
            raise ConnectionError(f"{method} {path}: {cut_off!r}") from cut_off
        finally:
            connection.close()


def _body(response: http.client.HTTPResponse) -> Any:
    text = response.read().decode()
    return json.loads(text) if "json" in response.headers.get("Content-Type", "") else text


def _warnings(response: http.client.HTTPResponse) -> tuple[str, ...]:
    """The texts of RFC 7234 Warning headers, `299 - "text"`."""
    quoted = [
        re.fullmatch(r'299 \S+ "(.*)"', line, re.DOTALL) for line in response.headers.get_all("Warning", [])
    ]
    return tuple(re.sub(r"\\(.)", r"\1", found[1]) for found in quoted if found)
