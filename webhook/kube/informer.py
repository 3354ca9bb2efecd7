"""A collection of the API server, kept up to date by one thread: LIST, then WATCH, and again without end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import random
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import structlog

from webhook.kube.client import GONE, JSON, ApiClient, ApiError
from webhook.policy.raw import MalformedObject, Raw

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
RELIST_AFTER = 5
"""Failures in a row after which the version itself is doubted (etcd may have been restored) and all is listed."""
WATCH_SECONDS = 300
"""A watch is asked to last once to twice as long, so that replicas do not return together."""

T = TypeVar("T")


class Key(NamedTuple):
    """Where an object stands; the namespace is empty for a cluster's own."""

    namespace: str
    name: str


class Store(Protocol[T]):
    """Where the objects go. Only its informer's thread calls it; whoever reads it sees whole snapshots."""

    def read(self, raw: Mapping[str, Any]) -> T:
        """The view that is kept of a raw object. Raises MalformedObject."""

    def replace(self, objects: Mapping[Key, T]) -> None: ...

    def put(self, key: Key, value: T) -> None: ...

    def remove(self, key: Key) -> None: ...


@dataclass(frozen=True, slots=True)
class Collection:
    """What is listed and watched, and in which representation."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    accept_list: str = JSON
    accept_watch: str = JSON


def pause(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubling, with full jitter."""
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(failures, 10))
    return longest * (0.5 + random() / 2)  # noqa: S311 no secret


class Informer(Generic[T]):
    """Fills a store for as long as it runs. No answer of the API server ends it."""

    def __init__(
        self,
        client: ApiClient,
        collection: Collection,
        store: Store[T],
        prepare: Callable[[], None] = lambda: None,
        pause: Callable[[int], float] = pause,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`prepare` runs before each start of the watch; an ApiError of it counts as one of ours."""
        self._client = client
        self._collection = collection
        self._store = store
        self._prepare = prepare
        self._pause = pause
        self._clock = clock
        self._log = structlog.get_logger()
        self._stopping = threading.Event()
        self._synced = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {collection.path}", daemon=True)
        self._version = ""
        self._heard = clock()
        self.restarts = 0
        """How often the watch broke and was begun again; its regular end does not count."""
        self.malformed = 0
        """How many objects could not be read and were kept out."""
        self.problem = ""
        """What fails now; empty while all is well."""

    @property
    def synced(self) -> bool:
        """Whether the store was complete once."""
        return self._synced.is_set()

    @property
    def age(self) -> float:
        """Seconds since the API server was last heard of; a quiet watch has a bookmark about every minute."""
        return max(0.0, self._clock() - self._heard)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; the client must be closed, too, or it waits for a silent watch."""
        self._stopping.set()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                heard = self._cycle()
                failures = 0 if heard else failures + 1
                problem = "" if heard else f"{self._collection.path}: the watch ended at once"
            except ApiError as failed:
                failures += 1
                problem = str(failed)
                if failed.status == GONE:
                    self._version = ""
            except Exception as fault:  # this thread must outlive whatever a proxy may send
                failures += 1
                problem = repr(fault)
                self._version = ""
                self._log.exception("watch failed", path=self._collection.path)
            if not failures or self._stopping.is_set():
                continue
            self._fail(failures, problem)

    def _fail(self, failures: int, problem: str) -> None:
        self.problem = problem
        if self.synced:
            self.restarts += 1
        if failures >= RELIST_AFTER:
            self._version = ""
        seconds = self._pause(failures)
        if failures & (failures - 1) == 0:  # the first, second, fourth, eighth: not a line a second all night
            self._log.warning(
                "API server not followed, will try again",
                path=self._collection.path,
                problem=problem,
                failures=failures,
                pause=round(seconds, 1),
            )
        self._stopping.wait(seconds)

    def _cycle(self) -> bool:
        """List if need be, watch to the end; tell whether anything was heard."""
        self._prepare()
        listed = not self._version
        if listed:
            self._list()
        heard = False
        seconds = round(WATCH_SECONDS * (1 + random()))  # noqa: S311 no secret
        collection = self._collection
        for event in self._client.watch(
            collection.path, self._version, seconds, collection.query, collection.accept_watch
        ):
            self._apply(event.type, event.object)
            self._hear()
            heard = True
        return heard

    def _hear(self) -> None:
        self._heard = self._clock()
        self.problem = ""

    def _list(self) -> None:
        objects: dict[Key, T] = {}
        version = ""
        collection = self._collection
        for page in self._client.list(collection.path, collection.query, collection.accept_list):
            version = page.resource_version
            for raw in page.items:  # a page at a time, so that the JSON of all is never in memory at once
                key, value = self._read(raw)
                if value is not None:
                    objects[key] = value
        self._store.replace(objects)
        self._version = version
        self._hear()
        if not self.synced:
            self._log.info("synced", path=collection.path, objects=len(objects))
        self._synced.set()

    def _apply(self, kind: str, raw: Mapping[str, Any]) -> None:
        if kind != "BOOKMARK":
            key, value = self._read(raw)
            if value is None or kind == "DELETED":
                self._store.remove(key)
            else:
                self._store.put(key, value)
        self._version = Raw(raw).map("metadata").text("resourceVersion") or self._version

    def _read(self, raw: Mapping[str, Any]) -> tuple[Key, T | None]:
        """Where the object stands, and what is kept of it: nothing, where it cannot be read."""
        key = Key("", "")
        try:
            metadata = Raw(raw).map("metadata")
            key = Key(metadata.text("namespace"), metadata.text("name"))
            return key, self._store.read(raw)
        except MalformedObject as fault:
            self.malformed += 1
            self._log.warning(
                "object kept out, a field has a wrong type",
                path=self._collection.path,
                namespace=key.namespace,
                name=key.name,
                field=str(fault),
            )
            return key, None
