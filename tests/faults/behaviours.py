"""What a fault server does wrong with a request, one function each."""

import socket

from tests.load.fault_server import Behaviour, Connection, answer, right


def reset_before(connection: Connection, _nonce: bytes) -> bool:
    connection.reset()
    return False


def reset_inside(connection: Connection, nonce: bytes) -> bool:
    connection.send(answer(nonce)[:30])
    connection.reset()
    return False


def close_early(_connection: Connection, _nonce: bytes) -> bool:
    return False


def close_inside_head(connection: Connection, nonce: bytes) -> bool:
    connection.send(answer(nonce)[:20])
    return False


def close_inside_body(connection: Connection, nonce: bytes) -> bool:
    connection.send(answer(nonce)[:-3])
    return False


def half_close_inside_body(connection: Connection, nonce: bytes) -> bool:
    connection.send(answer(nonce)[:-3])
    connection.raw.shutdown(socket.SHUT_WR)
    connection.stopped.wait(0.2)
    return False


def say_too_much(connection: Connection, nonce: bytes) -> bool:
    connection.send(answer(nonce) + b"and more")
    return True


def answer_twice(connection: Connection, nonce: bytes) -> bool:
    connection.send(answer(nonce) + answer(nonce))
    return True


def chunked(*pieces: bytes) -> Behaviour:
    def behave(connection: Connection, nonce: bytes) -> bool:
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.send(*(piece.replace(b"NONCE", nonce) for piece in pieces))
        return len(pieces[-1]) > 0 and pieces[-1].endswith(b"\r\n\r\n")

    return behave


def status(line: str, headers: str = "") -> Behaviour:
    def behave(connection: Connection, nonce: bytes) -> bool:
        connection.send(answer(nonce, status=line, headers=headers))
        return True

    return behave


def answer_another(connection: Connection, nonce: bytes) -> bool:
    connection.send(answer(b"9" * len(nonce)))
    return True


def endless_body(connection: Connection, _nonce: bytes) -> bool:
    connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
    piece = bytes(1 << 20)
    while not connection.stopped.is_set():
        connection.send(piece)
    return False


def header_bomb(connection: Connection, _nonce: bytes) -> bool:
    connection.send(b"HTTP/1.1 200 OK\r\n")
    while not connection.stopped.is_set():
        connection.send(b"X-Bomb: " + bytes(1000) + b"\r\n")
    return False


def header_lines(connection: Connection, _nonce: bytes) -> bool:
    connection.send(b"HTTP/1.1 200 OK\r\n")
    while not connection.stopped.is_set():
        connection.send(b"X-Bomb: boom\r\n" * 100)
    return False


def never_answer(connection: Connection, _nonce: bytes) -> bool:
    connection.stopped.wait()
    return False


def drip(connection: Connection, nonce: bytes) -> bool:
    for byte in answer(nonce):
        connection.send(bytes([byte]))
        if connection.stopped.wait(0.05):
            break
    return False


def answer_ssh(connection: Connection, _nonce: bytes) -> bool:
    connection.send(b"SSH-2.0-OpenSSH_9.6\r\n")
    connection.stopped.wait(0.2)
    return False


def close_after(connection: Connection, nonce: bytes) -> bool:
    connection.send(answer(nonce, headers="Connection: close\r\n"))
    return False


def in_single_bytes(connection: Connection, nonce: bytes) -> bool:
    connection.send(*(bytes([byte]) for byte in answer(nonce)))
    return True


def until_close(connection: Connection, nonce: bytes) -> bool:
    connection.send(b"HTTP/1.1 200 OK\r\n\r\n" + nonce)
    return False


def after_interim(connection: Connection, nonce: bytes) -> bool:
    connection.send(b"HTTP/1.1 100 Continue\r\n\r\n", answer(nonce))
    return True


def close_silently(connection: Connection, nonce: bytes) -> bool:
    connection.send(answer(nonce))
    return False


def late(seconds: float) -> Behaviour:
    def behave(connection: Connection, nonce: bytes) -> bool:
        connection.stopped.wait(seconds)
        return right(connection, nonce)

    return behave


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Choose by the number of the request, so that it is known beforehand what each will get."""

    def behave(connection: Connection, nonce: bytes) -> bool:
        return behaviours[int(nonce) % len(behaviours)](connection, nonce)

    return behave
