"""JSON lines on stderr: a constant message, and fields. Never an object, never a secret."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import orjson
import structlog

from webhook.admission import AdmissionRequest, Answer

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(level: str) -> None:
    """Make all lines of this process JSON, those of the libraries' own loggers too."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_serialize),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Forward()], level=logging.WARNING, force=True)
    # Its warnings are about what clients send, and clients can send without end.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


def _serialize(fields: Any, **_options: Any) -> bytes:
    return orjson.dumps(fields, default=str)


class _Forward(logging.Handler):
    """Lines of libraries, through the one door."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        write = log.error if record.levelno >= logging.ERROR else log.warning
        write(record.getMessage(), logger=record.name, exc_info=record.exc_info or None)


class ReviewLog:
    """One line for each review that changed, refused or said something; the others at debug."""

    def __init__(self, level: str, seconds: Callable[[], float] = perf_counter) -> None:
        self._log = structlog.get_logger()
        self._debug = LEVELS[level] <= logging.DEBUG
        self._seconds = seconds
        self._last_refusal = float("-inf")

    def reviewed(self, request: AdmissionRequest, answer: Answer, seconds: float) -> None:
        for rule in answer.broken:
            self._log.error(
                "rule fault", code=rule.code, uid=request.uid, kind=request.kind, exc_info=rule.error
            )
        told = answer.findings or answer.outcome in {"patched", "denied"}
        if not (told or self._debug):
            return
        write = self._log.info if told else self._log.debug
        write(
            "review",
            uid=request.uid,
            namespace=request.namespace,
            name=request.name,
            kind=request.kind,
            operation=request.operation,
            owner=answer.owner,
            mode=answer.mode,
            dry_run=request.dry_run,
            outcome=answer.outcome,
            reason=answer.reason,
            codes=[finding.code for finding in answer.findings],
            us=round(seconds * 1e6),
        )

    def refused(self, path: str, status: int, reason: str, uid: str) -> None:
        """At most one line a second, for whoever sends such calls can send many."""
        now = self._seconds()
        if now - self._last_refusal >= 1:
            self._last_refusal = now
            write = self._log.error if status >= 500 else self._log.warning
            write("call refused", path=path, status=status, reason=reason, uid=uid)

    def faulted(self, path: str, uid: str) -> None:
        self._log.error("internal fault", path=path, uid=uid, exc_info=True)
