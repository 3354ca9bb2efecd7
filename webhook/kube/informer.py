"""List, watch, list again: keeps a store in step with one kind of object, for ever, in a thread."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from webhook.kube.client import JSON, ApiError, Client, Item

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
"""Seconds between attempts; doubled at each, with jitter."""
GONE = 410


class Store(Protocol):
    """Where the objects go; only the informer's thread writes, anybody reads."""

    def replace(self, items: list[Item]) -> None:
        """These are all there are."""

    def put(self, item: Item) -> None:
        """This one is new or has changed."""

    def drop(self, item: Item) -> None:
        """This one is gone."""


@dataclass(slots=True)
class Informer:
    """One kind of object: where it is listed, and the store that holds what is kept of it."""

    client: Client
    path: str
    store: Store
    query: Mapping[str, str] = field(default_factory=dict)
    accept: tuple[str, str] = (JSON, JSON)
    """Media types of a list and of a watch."""
    before: Callable[[], None] = lambda: None
    """Called before each list; it may raise ApiError."""
    synced: bool = False
    restarts: int = 0
    trouble: str = ""
    heard: float = 0.0
    _stopped: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        threading.Thread(target=self._run, name=f"informer {self.path}", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    @property
    def age(self) -> float:
        """Seconds since the API server was last heard of, infinite before the first list."""
        return time.monotonic() - self.heard if self.heard else float("inf")

    def _run(self) -> None:
        log = structlog.get_logger()
        pause = FIRST_PAUSE
        while not self._stopped.is_set():
            try:
                self._list_and_watch()
                pause = FIRST_PAUSE
            except ApiError as failed:
                if str(failed) != self.trouble:
                    log.warning("the API server does not answer, trying again", reason=str(failed))
                self.trouble = str(failed)
            except Exception:
                log.exception("an informer failed, trying again", path=self.path)
            self.restarts += 1
            self._stopped.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 spreads replicas
            pause = min(pause * 2, LONGEST_PAUSE)

    def _list_and_watch(self) -> None:
        self.before()
        items, version = self.client.list(self.path, self.query, self.accept[0])
        self.store.replace(items)
        self.synced, self.trouble, self.heard = True, "", time.monotonic()
        while not self._stopped.is_set():
            version = self._watch(version)

    def _watch(self, version: str) -> str:
        for kind, item in self.client.watch(self.path, version, self.query, self.accept[1]):
            self.heard = time.monotonic()
            if kind == "ERROR":
                raise ApiError(f"{self.path}: the watch is too old", GONE)
            if kind == "DELETED":
                self.store.drop(item)
            elif kind != "BOOKMARK":
                self.store.put(item)
            version = item["metadata"]["resourceVersion"]
        self.heard = time.monotonic()
        return version
