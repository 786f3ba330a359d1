"""A back-end API that answers late: GET /?delay=SECONDS, default 1; GET /health at once.

One asynchronous process carries thousands of calls, so that it is never what a trial waits for.
Run it as `python slow_api.py --host 127.0.0.1 --port 3100`; SIGTERM ends it.
It imports the standard library and httptools only.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import math
import resource
import signal
from collections import deque
from http import HTTPStatus
from typing import cast
from urllib.parse import parse_qs, urlsplit

import httptools

_BACKLOG = 4096
_DEFAULT_DELAY = "1.0"
_MOST_S = 60.0

_numbers = itertools.count(1)


class SlowApi(asyncio.Protocol):
    """One connection; its requests are answered in their order."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to parse."""
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._waiting: deque[tuple[bytes, bool]] = deque()
        self._next_answer_at = 0.0

    def data_received(self, data: bytes) -> None:
        """Parse; what is no HTTP ends the connection."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_url(self, url: bytes) -> None:
        """Collect the target, which can come in pieces."""
        self._url += url

    def on_message_complete(self) -> None:
        """Plan the answer to one request."""
        url, self._url = urlsplit(self._url.decode("latin-1")), b""
        delay_s, status, content = _answer(url.path, url.query)
        closes = not self._parser.should_keep_alive()
        self._waiting.append((_encode(status, content, closes=closes), closes))
        loop = asyncio.get_running_loop()
        self._next_answer_at = max(self._next_answer_at, loop.time() + delay_s)
        loop.call_at(self._next_answer_at, self._send_next)

    def _send_next(self) -> None:
        """Send the answer that waits longest: pipelined answers never overtake each other."""
        answer, closes = self._waiting.popleft()
        if self._transport.is_closing():
            return
        self._transport.write(answer)
        if closes:
            self._transport.close()


def _answer(path: str, query: str) -> tuple[float, HTTPStatus, dict[str, object]]:
    """Return the delay in seconds, the status and the content of an answer."""
    if path == "/health":
        return 0.0, HTTPStatus.OK, {"status": "ok"}
    if path != "/":
        return 0.0, HTTPStatus.NOT_FOUND, {"error": "no such path"}
    text = parse_qs(query).get("delay", [_DEFAULT_DELAY])[-1]
    delay_s = _parse_delay(text)
    if delay_s is None:
        error = f"delay={text} is not between 0 and {_MOST_S:g} seconds"
        return 0.0, HTTPStatus.BAD_REQUEST, {"error": error}
    return delay_s, HTTPStatus.OK, {"delay_s": delay_s, "number": next(_numbers)}


def _encode(status: HTTPStatus, content: dict[str, object], *, closes: bool) -> bytes:
    body = json.dumps(content).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"connection: {'close' if closes else 'keep-alive'}\r\n\r\n"
    )
    return head.encode() + body


def _parse_delay(text: str) -> float | None:
    with contextlib.suppress(ValueError):
        delay_s = float(text)
        if math.isfinite(delay_s) and 0 <= delay_s <= _MOST_S:
            return delay_s
    return None


def _allow_many_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def serve(host: str, port: int) -> None:
    """Answer until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(SlowApi, host, port, backlog=_BACKLOG)
    await stop.wait()
    server.close()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="A back-end API that answers late.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    _allow_many_files()
    asyncio.run(serve(arguments.host, arguments.port))


if __name__ == "__main__":
    main()
