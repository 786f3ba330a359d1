"""HTTP/2 frames and header blocks by hand, as far as a gRPC client needs them; no sockets here."""

from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct

import hpack

from servelab.load.http1 import BadAnswer
from servelab.model.outcome import Outcome

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 5, 6, 7, 8, 9

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
HAS_PRIORITY = 0x20

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = (
    1,
    2,
    3,
    4,
    5,
)

FRAME_HEAD = Struct(">IBI")
"""Length and kind in one number (length * 256 + kind), flags, stream."""
FRAME_HEAD_LENGTH = FRAME_HEAD.size
STREAM_BEGIN = 5
"""Where the stream's number begins in a frame's head, which it ends."""
NUMBER = Struct(">I")
"""A stream's number as it stands in a frame's head."""
NUMBER_LENGTH = NUMBER.size
MESSAGE_HEAD_LENGTH = 5
"""Of a gRPC message: whether it is compressed, and its length."""
FRAME_LIMIT = 16384
"""The largest payload that we take, and send before the server's settings allow more."""
DEFAULT_WINDOW = 65535
LARGEST_WINDOW = 2**31 - 1
CANCEL = 8
_LENGTH_LIMIT = 127
_LENGTH_BYTES = 3
_PRIORITY_LENGTH = 5
_MEMO_SIZE = 256


def frame(kind: int, *, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Return one frame."""
    return FRAME_HEAD.pack(len(payload) << 8 | kind, flags, stream) + payload


def end_of_frame(received: bytes, begin: int) -> int:
    """Return where the frame ends that begins somewhere in bytes; at most where these end."""
    length = int.from_bytes(received[begin : begin + _LENGTH_BYTES], "big")
    return min(begin + FRAME_HEAD_LENGTH + length, len(received))


def settings(values: Iterable[tuple[int, int]]) -> bytes:
    """Return a SETTINGS frame."""
    payload = b"".join(name.to_bytes(2, "big") + value.to_bytes(4, "big") for name, value in values)
    return frame(SETTINGS, payload=payload)


def parse_settings(payload: bytes) -> dict[int, int]:
    """Return what a SETTINGS frame says; BadAnswer where it says nothing sensible."""
    if len(payload) % 6:
        raise BadAnswer(Outcome.PROTOCOL_ERROR, "a SETTINGS frame of a wrong length")
    return {
        int.from_bytes(payload[at : at + 2], "big"): int.from_bytes(payload[at + 2 : at + 6], "big")
        for at in range(0, len(payload), 6)
    }


def window_update(increment: int, *, stream: int = 0) -> bytes:
    """Return a WINDOW_UPDATE frame: the server may send so many bytes more."""
    return frame(WINDOW_UPDATE, stream=stream, payload=increment.to_bytes(4, "big"))


def reset_stream(stream: int, *, code: int = CANCEL) -> bytes:
    """Return an RST_STREAM frame."""
    return frame(RST_STREAM, stream=stream, payload=code.to_bytes(4, "big"))


STREAM_WINDOW = 16 * 1024 * 1024
CONNECTION_WINDOW = 2**30
PREFACE = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    + settings(
        (
            # Without a table a header block means the same wherever it stands: it can be
            # remembered by its bytes.
            (HEADER_TABLE_SIZE, 0),
            (ENABLE_PUSH, 0),
            (INITIAL_WINDOW_SIZE, STREAM_WINDOW),
        )
    )
    + window_update(CONNECTION_WINDOW - DEFAULT_WINDOW)
)
"""What a client says first."""


def _encode_text(text: bytes) -> bytes:
    length = len(text)
    if length < _LENGTH_LIMIT:
        return bytes([length]) + text
    # RFC 7541 section 5.1: what exceeds the prefix follows in groups of 7 bits.
    rest = length - _LENGTH_LIMIT
    encoded = bytearray([_LENGTH_LIMIT])
    while rest > _LENGTH_LIMIT:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded) + text


def encode_headers(fields: Iterable[tuple[str, str]]) -> bytes:
    """Encode header fields as literals without indexing: the same bytes on every stream."""
    return b"".join(
        b"\0" + _encode_text(name.encode("latin-1")) + _encode_text(value.encode("latin-1"))
        for name, value in fields
    )


def field_before(name: bytes, *, width: int) -> bytes:
    """Encode a header field up to its value, which has a fixed width in bytes below 127."""
    return b"\0" + _encode_text(name) + bytes([width])


def strip_padding(flags: int, payload: bytes) -> bytes:
    """Return the payload of a DATA or HEADERS frame without padding and priority."""
    if flags & PADDED:
        if not payload or payload[0] >= len(payload):
            raise BadAnswer(Outcome.PROTOCOL_ERROR, "more padding than frame")
        payload = payload[1 : len(payload) - payload[0]]
    return payload


def strip_priority(flags: int, payload: bytes) -> bytes:
    """Return the payload of a HEADERS frame without its priority."""
    return payload[_PRIORITY_LENGTH:] if flags & HAS_PRIORITY else payload


@dataclass(frozen=True, slots=True)
class GrpcHead:
    """What a header block of a gRPC answer says: head, trailers, or both in one."""

    http_status: int | None
    grpc_status: int | None
    grpc_message: str

    @property
    def is_interim(self) -> bool:
        """Tell whether this is a 1xx head, after which the real one follows."""
        return self.http_status is not None and self.http_status // 100 == 1


def parse_grpc_head(block: bytes) -> GrpcHead:
    """Decode a header block; BadAnswer where it is none."""
    decoder = hpack.Decoder()
    decoder.max_allowed_table_size = 0
    decoder.header_table_size = 0
    try:
        fields = dict(decoder.decode(block, raw=True))
    except hpack.OversizedHeaderListError:
        raise BadAnswer(Outcome.TOO_BIG, "a head beyond the limit") from None
    except (hpack.HPACKError, UnicodeDecodeError) as error:
        raise BadAnswer(Outcome.PROTOCOL_ERROR, f"headers cannot be decoded: {error}") from None
    return GrpcHead(
        http_status=_number(fields.get(b":status")),
        grpc_status=_number(fields.get(b"grpc-status")),
        grpc_message=fields.get(b"grpc-message", b"").decode("latin-1"),
    )


def _number(text: bytes | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit() or len(text) > 3:  # noqa: PLR2004 - three digits, as every status
        raise BadAnswer(Outcome.PROTOCOL_ERROR, f"a status that is no number: {text[:20]!r}")
    return int(text)


class GrpcHeadMemo:
    """Remembers header blocks by their bytes."""

    def __init__(self) -> None:
        self._known: dict[bytes, GrpcHead] = {}

    def parse(self, block: bytes) -> GrpcHead:
        """Decode a header block, or remember it; BadAnswer where it is none."""
        known = self._known.get(block)
        if known is None:
            known = parse_grpc_head(block)
            if len(self._known) >= _MEMO_SIZE:
                self._known.clear()
            self._known[block] = known
        return known


def single_message(content: bytes | bytearray) -> bytes:
    """Return the one message of a unary gRPC answer; BadAnswer where it is not exactly one."""
    if not content:
        raise BadAnswer(Outcome.WRONG_ANSWER, "grpc-status 0 without a message")
    length = len(content) - MESSAGE_HEAD_LENGTH
    if length < 0:
        raise BadAnswer(Outcome.TRUNCATED, "the stream ended inside a message's head")
    if content[0]:
        raise BadAnswer(Outcome.PROTOCOL_ERROR, "a compressed message that nobody asked for")
    announced = int.from_bytes(content[1:MESSAGE_HEAD_LENGTH], "big")
    if length < announced:
        raise BadAnswer(Outcome.TRUNCATED, "the stream ended inside the message")
    if length > announced:
        raise BadAnswer(Outcome.WRONG_ANSWER, "bytes after the one message of a unary call")
    return bytes(content[MESSAGE_HEAD_LENGTH:])
