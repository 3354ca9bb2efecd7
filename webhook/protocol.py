"""HTTP as uvicorn speaks it, with bounds on what comes around the body.

httptools and uvicorn keep the head of a request, and the trailers behind a chunked body, in memory however long
they are, and wait for the end of a head however late it comes; a client that never ends them would take the whole
pod with it.
"""

from __future__ import annotations

import asyncio

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024
"""The API server's heads have about one."""
HEAD_SECONDS = 5.0
"""From a head's first byte to its last: by then the API server has given the whole call up."""


class BoundedHead(HttpToolsProtocol):
    """Refuses a head that is too long or too slow, and whatever is no HTTP, in one line of JSON."""

    _head: int = 0
    """Bytes of this request that are not its body: the head, trailers, the sizes of chunks."""

    _late: asyncio.TimerHandle | None = None
    """Runs while a head is awaited of which something came."""
    _in_body: bool = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        # uvicorn lets a connection be idle for so long after a request only, and for ever before the first.
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = 0
        self._await_head()

    def on_headers_complete(self) -> None:
        self._head_is_there()
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._head -= len(body)

    def data_received(self, data: bytes) -> None:
        if not self._in_body:
            self._await_head()
        super().data_received(data)
        self._head += len(data)
        if self._head > HEAD_BYTES and not self.transport.is_closing():
            self._refuse(
                b"431 Request Header Fields Too Large", f"the head is larger than {HEAD_BYTES} bytes"
            )

    def send_400_response(self, msg: str) -> None:
        self._refuse(b"400 Bad Request", msg)

    def _await_head(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _head_is_there(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self._refuse(b"408 Request Timeout", f"the head is not complete after {HEAD_SECONDS:g} s")

    def _refuse(self, status: bytes, reason: str) -> None:
        body = orjson.dumps({"error": reason})
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close" % len(body)
        self.transport.write(b"HTTP/1.1 %s\r\n%s\r\n\r\n%s" % (status, head, body))
        self.transport.close()
