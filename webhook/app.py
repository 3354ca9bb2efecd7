"""The five review routes: method, content type, size, overload, and what each failure is in HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import orjson
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from webhook.admission import AdmissionRequest, Answer, MalformedReview, decode_review, encode_review
from webhook.handlers import Handler

BODY_SECONDS = 10.0
"""How long a body may take: twice what the API server waits for the whole answer."""
HELD_BYTES = 64 * 2**20
"""Bodies in memory at once: thousands of the usual reviews, nine of the largest. JSON takes several times that."""
JSON = (b"content-type", b"application/json")
CLOSE = (b"connection", b"close")
NO_PATH = "no such path"


class Recorder(Protocol):
    """Is told what came of each call: metrics and log."""

    def reviewed(self, request: AdmissionRequest, answer: Answer, seconds: float) -> None: ...

    def refused(self, path: str, status: int, reason: str, uid: str) -> None:
        """A call that got no review back: malformed, or more than we can answer now."""

    def faulted(self, path: str, uid: str) -> None:
        """An exception of ours, which is being handled."""


@dataclass(slots=True)
class Gate:
    """Whether reviews are answered at all. `unready` says why not, and nothing when they are."""

    unready: Callable[[], str]
    limit: int
    body_limit: int
    draining: bool = False
    busy: int = 0
    held: int = 0
    """Bytes of the bodies of all reviews that are being answered."""


class Refused(Exception):
    """A call that gets no review back, and the HTTP status that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Disconnected(Exception):
    """The client is gone before its body was complete: nobody to answer."""


@dataclass(slots=True)
class Sent:
    """How much of its body one call has sent so far, in bytes."""

    size: int = 0


class ReviewEndpoint:
    """One path as a bare ASGI object.

    FastAPI wraps a function into layers that cost more than the whole review; an object it calls as it is.
    """

    def __init__(self, handler: Handler, gate: Gate, recorders: Sequence[Recorder]) -> None:
        self._handler = handler
        self._gate = gate
        self._recorders = recorders

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gate = self._gate
        sent = Sent()
        gate.busy += 1
        try:
            status, body = await self._respond(scope, receive, sent)
        except Disconnected:
            return
        finally:
            gate.busy -= 1
            gate.held -= sent.size
        headers = [JSON, (b"content-length", b"%d" % len(body))]
        if gate.draining:
            headers.append(CLOSE)
        if status == 405:
            headers.append((b"allow", b"POST"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _respond(self, scope: Scope, receive: Receive, sent: Sent) -> tuple[int, bytes]:
        started = perf_counter()
        path, uid = scope["path"], ""
        try:
            self._check(scope)
            request = decode_review(await read_body(receive, self._gate, sent))
            uid = request.uid
            answer = await self._handler.answer(request)
            body = encode_review(answer.response)
            seconds = perf_counter() - started
            for recorder in self._recorders:
                recorder.reviewed(request, answer, seconds)
        except Disconnected:
            raise
        except Refused as refused:
            return self._refuse(path, refused.status, refused.reason, uid)
        except MalformedReview as malformed:
            return self._refuse(path, 400, str(malformed), uid)
        except Exception:
            for recorder in self._recorders:
                recorder.faulted(path, uid)
            return 500, error_body(f"internal fault; the log of udplb tells more, uid {uid}")
        return 200, body

    def _check(self, scope: Scope) -> None:
        gate = self._gate
        if scope["method"] != "POST":
            raise Refused(405, f"{scope['method']} is not allowed; reviews are sent by POST")
        if gate.busy > gate.limit:
            raise Refused(503, f"overloaded: {gate.limit} reviews are being answered")
        if unready := gate.unready():
            raise Refused(503, f"not ready: {unready}")
        headers = dict(scope["headers"])
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if kind != b"application/json":
            raise Refused(415, "the content type is not application/json")
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > gate.body_limit:
            raise too_large(gate.body_limit)

    def _refuse(self, path: str, status: int, reason: str, uid: str) -> tuple[int, bytes]:
        for recorder in self._recorders:
            recorder.refused(path, status, reason, uid)
        return status, error_body(reason)


async def read_body(receive: Receive, gate: Gate, sent: Sent) -> bytes:
    """The whole body, counted as held by the gate.

    Raises:
        Refused: it is too large or too slow, all bodies together are too large, or the server stops.
        Disconnected: it ends early.
    """
    chunks: list[bytes] = []
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Disconnected
                chunk = message.get("body", b"")
                chunks.append(chunk)
                sent.size += len(chunk)
                gate.held += len(chunk)
                if sent.size > gate.body_limit:
                    raise too_large(gate.body_limit)
                if gate.held > max(HELD_BYTES, gate.body_limit):
                    raise Refused(
                        503, f"overloaded: more than {HELD_BYTES} bytes of reviews are being answered"
                    )
                if not message.get("more_body", False):
                    return b"".join(chunks)
    except TimeoutError:
        raise Refused(408, f"the body is not complete after {BODY_SECONDS:g} s") from None
    except asyncio.CancelledError:  # the drain is over
        raise Refused(503, "stopping: the body did not come in time") from None


def too_large(limit: int) -> Refused:
    return Refused(413, f"the body is larger than {limit} bytes")


def error_body(reason: str) -> bytes:
    return orjson.dumps({"error": reason})


async def unknown_path(scope: Scope, receive: Receive, send: Send) -> None:
    """What the router does with a path that it does not know."""
    await Response(error_body(NO_PATH), 404, media_type="application/json")(scope, receive, send)


async def http_error(_request: Request, fault: Exception) -> Response:
    """FastAPI's own refusals (an unknown path) in the words of ours."""
    status = fault.status_code if isinstance(fault, HTTPException) else 500
    reason = NO_PATH if status == 404 else str(getattr(fault, "detail", "internal fault"))
    return Response(error_body(reason), status, media_type="application/json")


def plain_app(routes: list[Route]) -> FastAPI:
    """A FastAPI application of these routes alone: no documentation pages, no redirects."""
    handlers: dict[Any, Any] = {HTTPException: http_error}
    app = FastAPI(openapi_url=None, redirect_slashes=False, exception_handlers=handlers)
    app.router.routes[:] = routes
    return app


def review_app(handlers: Mapping[str, Handler], gate: Gate, recorders: Sequence[Recorder]) -> FastAPI:
    """The five paths, without FastAPI's middleware: an endpoint handles its own faults, and nothing else is left."""
    app = plain_app(
        [Route(path, ReviewEndpoint(handler, gate, recorders)) for path, handler in handlers.items()]
    )
    app.router.default = unknown_path
    app.middleware_stack = app.router
    return app
