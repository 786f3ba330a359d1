"""Whole gRPC answers recognised by their bytes; no sockets here.

A server sends the same header block and the same trailers again and again, and its messages often
have one length. HPACK runs without a table here, so that equal blocks mean the same wherever they
stand. So an answer that went well is a pattern for others: frame heads, flags, lengths and blocks
must be equal byte for byte; only stream number and message may differ, and the number must be the
same in all three frames. Whatever is not of the pattern takes the complete parser's way.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from servelab.load import http2

Anatomy = tuple[bytes, int, bytes]
"""What one answer had: header block, length of DATA's payload in bytes, and trailers."""

_MOST_SHAPES_OF_A_CALL = 64
_MOST_SHAPES = 4096
_NUMBER = rb"\1"
"""The stream's number once more: what the first group has matched."""


@dataclass(frozen=True, slots=True)
class AnswerShape:
    """HEADERS, one DATA and trailers of one stream, each in one frame."""

    length: int
    """Of the whole answer in bytes."""
    content_length: int
    """Of the payload of DATA, the head of the message included."""
    find: Callable[[bytes, int, int], list[tuple[bytes, bytes]]]
    """List stream number (4 bytes) and message of each answer between two places in bytes."""
    match: Callable[[bytes, int], "re.Match[bytes] | None"]
    """Find number (group 1) and message (group 2) of the answer that begins at a place in bytes."""

    def leading_answers(self, received: bytes) -> list[tuple[bytes, bytes]]:
        """Return as many answers as the bytes have room for, if they begin with as many; or none.

        What is left is less than an answer, such as a WINDOW_UPDATE. Matches do not overlap and
        have one length: if they fill the room, there is nothing before or between them.
        """
        room = len(received) // self.length
        answers = self.find(received, 0, room * self.length)
        return answers if len(answers) == room else []


class AnswerShapes:
    """Remembers shapes: one needs as long to be made as a hundred answers to be read."""

    def __init__(self, *, calls: int = 1) -> None:
        further_calls = calls - 1
        self._most = min(_MOST_SHAPES_OF_A_CALL + further_calls, _MOST_SHAPES)
        self._known: dict[Anatomy, AnswerShape] = {}

    def shape(self, head: bytes, content_length: int, trailers: bytes) -> AnswerShape | None:
        """Return the shape of answers with these blocks; None where messages have many lengths."""
        key = (head, content_length, trailers)
        known = self._known.get(key)
        if known is None and len(self._known) < self._most:
            known = self._known[key] = new_shape(*key)
        return known


def new_shape(head: bytes, content_length: int, trailers: bytes) -> AnswerShape:
    """Make the shape of answers with these header blocks, whose message is not compressed."""
    message_length = content_length - http2.MESSAGE_HEAD_LENGTH
    message_head = b"\0" + message_length.to_bytes(4, "big")
    heads = [
        http2.FRAME_HEAD.pack(length << 8 | kind, flags, 0)[: -http2.NUMBER_LENGTH]
        for length, kind, flags in (
            (len(head), http2.HEADERS, http2.END_HEADERS),
            (content_length, http2.DATA, 0),
            (len(trailers), http2.HEADERS, http2.END_HEADERS | http2.END_STREAM),
        )
    ]
    pattern = (
        re.escape(heads[0])
        + b"(.{%d})" % http2.NUMBER_LENGTH
        + re.escape(head + heads[1])
        + _NUMBER
        + re.escape(message_head)
        + b"(.{%d})" % message_length
        + re.escape(heads[2])
        + _NUMBER
        + re.escape(trailers)
    )
    length = 3 * http2.FRAME_HEAD_LENGTH + len(head) + content_length + len(trailers)
    compiled = re.compile(pattern, re.DOTALL)
    return AnswerShape(
        length=length, content_length=content_length, find=compiled.findall, match=compiled.match
    )
