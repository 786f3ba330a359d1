"""One answer, whole, or the reason why there is none."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from servelab.errors import ServerFailed
from servelab.load.fetch import Answer, fetch
from servelab.model.address import Address
from servelab.model.load import Request

pytestmark = pytest.mark.live


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self._answer(200, self.rfile.read(length) + self.headers["X-Word"].encode())

    def do_GET(self) -> None:
        self._answer(302, b"", location="http://127.0.0.1:1/elsewhere")

    def _answer(self, status: int, body: bytes, *, location: str | None = None) -> None:
        self.send_response(status)
        if location is not None:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Address]:
    """Run a server while the block lasts."""
    with HTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield Address("127.0.0.1", server.server_port)
        finally:
            server.shutdown()


def test_method_headers_and_body_are_sent_and_the_whole_answer_comes_back() -> None:
    request = Request(method="POST", path="/", headers=(("X-Word", "hi"),), body=b"12")
    with serving() as address:
        assert fetch(address, request, timeout_s=10) == Answer(status=200, body=b"12hi")


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    with serving() as address:
        found = fetch(address, Request(path="/"), timeout_s=10)
    assert found == Answer(status=302, body=b"", location="http://127.0.0.1:1/elsewhere")


def test_nobody_there_is_said_in_words() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        found = fetch(Address("127.0.0.1", closed.getsockname()[1]), Request(path="/"), timeout_s=1)
    assert isinstance(found, str)
    assert "refused" in found


def test_silence_ends_with_the_time_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = fetch(
            Address("127.0.0.1", silent.getsockname()[1]), Request(path="/"), timeout_s=0.2
        )
    assert isinstance(found, str)
    assert "timed out" in found


def answered(
    content: bytes, *, every_s: float | None = None, timeout_s: float = 20
) -> tuple[bytes, Answer | str]:
    """Return what was received, and what was fetched of a server that says this."""
    received = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                received.append(connection.recv(65536))
                connection.sendall(content)
                while every_s is not None:
                    time.sleep(every_s)
                    connection.sendall(b"x")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        request = Request(path="/a?b", headers=(("X-Word", "hi"),))
        found = fetch(Address("127.0.0.1", listener.getsockname()[1]), request, timeout_s=timeout_s)
        thread.join(10)
    return received[0], found


def test_a_head_that_never_ends_is_cut_off_in_time() -> None:
    _, found = answered(b"HTTP/1.1 200 OK\r\nX: ", every_s=0.05, timeout_s=1)
    assert found == "timed out: no answer within 1 s"


def test_a_body_that_never_ends_is_a_fault_that_asking_again_does_not_mend() -> None:
    with pytest.raises(ServerFailed, match="begins with status 200 and has no end within 5 s"):
        answered(b"HTTP/1.1 200 OK\r\n\r\n", every_s=0.05, timeout_s=5)


def test_an_answer_that_ends_too_early_is_none() -> None:
    _, found = answered(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi")
    assert isinstance(found, str)
    assert "7 bytes" in found or "IncompleteRead" in found


def test_nothing_is_sent_that_the_generator_does_not_send() -> None:
    sent, found = answered(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert found == Answer(status=204, body=b"")
    head, *lines = sent.decode().strip().split("\r\n")
    assert head == "GET /a?b HTTP/1.1"
    assert [line.partition(":")[0] for line in lines] == ["Host", "X-Word", "x-servelab-nonce"]
    assert "probe" in lines[-1]
