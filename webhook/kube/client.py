"""Raw reads from the API server: GET, LIST by pages, WATCH. JSON comes back as it is, never as models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import urllib3
import yaml
from kubernetes.client.configuration import Configuration
from kubernetes.client.rest import RESTClientObject
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config

JSON = "application/json"
PAGE = 500
"""Objects of one page of a LIST."""
CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
WATCH_SECONDS = 300
"""How long the API server keeps a watch open."""
SILENCE_SECONDS = 120.0
"""Bookmarks come about once a minute; a watch that is silent for longer is dead."""

Item = dict[str, Any]
Query = Mapping[str, str]
NO_QUERY: Query = {}


class NoCluster(Exception):
    """There is neither an in-cluster account nor a usable kubeconfig; the text is for the operator."""


class ApiError(Exception):
    """The API server cannot be reached or said no; `status` is its HTTP status, 0 without an answer."""

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status


class Client:
    """One API server, with the credentials of a kubeconfig or of the pod's account."""

    def __init__(self, kubeconfig: Path | None) -> None:
        self._configuration = _configuration(kubeconfig)
        self._pool = RESTClientObject(self._configuration).pool_manager
        self.url: str = self._configuration.host

    def get(
        self, path: str, query: Query = NO_QUERY, accept: str = JSON, seconds: float = READ_SECONDS
    ) -> Item:
        """One object or page.

        Raises:
            ApiError: no connection, no JSON, or another status than 200.
        """
        response = self._request(path, query, accept, seconds)
        try:
            body = orjson.loads(response.read())
        except (orjson.JSONDecodeError, urllib3.exceptions.HTTPError) as broken:
            raise ApiError(f"{path}: broken answer: {broken}") from broken
        finally:
            response.release_conn()
        if not isinstance(body, dict):
            raise ApiError(f"{path}: the answer is no object")
        return body

    def list(
        self, path: str, query: Query = NO_QUERY, accept: str = JSON, seconds: float = READ_SECONDS
    ) -> tuple[list[Item], str]:
        """All items and the resourceVersion at which they stood. Raises ApiError."""
        items: list[Item] = []
        page: dict[str, str] = {"limit": str(PAGE)}
        while True:
            body = self.get(path, {**query, **page}, accept, seconds)
            items += body.get("items") or []
            metadata = body.get("metadata") or {}
            if not metadata.get("continue"):
                return items, str(metadata.get("resourceVersion", ""))
            page["continue"] = metadata["continue"]

    def watch(
        self, path: str, version: str, query: Query = NO_QUERY, accept: str = JSON
    ) -> Iterator[tuple[str, Item]]:
        """Events after this resourceVersion, until the API server ends the watch. Raises ApiError."""
        asked = {
            **query,
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        response = self._request(path, asked, accept, SILENCE_SECONDS)
        try:
            rest = b""
            for chunk in response.stream(2**16):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    event = orjson.loads(line)
                    yield event["type"], event["object"]
        except (urllib3.exceptions.HTTPError, orjson.JSONDecodeError, KeyError, TypeError) as broken:
            raise ApiError(f"{path}: the watch broke: {broken}") from broken
        finally:
            response.close()

    def _request(self, path: str, query: Query, accept: str, seconds: float) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": accept}
        token = self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        if token:
            headers["Authorization"] = token
        try:
            response: urllib3.BaseHTTPResponse = self._pool.request(
                "GET",
                f"{self.url}{path}?{urlencode(query)}",
                headers=headers,
                preload_content=False,
                retries=False,
                timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds),
            )
        except urllib3.exceptions.HTTPError as failed:
            raise ApiError(f"{self.url} cannot be reached: {failed}") from failed
        if response.status != 200:
            response.drain_conn()
            response.release_conn()
            raise ApiError(f"{path}: HTTP {response.status}", response.status)
        return response


def _configuration(kubeconfig: Path | None) -> Any:
    configuration = Configuration()
    try:
        if kubeconfig is None:
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            load_kube_config(str(kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, KeyError) as unusable:
        where = f"{kubeconfig}" if kubeconfig else "no file is named, and this is no pod with an account"
        reason = " ".join(str(unusable).split())
        raise NoCluster(f"{where}: {reason}") from unusable
    return configuration
