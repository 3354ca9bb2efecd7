"""Raw requests to the API server: GET, LIST by pages, WATCH. JSON in, dictionaries out, nothing typed.

The official client supplies what is hard to get right: kubeconfig, in-cluster account, credential plugins,
token refresh, TLS and proxies. Its models and its retries are left aside.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson
import urllib3
import yaml
from kubernetes import config
from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

Json = dict[str, Any]

JSON = "application/json"
PAGE_SIZE = 500
CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 30.0
IDLE_SECONDS = 90.0
"""A watch that is silent for longer is dead: the API server sends a bookmark about every minute."""
CHUNK_BYTES = 64 * 1024
LONGEST_LINE_BYTES = 32 * 1024 * 1024
"""An object in etcd has 1.5 MiB at most; a longer line is no watch event."""
GONE = 410


UNUSABLE = (config.ConfigException, OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError)
"""What the official client raises for a kubeconfig, depending on how it is broken."""


class NoCluster(Exception):
    """Neither an in-cluster account nor a usable kubeconfig; the text tells the operator what to do."""


class ApiError(Exception):
    """The API server could not be asked, or refused; `status` is 0 where there was no HTTP answer."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Page(NamedTuple):
    """A part of a LIST, and the version of the whole."""

    items: Sequence[Json]
    resource_version: str


class Event(NamedTuple):
    """One line of a WATCH: ADDED, MODIFIED, DELETED or BOOKMARK, and the raw object."""

    type: str
    object: Json


def configuration(kubeconfig: Path | None) -> Configuration:
    """The kubeconfig's current context; without one the pod's own account, else $KUBECONFIG.

    Raises:
        NoCluster: nothing usable is there.
    """
    found = Configuration()
    try:
        if kubeconfig is None:
            with suppress(config.ConfigException):
                config.load_incluster_config(client_configuration=found)  # type: ignore[no-untyped-call]
                return found
        path = str(kubeconfig) if kubeconfig else None
        config.load_kube_config(path, client_configuration=found, persist_config=False)  # type: ignore[no-untyped-call]
    except UNUSABLE as fault:
        reason = " ".join(str(fault).split())
        if kubeconfig is None:
            raise NoCluster(
                f"no in-cluster account and no kubeconfig ({reason}); name one by --kubeconfig"
            ) from fault
        raise NoCluster(f"{kubeconfig}: {reason}") from fault
    return found


class ApiClient:
    """One API server under one identity. Methods block; any thread may call them."""

    def __init__(self, settings: Configuration, clock: Callable[[], float] = time.monotonic) -> None:
        self.host = str(settings.host).rstrip("/")
        self._settings = settings
        self._pool = RESTClientObject(settings).pool_manager
        self._clock = clock
        self._credentials = threading.Lock()
        self._watches: set[BaseHTTPResponse] = set()
        self._closed = threading.Event()

    def get(
        self, path: str, query: Mapping[str, str] | None = None, seconds: float = REQUEST_SECONDS
    ) -> Json:
        """One object; `seconds` bound the whole answer, however slowly it drips.

        Raises:
            ApiError: no answer in time, no JSON object, or a status that is not 2xx.
        """
        return self._get(path, query or {}, JSON, self._clock() + seconds)

    def dry_run(self, path: str, body: Json, seconds: float = REQUEST_SECONDS) -> Json:
        """What the API server would make of a new object; nothing is stored. Raises ApiError."""
        text = orjson.dumps(body)
        with self._opened(path, {"dryRun": "All"}, JSON, seconds, text) as response:
            return _object(response.read(), path)

    def list(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        accept: str = JSON,
        seconds: float = REQUEST_SECONDS,
        page_size: int = PAGE_SIZE,
    ) -> Iterator[Page]:
        """The pages of a collection as it is now; `seconds` bound all of them together. Raises ApiError."""
        ends, asked = self._clock() + seconds, {**(query or {}), "limit": str(page_size)}
        while True:
            answer = self._get(path, asked, accept, ends)
            metadata, items = answer.get("metadata", {}), answer.get("items")
            items = [] if items is None else items  # Go's encoding of an empty list
            if not (isinstance(metadata, dict) and isinstance(items, list)):
                raise ApiError(f"{path}: the answer is no list of objects")
            yield Page(items, str(metadata.get("resourceVersion") or ""))
            if not metadata.get("continue"):
                return
            asked["continue"] = str(metadata["continue"])

    def watch(
        self,
        path: str,
        resource_version: str,
        seconds: int,
        query: Mapping[str, str] | None = None,
        accept: str = JSON,
    ) -> Iterator[Event]:
        """The changes since a version, bookmarks included; ends when the server ends it after `seconds`.

        Raises:
            ApiError: the stream broke or fell silent; of status 410, the version is too old: list again.
        """
        asked = {
            **(query or {}),
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
        }
        with self._opened(path, asked, accept, IDLE_SECONDS) as response:
            self._watches.add(response)
            try:
                if self._closed.is_set():
                    return
                for line in _lines(response, path):
                    yield _event(line, path)
            finally:
                self._watches.discard(response)

    def close(self) -> None:
        """End the watches of other threads, and their waiting; later ones end at once."""
        self._closed.set()
        for response in tuple(self._watches):
            with suppress(OSError, ValueError):  # it ends by itself just now
                response.shutdown()

    def _get(self, path: str, query: Mapping[str, str], accept: str, ends: float) -> Json:
        left = ends - self._clock()
        if left <= 0:
            raise ApiError(f"{path}: no answer in time")
        with self._opened(path, query, accept, left) as response:
            body = bytearray()
            while chunk := response.read1(CHUNK_BYTES):  # what is there; read() would wait for all of it
                body += chunk
                if self._clock() > ends:
                    raise ApiError(f"{path}: no whole answer in time")
        return _object(bytes(body), path)

    @contextmanager
    def _opened(
        self, path: str, query: Mapping[str, str], accept: str, seconds: float, body: bytes | None = None
    ) -> Iterator[BaseHTTPResponse]:
        """An answer of status 2xx whose body is still to be read; a connection that failed is closed.

        A body makes the request a POST.
        """
        headers = self._headers(accept) | ({"Content-Type": JSON} if body else {})
        try:
            response = self._pool.request(
                "POST" if body else "GET",
                f"{self.host}{path}?{urlencode(query)}" if query else self.host + path,
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds),
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except (HTTPError, OSError) as failed:
            raise ApiError(f"{self.host} cannot be reached for {path}: {_reason(failed)}") from failed
        whole = False
        try:
            if not 200 <= response.status < 300:
                raise _refusal(response, path)
            yield response
            whole = True
        except (HTTPError, OSError) as failed:
            raise ApiError(f"{self.host}{path}: {_reason(failed)}") from failed
        finally:
            if not whole:
                response.close()
            response.release_conn()

    def _headers(self, accept: str) -> dict[str, str]:
        headers = {"Accept": accept, "User-Agent": "udplb"}
        with self._credentials:  # a refresh reads files or runs a plugin, and is not meant for two threads
            try:
                token = self._settings.get_api_key_with_prefix("BearerToken", alias="authorization")
            except (config.ConfigException, OSError, ValueError) as failed:
                raise ApiError(f"credentials: {_reason(failed)}") from failed
        return headers | {"Authorization": token} if token else headers


def _lines(response: BaseHTTPResponse, path: str) -> Iterator[bytes]:
    rest = bytearray()
    while chunk := response.read1(CHUNK_BYTES):
        rest += chunk
        if b"\n" in chunk:
            *lines, last = rest.split(b"\n")
            rest = last
            yield from (bytes(line) for line in lines if line.strip())
        elif len(rest) > LONGEST_LINE_BYTES:
            raise ApiError(f"{path}: a watch event longer than {LONGEST_LINE_BYTES} bytes")
    if rest.strip():
        raise ApiError(f"{path}: the watch ended within an event")


def _event(line: bytes, path: str) -> Event:
    event = _object(line, path)
    kind, changed = event.get("type"), event.get("object")
    if not (isinstance(kind, str) and isinstance(changed, dict)):
        raise ApiError(f"{path}: a watch event without type or object")
    if kind == "ERROR":
        code = changed.get("code")
        raise ApiError(f"{path}: {changed.get('message')}", code if isinstance(code, int) else 0)
    return Event(kind, changed)


def _object(text: bytes, path: str) -> Json:
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError as fault:
        raise ApiError(f"{path}: the answer is not JSON: {fault}") from fault
    if not isinstance(read, dict):
        raise ApiError(f"{path}: the answer is no JSON object")
    return read


def _refusal(response: BaseHTTPResponse, path: str) -> ApiError:
    text = response.read(CHUNK_BYTES)
    try:
        message = str(orjson.loads(text)["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        message = text[:200].decode(errors="replace")
    return ApiError(f"{path}: HTTP {response.status}: {' '.join(message.split())}", response.status)


def _reason(failed: Exception) -> str:
    return " ".join(str(failed).split()) or type(failed).__name__
