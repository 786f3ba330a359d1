"""One answer, whole: what a rehearsal looks at before anything is timed."""

import http.client
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from msgspec import Struct

from servelab.errors import ServerFailed
from servelab.load.request import NONCE_WIDTH, PROBE_PREFIX, http_request
from servelab.model.address import Address
from servelab.model.load import Request

MOST_BYTES = 64 << 20
"""Of a body; an answer that is larger cannot be held against others."""


class Answer(Struct, frozen=True, kw_only=True):
    """Status and body, and where a redirect leads."""

    status: int | None
    """Of HTTP; None of a call over gRPC."""
    body: bytes
    """Of gRPC: the message."""
    location: str | None = None
    refusal: str | None = None
    """Of gRPC: the status with which the server refused a call, in words; None where it did not."""


def fetch(address: Address, request: Request, *, timeout_s: float) -> Answer | str:
    """Return the answer to a request on a fresh connection, or in words why there is none.

    What is sent is what the generator sends: an application may answer with what it was sent.
    Redirects are not followed. `timeout_s` is for all of it, however an answer trickles in. Raise
    ServerFailed for an answer that began and is too long in time or bytes: another would be, too.
    """
    begun: list[int] = []
    try:
        with (
            socket.create_connection((address.host, address.port), timeout=timeout_s) as connection,
            _cut_off(connection, after_s=timeout_s) as is_late,
        ):
            connection.sendall(_bytes(request, address=address))
            response = http.client.HTTPResponse(connection, method=request.method)
            response.begin()
            if not is_late.is_set():  # a head that was cut off looks whole
                begun.append(response.status)
            found = _whole(response)
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if is_late.is_set() and begun:
        raise ServerFailed(
            f"its answer to {request.method} {request.path} begins with status {begun[0]} and has "
            f"no end within {timeout_s:g} s; leave out what streams on, or give more with --timeout"
        )
    return f"timed out: no answer within {timeout_s:g} s" if is_late.is_set() else found


@contextmanager
def _cut_off(connection: socket.socket, *, after_s: float) -> Iterator[threading.Event]:
    """End a connection that lasts too long; its reader then sees the end of what was sent."""
    is_late = threading.Event()

    def end() -> None:
        is_late.set()
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(after_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield is_late
    except (OSError, http.client.HTTPException):
        if not is_late.is_set():
            raise
    finally:
        timer.cancel()


def _bytes(request: Request, *, address: Address) -> bytes:
    nonce = PROBE_PREFIX + secrets.token_hex(NONCE_WIDTH).encode()
    return http_request(
        method=request.method,
        path=request.path,
        host=str(address),
        headers=request.headers,
        body=request.body,
    ).fill(nonce[:NONCE_WIDTH])


def _whole(response: http.client.HTTPResponse) -> Answer | str:
    body = response.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        raise ServerFailed(
            f"the body of its answer is larger than {MOST_BYTES >> 20} MiB; leave that out"
        )
    if response.length:
        return f"its body ended {response.length} bytes before the length that it declared"
    return Answer(status=response.status, body=body, location=response.headers.get("Location"))
