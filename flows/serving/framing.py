"""Where a request ends: reads what a client sends into whole requests, with httptools.

httptools refuses what two readers could understand differently (two lengths, a length beside
chunks, folded or bare lines). A request is written anew for the service, its body with one length,
so nothing that a client sent about framing reaches it.
"""

from collections import deque
from dataclasses import dataclass, field

import httptools

MAX_HEAD_BYTES = 64 * 1024
"""Of a head, and of whatever else is sent on end without a byte of a body: a trailer, a chunk's
extension."""
MAX_HEADERS = 100
MAX_PIPELINED = 100
"""Requests that may wait on one connection behind the one that is answered."""
_OF_THE_CONNECTION = frozenset(
    b"connection content-length expect keep-alive proxy-connection te trailer transfer-encoding "
    b"upgrade".split()
)
"""Headers that concern one connection alone, so that the relay answers for them."""


class Malformed(Exception):
    """What a client sends is no request that can be handed on.

    Args:
        status: The HTTP status that says so.
        error: One sentence for the client.
    """

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status, self.error = status, error


@dataclass(slots=True, eq=False)
class Request:
    """One request, perhaps not whole yet.

    Attributes:
        target: Path and query, as sent.
        headers: Lines for the service, each with its end.
        head_size: The bytes of the target and the headers; 0 until the head is whole.
        body: The body, as far as it is here.
        size: Its bytes.
        declared: The value of Content-Length; None where there was none.
        is_chunked: Whether the body comes in chunks.
        waits: Whether the client waits for `100 Continue` before it sends the body.
        is_too_large: Whether the body is longer than the service takes. It is not read then: the
            service refuses the head.
        method, version, keeps: Known once the head is whole; `keeps` is whether the client wants to
            go on after the answer.
    """

    target: bytes = b""
    headers: list[bytes] = field(default_factory=list)
    head_size: int = 0
    body: bytearray = field(default_factory=bytearray)
    size: int = 0
    declared: int | None = None
    is_chunked: bool = False
    waits: bool = False
    is_too_large: bool = False
    method: bytes = b""
    version: str = "1.1"
    keeps: bool = True

    @property
    def held(self) -> int:
        """The bytes that are kept for it."""
        return self.head_size + len(self.body)

    def content(self) -> bytes:
        """What the service is sent."""
        length = self.size if self.declared is None else self.declared
        has_body = self.is_chunked or self.declared is not None
        return b"".join(
            (
                b"%s %s HTTP/%s\r\n" % (self.method, self.target, self.version.encode()),
                *self.headers,
                b"content-length: %d\r\n" % length if has_body else b"",
                b"\r\n" if self.keeps else b"connection: close\r\n\r\n",
                self.body,
            )
        )


class RequestReader:
    """Reads the requests of one connection.

    Args:
        max_body_bytes: The longest body that is read.

    Attributes:
        whole: Requests that are to be answered, the first one first.
        current: The one that is being read; None between two.
        is_in_body: Whether the head of `current` is whole.
        has_ended: Whether nothing that follows is read: what came last says so, or was too large.
    """

    def __init__(self, max_body_bytes: int) -> None:
        self.max_body_bytes = max_body_bytes
        self.whole: deque[Request] = deque()
        self.current: Request | None = None
        self.is_in_body = False
        self.has_ended = False
        self._num_other = 0  # bytes that came for `current` since the last byte of its body
        self._refusal: Malformed | None = None
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)

    @property
    def is_ahead(self) -> bool:
        """Whether anything is kept, and what follows would be kept too."""
        return not self.has_ended and (self.current is not None or bool(self.whole))

    @property
    def held(self) -> int:
        """The bytes that are kept."""
        current = self.current
        num_bytes = current.held + self._num_other if current is not None else 0
        return num_bytes + sum(one.held for one in self.whole) if self.whole else num_bytes

    def feed(self, data: bytes) -> None:
        """Read what came.

        Raises:
            Malformed: it is no request. What was read before it is in `whole`.
        """
        if self.has_ended or self._parser is None:
            return
        num_whole, size = len(self.whole), self.current.size if self.current else 0
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._stay()
        except httptools.HttpParserError as error:
            self._fail(error)
        current = self.current
        if current is None or len(self.whole) > num_whole or current.size > size:
            self._num_other = 0
        else:
            self._count(len(data))

    def close(self) -> None:
        """Let go what is held; the parser and this hold each other."""
        self.has_ended = True
        self.whole.clear()
        self.current = self._parser = None

    def _fail(self, error: Exception) -> None:
        if self.has_ended:  # what follows a request that is too large is not read
            return
        self.has_ended = True
        words = f"expected an HTTP/1.1 request: {error}"
        raise (self._refusal or Malformed(400, words)) from None

    def _stay(self) -> None:
        """The client offers another protocol: it is answered in this one, if it has no body."""
        self.has_ended = True
        last = self.whole[-1]
        if last.method == b"CONNECT" or last.is_chunked or last.declared:
            self.whole.pop()
            raise Malformed(400, "expected a request without an upgrade to another protocol")
        last.keeps = False

    def _count(self, num_bytes: int) -> None:
        self._num_other += num_bytes
        if self._num_other > MAX_HEAD_BYTES:
            self.has_ended = True
            raise Malformed(431, f"expected headers of at most {MAX_HEAD_BYTES:,} bytes together")

    def _refuse(self, status: int, error: str) -> None:
        self._refusal = Malformed(status, error)
        raise self._refusal

    # What httptools calls.

    def on_message_begin(self) -> None:
        if self.has_ended:
            self._refuse(400, "expected nothing after the last request")
        if len(self.whole) > MAX_PIPELINED:
            self._refuse(400, f"expected at most {MAX_PIPELINED} requests ahead of their answers")
        self.current = Request()
        self.is_in_body = False

    def on_url(self, part: bytes) -> None:
        if self.current is not None:
            self.current.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        request = self.current
        if request is None or self.is_in_body:  # a trailer, after chunks
            return
        lower = name.lower()
        if lower not in _OF_THE_CONNECTION:
            if len(request.headers) >= MAX_HEADERS:
                self._refuse(431, f"expected at most {MAX_HEADERS} headers")
            request.headers.append(b"%s: %s\r\n" % (name, value))
        elif lower == b"content-length":
            request.declared = int(value)
        elif lower == b"transfer-encoding":
            if value.strip().lower() != b"chunked":
                self._refuse(501, "expected no Transfer-Encoding but `chunked`")
            request.is_chunked = True
        elif lower == b"expect":
            if value.lower() != b"100-continue":
                self._refuse(417, "expected no expectation but `100-continue`")
            request.waits = True

    def on_headers_complete(self) -> None:
        request = self.current
        if request is None or self._parser is None:
            return
        request.method = self._parser.get_method()
        request.version = self._parser.get_http_version()
        request.keeps = self._parser.should_keep_alive() and request.version == "1.1"
        if request.version not in ("1.0", "1.1") or (
            request.is_chunked and request.version == "1.0"
        ):
            self._refuse(400, "expected an HTTP/1.1 request")
        request.head_size = sum(map(len, request.headers)) + len(request.target)
        if request.head_size > MAX_HEAD_BYTES:
            self._refuse(431, f"expected headers of at most {MAX_HEAD_BYTES:,} bytes together")
        self.is_in_body = True
        if request.declared is not None and request.declared > self.max_body_bytes:
            self._too_large(request)

    def on_body(self, part: bytes) -> None:
        request = self.current
        if request is None:
            return
        request.body += part
        request.size += len(part)
        request.waits = False
        if request.size > self.max_body_bytes:
            self._too_large(request)

    def on_message_complete(self) -> None:
        if self.current is not None:
            self.whole.append(self.current)
        self.current = None

    def _too_large(self, request: Request) -> None:
        """The head goes on alone, and says how long the body is: the service refuses it."""
        request.is_too_large, request.keeps, request.waits = True, False, False
        request.body.clear()
        self.has_ended = True
        self.whole.append(request)
        self.current = None
