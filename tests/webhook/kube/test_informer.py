"""An informer keeps its store in step through everything that an API server or a proxy may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from tests.webhook.kube.api import (
    Answer,
    Api,
    answering,
    bookmark,
    event,
    hanging,
    listing,
    poll,
    replying,
    service,
    streaming,
)
from webhook.kube.client import ApiError
from webhook.kube.informer import LONGEST_PAUSE_SECONDS, RELIST_AFTER, Collection, Informer, Key, pause
from webhook.policy.raw import Raw

SERVICES = Collection("/api/v1/services")


class Names:
    """The simplest store: the names, and the versions at which they were read."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}

    def read(self, raw: Mapping[str, Any]) -> str:
        Raw(raw).map("spec").texts("ipFamilies")
        return Raw(raw).map("metadata").text("resourceVersion")

    def replace(self, objects: Mapping[Key, str]) -> None:
        self.held = {key.name: value for key, value in objects.items()}

    def put(self, key: Key, value: str) -> None:
        self.held = {**self.held, key.name: value}

    def remove(self, key: Key) -> None:
        self.held = {name: value for name, value in self.held.items() if name != key.name}


class Following:
    def __init__(self, api: Api, prepare: Callable[[], None] = lambda: None) -> None:
        self.api, self.client, self.store = api, api.client(), Names()
        self.pauses: list[int] = []
        self.informer = Informer(self.client, SERVICES, self.store, prepare, self.pause)

    def pause(self, failures: int) -> float:
        self.pauses.append(failures)
        return 0.001

    def holds(self, **names: str) -> None:
        poll(lambda: self.store.held == names, f"{names}")

    @property
    def lists(self) -> int:
        return sum("watch" not in query for _, query in self.api.calls)

    @property
    def versions(self) -> list[str]:
        return [query["resourceVersion"] for _, query in self.api.calls if "watch" in query]


@contextmanager
def following(*answers: Answer, prepare: Callable[[], None] = lambda: None) -> Iterator[Following]:
    with answering(*answers) as api:
        followed = Following(api, prepare)
        followed.informer.start()
        try:
            yield followed
        finally:
            followed.informer.stop()
            followed.client.close()
            followed.api.ended.set()
            followed.informer.join(5)
            assert not followed.informer._thread.is_alive()


def test_changes_reach_the_store() -> None:
    changes = streaming(
        event("ADDED", service("b", 2)),
        event("MODIFIED", service("a", 3)),
        event("DELETED", service("b", 4)),
        event("ADDED", service("c", 5)),
    )
    with following(replying(listing(service("a"))), changes, hanging) as followed:
        followed.holds(a="3", c="5")
        assert followed.informer.synced
        assert followed.informer.problem == ""


def test_a_watch_that_ends_is_begun_again_where_it_ended_without_a_list() -> None:
    regular = streaming(event("ADDED", service("b", 2)), bookmark(9))
    with following(replying(listing(service("a"))), regular, hanging) as followed:
        poll(lambda: followed.versions == ["1", "9"], "second watch")
        assert (followed.lists, followed.informer.restarts, followed.pauses) == (1, 0, [])


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(streaming(bookmark(7), b"junk\n"), id="junk"),
        pytest.param(streaming(bookmark(7), end=False), id="connection lost"),
        pytest.param(streaming(bookmark(7), event("ERROR", {"code": 500, "message": "no"})), id="error"),
    ],
)
def test_a_watch_that_breaks_is_begun_again_where_it_broke(broken: Answer) -> None:
    with following(replying(listing(service("a"))), broken, hanging) as followed:
        poll(lambda: followed.versions == ["1", "7"], "second watch")
        assert (followed.lists, followed.informer.restarts, followed.pauses) == (1, 1, [1])
        followed.holds(a="1")


@pytest.mark.parametrize(
    "gone",
    [
        pytest.param(streaming(event("ERROR", {"code": 410, "message": "too old"})), id="event"),
        pytest.param(replying({"message": "too old"}, 410), id="status"),
    ],
)
def test_a_version_that_is_too_old_is_listed_anew(gone: Answer) -> None:
    again = replying(listing(service("b", 8), version=8))
    with following(replying(listing(service("a"))), gone, again, hanging) as followed:
        followed.holds(b="8")
        poll(lambda: followed.versions == ["1", "8"], "second watch")


def test_a_watch_that_ends_at_once_does_not_spin() -> None:
    with following(replying(listing()), streaming(), streaming(), hanging) as followed:
        poll(lambda: len(followed.versions) == 3, "third watch")
        assert followed.pauses == [1, 2]
        assert "ended at once" in followed.informer.problem


def test_after_many_failures_all_is_listed_anew() -> None:
    failing = [replying({"message": "later"}, 500)] * RELIST_AFTER
    again = replying(listing(service("b", 2), version=2))
    with following(replying(listing(service("a"))), *failing, again, hanging) as followed:
        followed.holds(b="2")


def test_an_unreachable_api_server_is_asked_until_it_answers() -> None:
    refusing = replying({"message": "not yet"}, 503)
    with following(refusing, refusing, replying(listing(service("a"))), hanging) as followed:
        followed.holds(a="1")
        assert followed.pauses == [1, 2]
        assert followed.informer.restarts == 0


def test_what_is_not_synced_says_why() -> None:
    with following(replying({"message": "not yet"}, 503)) as followed:
        poll(lambda: "HTTP 503: not yet" in followed.informer.problem, "problem")
        assert not followed.informer.synced


def test_an_object_that_cannot_be_read_is_kept_out() -> None:
    bad = service("bad", ipFamilies="IPv4")
    changes = streaming(event("MODIFIED", service("a", 5, ipFamilies=[4])), event("ADDED", service("b", 6)))
    items = listing(service("a"), bad, {"metadata": []}, "text")
    with following(replying(items), changes, hanging) as followed:
        followed.holds(b="6")
        assert followed.informer.malformed == 4
        assert followed.informer.restarts == 0


def test_a_fault_of_ours_does_not_end_the_thread() -> None:
    faults = iter([ZeroDivisionError("ours"), ApiError("theirs")])

    def prepare() -> None:
        fault = next(faults, None)
        if fault:
            raise fault

    with following(replying(listing(service("a"))), hanging, prepare=prepare) as followed:
        followed.holds(a="1")
        assert followed.pauses == [1, 2]


def test_the_age_grows_while_the_api_server_is_silent() -> None:
    now = [100.0]
    with answering(hanging) as api:
        informer = Informer(api.client(), SERVICES, Names(), clock=lambda: now[0])
        now[0] = 130.0
        assert informer.age == 30.0


def test_pauses_double_up_to_a_limit() -> None:
    for failures, longest in ((1, 1.0), (3, 4.0), (1000, LONGEST_PAUSE_SECONDS)):
        assert all(longest / 2 <= pause(failures) <= longest for _ in range(100))
