"""HTTP/1.1 from the client's side: bytes in, one answer or one failure out; no sockets here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus
from typing import Self

import httptools

from servelab.load.room import SMALL_BYTES, Room
from servelab.model.outcome import Outcome

HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 64 * 1024 * 1024
CHUNK_LINE_LIMIT = 4096
HEAD_END = b"\r\n\r\n"
CHUNKED = -1
UNTIL_CLOSE = -2
_PROTOCOL_NAME = b"HTTP/1."
_MEMO_SIZE = 256
_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")
_LONGEST_CHUNK_SIZE = 16


class BadAnswer(Exception):  # noqa: N818 - named for what it is; it never leaves the generator
    """An answer that can only end badly, with its class and the reason in words."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


class Status(int):
    """The status of an answer, with the rest of its head for checks that ask about it."""

    headers: tuple[tuple[bytes, bytes], ...]
    """Names in lower case, with their values."""
    is_judged: bool
    """Whether the check decides about it, though it is none of 2xx."""

    def __new__(
        cls, number: int, *, headers: tuple[tuple[bytes, bytes], ...] = (), is_judged: bool = False
    ) -> Self:
        """Make a status."""
        status = super().__new__(cls, number)
        status.headers = headers
        status.is_judged = is_judged
        return status


@dataclass(frozen=True, slots=True)
class Framing:
    """What the head of an answer says about the bytes that follow."""

    status: int
    """A ``Status``, where the head was parsed."""
    length: int
    """Of the body in bytes, or ``CHUNKED``, or ``UNTIL_CLOSE``."""
    keeps_alive: bool


@dataclass(slots=True)
class _Head:
    """Collects what httptools finds in a head."""

    length: int | None = None
    codings: list[bytes] = field(default_factory=list)
    options: set[bytes] = field(default_factory=set)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    heads: int = 0
    goes_on: bool = False

    def on_headers_complete(self) -> None:
        self.heads += 1

    def on_body(self, _content: bytes) -> None:
        self.goes_on = True

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self.headers.append((name, value))
        if name == b"content-length":
            self.length = int(value)
        elif name == b"transfer-encoding":
            self.codings += [token.strip().lower() for token in value.split(b",")]
        elif name == b"connection":
            self.options |= {token.strip().lower() for token in value.split(b",")}


def parse_head(
    head: bytes, *, method: str = "GET", judged: frozenset[int] = frozenset()
) -> Framing:
    """Parse a whole head, blank line included; BadAnswer where it is none.

    About an answer of a ``judged`` status the check decides, as it does about those of 2xx.
    """
    found = _Head()
    parser = httptools.HttpResponseParser(found)
    try:
        parser.feed_data(head)
        status = parser.get_status_code()
        version = parser.get_http_version()
    except (httptools.HttpParserError, httptools.HttpParserUpgrade, ValueError) as error:
        raise BadAnswer(Outcome.PROTOCOL_ERROR, f"no HTTP/1.1 answer: {error}") from None
    if found.heads != 1 or found.goes_on:
        raise BadAnswer(Outcome.PROTOCOL_ERROR, "the head has an empty line inside")
    if status == HTTPStatus.SWITCHING_PROTOCOLS:
        raise BadAnswer(Outcome.PROTOCOL_ERROR, "the server switched protocols unasked")
    length = _body_length(found, status=status, method=method)
    if length > BODY_LIMIT:
        raise BadAnswer(Outcome.TOO_BIG, f"a body of {length} bytes was announced")
    keeps = b"keep-alive" in found.options if version == "1.0" else b"close" not in found.options
    return Framing(
        status=Status(status, headers=tuple(found.headers), is_judged=status in judged),
        length=length,
        keeps_alive=keeps and length != UNTIL_CLOSE,
    )


def _body_length(head: _Head, *, status: int, method: str) -> int:
    """Apply RFC 9112 section 6.3 to an answer."""
    if method == "HEAD" or status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
        return 0
    if status < HTTPStatus.OK:
        return 0
    if head.codings:
        return CHUNKED if head.codings[-1] == b"chunked" else UNTIL_CLOSE
    return UNTIL_CLOSE if head.length is None else head.length


class HeadMemo:
    """Remembers heads by their bytes: servers repeat them, but for the second in ``Date``.

    Only heads of status 2xx are remembered, so that whoever finds one there knows the class.
    """

    def __init__(self, *, method: str = "GET", judged: frozenset[int] = frozenset()) -> None:
        self._method = method
        self._judged = judged
        self._known: dict[bytes, Framing] = {}
        self.get: Callable[[bytes], Framing | None] = self._known.get
        """Return what a head said before, or None."""

    def parse(self, head: bytes) -> Framing:
        """Parse a head, or remember it; BadAnswer where it is none."""
        known = self._known.get(head)
        if known is not None:
            return known
        framing = parse_head(head, method=self._method, judged=self._judged)
        if HTTPStatus.OK <= framing.status < HTTPStatus.MULTIPLE_CHOICES:
            if len(self._known) >= _MEMO_SIZE:
                self._known.clear()
            self._known[head] = framing
        return framing


class _ChunkStep(Enum):
    SIZE = auto()
    CONTENT = auto()
    CONTENT_END = auto()
    TRAILER = auto()
    DONE = auto()


class ChunkedBody:
    """Decodes a chunked body exactly to its last byte (RFC 9112 section 7.1)."""

    def __init__(self) -> None:
        self.content = bytearray()
        self._unread = bytearray()
        self._step = _ChunkStep.SIZE
        self._left = 0
        self._trailer_bytes = 0

    def feed(self, received: bytes) -> bool:
        """Take bytes; tell whether the body is complete; BadAnswer where it is none."""
        self._unread += received
        while self._step is not _ChunkStep.DONE:
            if not self._take_step():
                return False
        if self._unread:
            raise BadAnswer(Outcome.PROTOCOL_ERROR, "bytes after the last chunk")
        return True

    def _take_step(self) -> bool:
        # No table of bound methods: it would make a cycle, and the engine frees by counting only.
        if self._step is _ChunkStep.SIZE:
            return self._read_size()
        if self._step is _ChunkStep.CONTENT:
            return self._read_content()
        if self._step is _ChunkStep.CONTENT_END:
            return self._read_content_end()
        return self._read_trailer()

    def _take_line(self) -> bytes | None:
        end = self._unread.find(b"\n")
        if (len(self._unread) if end < 0 else end) > CHUNK_LINE_LIMIT:
            raise BadAnswer(Outcome.PROTOCOL_ERROR, "a line of a chunked body beyond the limit")
        if end < 0:
            return None
        line = bytes(self._unread[: end + 1])
        del self._unread[: end + 1]
        if not line.endswith(b"\r\n"):
            raise BadAnswer(Outcome.PROTOCOL_ERROR, "a bare line feed in a chunked body")
        return line[:-2]

    def _read_size(self) -> bool:
        line = self._take_line()
        if line is None:
            return False
        digits = line.split(b";", 1)[0].rstrip(b" \t")
        if not 0 < len(digits) <= _LONGEST_CHUNK_SIZE or not _HEX_DIGITS.issuperset(digits):
            raise BadAnswer(Outcome.PROTOCOL_ERROR, f"bad chunk size {line[:40]!r}")
        self._left = int(digits, 16)
        if len(self.content) + self._left > BODY_LIMIT:
            raise BadAnswer(Outcome.TOO_BIG, "a chunked body beyond the limit")
        self._step = _ChunkStep.CONTENT if self._left else _ChunkStep.TRAILER
        return True

    def _read_content(self) -> bool:
        taken = self._unread[: self._left]
        if not taken:
            return False
        del self._unread[: len(taken)]
        self.content += taken
        self._left -= len(taken)
        if not self._left:
            self._step = _ChunkStep.CONTENT_END
        return True

    def _read_content_end(self) -> bool:
        end = bytes(self._unread[:2])
        if end == b"\r\n":
            del self._unread[:2]
            self._step = _ChunkStep.SIZE
            return True
        if end in {b"", b"\r"}:
            return False
        raise BadAnswer(Outcome.PROTOCOL_ERROR, "a chunk is longer than its size")

    def _read_trailer(self) -> bool:
        line = self._take_line()
        if line is None:
            return False
        self._trailer_bytes += len(line)
        if self._trailer_bytes > HEAD_LIMIT:
            raise BadAnswer(Outcome.TOO_BIG, "trailers beyond the limit")
        if not line:
            self._step = _ChunkStep.DONE
        elif line.find(b":") < 1:
            raise BadAnswer(Outcome.PROTOCOL_ERROR, f"bad trailer {line[:40]!r}")
        return True


class AnswerReader:
    """Reads one answer from bytes that come in pieces of any size."""

    def __init__(self, memo: HeadMemo, *, room: Room | None = None) -> None:
        self._memo = memo
        self._room = room
        self._held_bytes = 0
        self._head = bytearray()
        self._chunked: ChunkedBody | None = None
        self._body = bytearray()
        self._received = False
        self.framing: Framing | None = None
        """Of the final answer, once its head is complete."""

    @property
    def body(self) -> bytearray:
        """Return the body as far as it was received, without its chunks' framing."""
        return self._body if self._chunked is None else self._chunked.content

    def feed(self, received: bytes) -> bool:
        """Take bytes; tell whether the answer is complete; BadAnswer where it cannot be right."""
        self._received = True
        if self.framing is not None:
            is_whole = self._feed_body(self.framing, received)
        else:
            self._head += received
            is_whole = self._feed_head()
        if not is_whole and self._room is not None and len(self.body) > SMALL_BYTES:
            self._hold(self._room)
        return is_whole

    def leave(self) -> None:
        """Give back the room that the answer took: nobody asks for it any more."""
        if self._room is not None:
            self._room.give_back(self._held_bytes)
            self._held_bytes = 0

    def _hold(self, room: Room) -> None:
        before, self._held_bytes = self._held_bytes, len(self.body)
        if not room.grow(before, self._held_bytes):
            raise BadAnswer(
                Outcome.TOO_BIG, "the answers under way take more memory than all may together"
            )

    def end(self) -> None:
        """Take the end of the stream; BadAnswer unless that is how this answer ends."""
        if self.framing is not None and self.framing.length == UNTIL_CLOSE:
            return
        if not self._received:
            raise BadAnswer(Outcome.CLOSED_EARLY, "closed before a byte of the answer")
        raise BadAnswer(Outcome.TRUNCATED, "closed inside the answer")

    def _feed_head(self) -> bool:
        while True:
            start = bytes(self._head[: len(_PROTOCOL_NAME)])
            if not _PROTOCOL_NAME.startswith(start):
                raise BadAnswer(Outcome.PROTOCOL_ERROR, f"the answer begins with {start!r}")
            end = self._head.find(HEAD_END)
            if (len(self._head) if end < 0 else end) > HEAD_LIMIT:
                raise BadAnswer(Outcome.TOO_BIG, "a head beyond the limit")
            if end < 0:
                return False
            end += len(HEAD_END)
            framing = self._memo.parse(bytes(self._head[:end]))
            del self._head[:end]
            if framing.status >= HTTPStatus.OK:
                self.framing = framing
                rest = bytes(self._head)
                self._head.clear()
                return self._feed_body(framing, rest)
            # An interim answer (1xx) is no answer: the next head follows.

    def _feed_body(self, framing: Framing, received: bytes) -> bool:
        if framing.length == CHUNKED:
            if self._chunked is None:
                self._chunked = ChunkedBody()
            return self._chunked.feed(received)
        self._body += received
        if framing.length == UNTIL_CLOSE:
            if len(self._body) > BODY_LIMIT:
                raise BadAnswer(Outcome.TOO_BIG, "a body without end")
            return False
        if len(self._body) > framing.length:
            raise BadAnswer(Outcome.PROTOCOL_ERROR, "bytes beyond the content-length")
        return len(self._body) == framing.length


_CLASSES = {3: Outcome.REDIRECT, 4: Outcome.CLIENT_ERROR, 5: Outcome.SERVER_ERROR}


def class_of_status(status: int) -> Outcome:
    """Return the outcome class of an HTTP status; OK stands for: let the check decide."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Outcome.OK
    if isinstance(status, Status) and status.is_judged:
        return Outcome.OK
    return class_of_failure(status)


def class_of_failure(status: int) -> Outcome:
    """Return the outcome class of an HTTP status which is none of 2xx."""
    return _CLASSES.get(status // 100, Outcome.PROTOCOL_ERROR)
