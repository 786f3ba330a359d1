"""One answer, whole: what a rehearsal looks at before anything is timed."""

import http.client

from msgspec import Struct

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

    Redirects are not followed, nor is a proxy asked.
    """
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout_s)
    try:
        connection.request(
            request.method, request.path, body=request.body or None, headers=dict(request.headers)
        )
        response = connection.getresponse()
        body = response.read(MOST_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    finally:
        connection.close()
    if len(body) > MOST_BYTES:
        return f"its body is larger than {MOST_BYTES >> 20} MiB"
    return Answer(status=response.status, body=body, location=response.headers.get("Location"))
