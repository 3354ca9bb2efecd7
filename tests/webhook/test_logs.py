"""What is logged, and how often."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from tests.webhook.reviews import pod, review
from webhook import logs
from webhook.admission import Answer, decode_review
from webhook.policy.finding import Finding, Severity

WARNING = Finding("UDPLB920", Severity.WARN, "spec", "look")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:], logging.root.level = before
    structlog.reset_defaults()


def lines(capfdbinary: pytest.CaptureFixture[bytes]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capfdbinary.readouterr().err.splitlines()]


def test_calls_without_a_review_are_logged_once_a_second_at_most(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    logs.configure("info")
    clock = iter([0.0, 0.5, 0.9, 1.0, 1.1])
    log = logs.ReviewLog("info", lambda: next(clock))
    for number in range(5):
        log.refused("/mutate/pods", 503 if number == 3 else 400, f"reason {number}", "")
    assert [(line["reason"], line["level"]) for line in lines(capfdbinary)] == [
        ("reason 0", "warning"),
        ("reason 3", "error"),
    ]


def test_a_review_with_findings_is_logged_and_one_without_is_not(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    logs.configure("info")
    log = logs.ReviewLog("info")
    request = decode_review(json.dumps(review(pod())).encode())
    log.reviewed(request, Answer({}, "allowed"), 0.001)
    log.reviewed(request, Answer({}, "allowed", findings=(WARNING,)), 0.001)
    (line,) = lines(capfdbinary)
    assert (line["codes"], line["us"]) == (["UDPLB920"], 1000)


def test_lines_of_libraries_are_json_too(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    logs.configure("info")
    logging.getLogger("urllib3.connectionpool").warning("Retrying %s", "once")
    logging.getLogger("uvicorn.error").error("broken")
    logging.getLogger("urllib3.connectionpool").info("not a word")
    assert [(line["event"], line["logger"], line["level"]) for line in lines(capfdbinary)] == [
        ("Retrying once", "urllib3.connectionpool", "warning"),
        ("broken", "uvicorn.error", "error"),
    ]


def test_clients_that_speak_no_http_fill_no_log(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    logs.configure("info")
    for _ in range(1000):
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert lines(capfdbinary) == []
