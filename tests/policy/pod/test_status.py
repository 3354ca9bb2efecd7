"""The status is read with care: anybody may have written it."""

from __future__ import annotations

import json

import pytest

from webhook.policy.pod.status import MEMBERS, Status, parse_status


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "null",
        "[]",
        "yes",
        "{",
        "[" * 100_000,
        '{"schema":"1"}',
        '{"schema":true,"version":"0.1.0","injected":1}',
        '{"schema":1,"injected":true}',
        '{"schema":1,"version":"0.1.0","injected":true,"hash":"x"}',
        '{"schema":1,"version":"0.1.0","injected":true,"hash":"x","ports":{}}',
        '{"schema":1,"version":"0.1.0","injected":true,"hash":"x","ports":["5555"]}',
        '{"schema":1,"version":"0.1.0","injected":true,"hash":"x","ports":{"game":"declared"}}',
        '{"schema":1,"version":"0.1.0","injected":true,"hash":"x","ports":{"123456":"declared"}}',
    ],
    ids=lambda text: str(text)[:40],
)
def test_what_is_no_status_of_ours_is_none(text: str | None) -> None:
    assert parse_status(text) is None


def test_a_status_is_read_as_it_was_written() -> None:
    written = Status("0.1.0", True, hash="0123456789ab", ports={5555: "service/echo", 53: "declared"})
    assert parse_status(str(written)) == written


def test_a_skip_is_read_without_its_reason() -> None:
    written = Status("0.1.0", False, "host_network", skipped={53: "tcp_port_in_use"})
    assert str(written) == (
        '{"injected":false,"reason":"host_network","schema":1,"skipped":{"53":"tcp_port_in_use"},'
        '"version":"0.1.0"}'
    )
    assert parse_status(str(written)) == Status("0.1.0", False)


def test_of_an_unknown_schema_only_the_number_is_read() -> None:
    assert parse_status('{"schema":7,"anything":[]}') == Status("", True, schema=7)


@pytest.mark.parametrize(
    ("theirs", "ours", "newer"),
    [
        ("0.2.0", "0.1.9", True),
        ("0.10.0", "0.9.0", True),
        ("1.0.0", "1.0.0", False),
        ("0.1.0", "0.2.0", False),
        ("1.0.0-rc.1", "0.9.0", True),
        ("unknown", "0.1.0", False),
        ("0.1.0", "", True),
    ],
)
def test_versions_are_compared_by_number(theirs: str, ours: str, newer: bool) -> None:
    assert Status(theirs, True).newer_than(ours) is newer


def test_every_member_that_is_written_is_documented() -> None:
    whole = Status(
        "0.1.0", True, hash="x", ports={53: "y"}, skipped={1: "z"}, changed={"a": None}, mesh="ambient"
    )
    skip = Status("0.1.0", False, "host_network")
    assert json.loads(str(whole)).keys() | json.loads(str(skip)).keys() == MEMBERS.keys()


def test_what_was_changed_is_read_as_it_was_written() -> None:
    written = Status(
        "0.1.0", True, hash="x", ports={53: "y"}, changed={"a": None, "b": "1", "c": 30, "d": 0.5}
    )
    assert parse_status(str(written)) == written


@pytest.mark.parametrize("changed", ["1", "[]", "null", '{"a":[]}', '{"a":true}', '{"a":{}}'])
def test_a_memory_of_another_kind_is_none(changed: str) -> None:
    text = f'{{"schema":1,"version":"0.1.0","injected":true,"hash":"x","ports":{{"53":"y"}},"changed":{changed}}}'
    read = parse_status(text)
    assert read is not None
    assert read.changed == {}
