"""A gRPC call as bytes: formatted once, with places for the stream's number and the nonce."""

from dataclasses import dataclass

from servelab.load import http2
from servelab.load.grpc_shape import Anatomy, AnswerShape
from servelab.load.request import NONCE_WIDTH, Fixed, Template


@dataclass(frozen=True, slots=True)
class CallFormat:
    """HEADERS and one DATA, which hold a whole call."""

    headers_head: bytes
    """The frame's head up to the stream's number."""
    block: bytes
    """The header block; where the nonce ends it, up to there."""
    nonce_is_in_block: bool
    data_head: bytes
    """The frame's head up to the stream's number."""
    message: Template | Fixed
    """The payload of DATA."""
    length: int
    """Of the message in bytes."""
    whole: bytes
    """To be filled with stream, nonce, stream; or, of a message with nonce, stream, stream, nonce.
    """

    def fill(self, stream: bytes, nonce: bytes) -> bytes:
        """Return the whole call for a stream's number (4 bytes)."""
        if self.nonce_is_in_block:
            return self.whole % (stream, nonce, stream)
        return self.whole % (stream, stream, nonce)

    def headers(self, stream: bytes, nonce: bytes) -> bytes:
        """Return the HEADERS frame alone."""
        block = self.block + nonce if self.nonce_is_in_block else self.block
        return self.headers_head + stream + block


class Kind:
    """One call of a mix, with what its answers looked like last."""

    __slots__ = ("call_format", "seen", "shape")

    def __init__(self, call_format: CallFormat) -> None:
        self.call_format = call_format
        self.shape: AnswerShape | None = None
        """What answers are expected to look like."""
        self.seen: Anatomy | None = None


def call_format(*, headers: bytes, nonce_field: bytes, message: Template | Fixed) -> CallFormat:
    """Format a call from its encoded header block and its message.

    ``nonce_field`` is what stands before the nonce at the end of the block; it is empty where the
    message carries the nonce.
    """
    block = headers + nonce_field
    block_length = len(block) + (NONCE_WIDTH if nonce_field else 0)
    length = len(message.fill(bytes(NONCE_WIDTH)))
    headers_head = _head(block_length, http2.HEADERS, http2.END_HEADERS)
    data_head = _head(length, http2.DATA, http2.END_STREAM)
    nonce_in_block = b"%b" if nonce_field else b""
    if isinstance(message, Template):
        content = _literal(message.before) + b"%b" + _literal(message.after)
    else:
        content = _literal(message.content)
    return CallFormat(
        headers_head=headers_head,
        block=block,
        nonce_is_in_block=bool(nonce_field),
        data_head=data_head,
        message=message,
        length=length,
        whole=_literal(headers_head)
        + b"%b"
        + _literal(block)
        + nonce_in_block
        + _literal(data_head)
        + b"%b"
        + content,
    )


def _head(length: int, kind: int, flags: int) -> bytes:
    return http2.FRAME_HEAD.pack(length << 8 | kind, flags, 0)[: -http2.NUMBER_LENGTH]


def _literal(part: bytes) -> bytes:
    return part.replace(b"%", b"%%")
