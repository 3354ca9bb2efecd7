"""HTTP as uvicorn speaks it, with a bound on what comes around the body.

httptools and uvicorn keep the head of a request, and the trailers behind a chunked body, in memory however long
they are; a client that never ends them would take the whole pod with it.
"""

from __future__ import annotations

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024
"""The API server's heads have about one."""


class BoundedHead(HttpToolsProtocol):
    """Refuses a head that is too long, and whatever is no HTTP, in one line of JSON."""

    _head: int = 0
    """Bytes of this request that are not its body: the head, trailers, the sizes of chunks."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = 0

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._head -= len(body)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._head += len(data)
        if self._head > HEAD_BYTES and not self.transport.is_closing():
            self._refuse(
                b"431 Request Header Fields Too Large", f"the head is larger than {HEAD_BYTES} bytes"
            )

    def send_400_response(self, msg: str) -> None:
        self._refuse(b"400 Bad Request", msg)

    def _refuse(self, status: bytes, reason: str) -> None:
        body = orjson.dumps({"error": reason})
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close" % len(body)
        self.transport.write(b"HTTP/1.1 %s\r\n%s\r\n\r\n%s" % (status, head, body))
        self.transport.close()
