"""What is sent: bytes formatted once, with a place of fixed width for the nonce."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

NONCE_WIDTH = 16
NONCE_HEADER = b"x-servelab-nonce"
PROBE_PREFIX = b"probe"
"""Nonces that begin so belong to readiness probes, which servers answer but do not count."""

Encode = Callable[[bytes], bytes]
"""From a nonce to the bytes that are sent."""


def nonce_of(sequence: int) -> bytes:
    """Return a request's nonce: its sequence number in 16 decimal digits."""
    return b"%016d" % sequence


@dataclass(frozen=True, slots=True)
class Template:
    """A request cut at the place of its nonce."""

    before: bytes
    after: bytes

    def fill(self, nonce: bytes) -> bytes:
        """Return the request with this nonce."""
        return self.before + nonce + self.after


@dataclass(frozen=True, slots=True)
class Fixed:
    """Bytes that carry no nonce."""

    content: bytes

    def fill(self, _nonce: bytes) -> bytes:
        """Return the same bytes for every nonce."""
        return self.content


def http_request(
    *,
    method: str,
    path: str,
    host: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    closes: bool = False,
) -> Template:
    """Format an HTTP/1.1 request; ``closes`` asks the server to close after its answer."""
    lines = [f"{method} {path} HTTP/1.1"]
    names = {name.lower() for name, _ in headers}
    if "host" not in names:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in headers]
    if closes:
        lines.append("Connection: close")
    if (body or method in {"POST", "PUT", "PATCH"}) and "content-length" not in names:
        lines.append(f"Content-Length: {len(body)}")
    before = "\r\n".join(lines).encode("latin-1") + b"\r\n" + NONCE_HEADER + b": "
    return Template(before=before, after=b"\r\n\r\n" + body)


def grpc_message(body: bytes) -> Template:
    """Frame a protobuf message for gRPC: uncompressed, the nonce prepended as string field 1."""
    field = b"\x0a" + bytes([NONCE_WIDTH])
    length = len(field) + NONCE_WIDTH + len(body)
    return Template(before=b"\0" + length.to_bytes(4, "big") + field, after=body)


def grpc_fixed_message(body: bytes) -> Fixed:
    """Frame a protobuf message for gRPC as it is: uncompressed, without a nonce."""
    return Fixed(b"\0" + len(body).to_bytes(4, "big") + body)


def grpc_headers(
    *, path: str, authority: str, scheme: str = "http", headers: Iterable[tuple[str, str]] = ()
) -> tuple[tuple[str, str], ...]:
    """List the header fields of a gRPC call, in the order in which the protocol wants them."""
    return (
        (":method", "POST"),
        (":scheme", scheme),
        (":path", path),
        (":authority", authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", "servelab"),
        *((name.lower(), value) for name, value in headers),
    )
