"""What a fault server does wrong with a gRPC call, one function each."""

from servelab.load import http2
from tests.load.fault_server import HEAD, Connection, Http2Connection


def as_http2(connection: Connection) -> Http2Connection:
    assert isinstance(connection, Http2Connection)
    return connection


def right(raw: Connection, nonce: bytes) -> bool:
    connection = as_http2(raw)
    connection.send_head(*HEAD)
    connection.send_message(nonce)
    connection.send_trailers()
    return True


def trailers_only(raw: Connection, _nonce: bytes) -> bool:
    as_http2(raw).send_head(*HEAD, ("grpc-status", "5"), flags=http2.END_STREAM)
    return True


def without_message(raw: Connection, _nonce: bytes) -> bool:
    connection = as_http2(raw)
    connection.send_head(*HEAD)
    connection.send_trailers()
    return True


def without_status(raw: Connection, nonce: bytes) -> bool:
    connection = as_http2(raw)
    connection.send_head(*HEAD)
    connection.send_message(nonce)
    connection.send_head(("x", "y"), flags=http2.END_STREAM)
    return True


def without_trailers(raw: Connection, nonce: bytes) -> bool:
    connection = as_http2(raw)
    connection.send_head(*HEAD)
    connection.send_message(nonce, flags=http2.END_STREAM)
    return True


def short_message(raw: Connection, nonce: bytes) -> bool:
    connection = as_http2(raw)
    connection.send_head(*HEAD)
    content = b"\0\0\0\0\x20" + nonce
    connection.send(http2.frame(http2.DATA, stream=connection.stream, payload=content))
    connection.send_trailers()
    return True


def two_messages(raw: Connection, nonce: bytes) -> bool:
    connection = as_http2(raw)
    connection.send_head(*HEAD)
    connection.send_message(nonce)
    connection.send_message(nonce)
    connection.send_trailers()
    return True


def endless_message(raw: Connection, _nonce: bytes) -> bool:
    connection = as_http2(raw)
    connection.send_head(*HEAD)
    content = b"\0\x7f\xff\xff\xff" + bytes(16_000)
    frames = http2.frame(http2.DATA, stream=connection.stream, payload=content) * 16
    while not connection.stopped.is_set():
        connection.send(frames)
    return False


def wrong_message(raw: Connection, nonce: bytes) -> bool:
    return right(raw, b"9" * len(nonce))


def reset_stream(raw: Connection, _nonce: bytes) -> bool:
    connection = as_http2(raw)
    connection.send(http2.reset_stream(connection.stream, code=7))
    return True


def go_away(raw: Connection, _nonce: bytes) -> bool:
    raw.send(http2.frame(http2.GOAWAY, payload=bytes(8)))
    raw.stopped.wait(0.05)
    return False


def close_early(_raw: Connection, _nonce: bytes) -> bool:
    return False


def close_inside(raw: Connection, _nonce: bytes) -> bool:
    as_http2(raw).send_head(*HEAD)
    return False


def reset(raw: Connection, _nonce: bytes) -> bool:
    raw.reset()
    return False


def bad_headers(raw: Connection, _nonce: bytes) -> bool:
    connection = as_http2(raw)
    flags = http2.END_HEADERS | http2.END_STREAM
    connection.send(
        http2.frame(http2.HEADERS, flags=flags, stream=connection.stream, payload=b"\xff\xff")
    )
    return False


def unknown_stream(raw: Connection, _nonce: bytes) -> bool:
    raw.send(http2.frame(http2.DATA, stream=99_999, payload=b"x"))
    return False


def http_error(raw: Connection, _nonce: bytes) -> bool:
    as_http2(raw).send_head((":status", "502"), flags=http2.END_STREAM)
    return True


def never(raw: Connection, _nonce: bytes) -> bool:
    raw.stopped.wait()
    return False
