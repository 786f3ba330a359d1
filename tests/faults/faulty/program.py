"""A server that answers rightly until its fault comes over it: argv is fault, port, workers.

It needs the standard library and the workloads' counters only. It keeps books of its own, in a file
beside the counters: a line for each call that it received (``R NONCE``) and, before the answer goes
out, for each that it answered (``A NONCE``). Nothing else of it happens between the two.
"""

# A program of its own, made to misbehave.
# ruff: noqa: ANN001, ANN002, ANN201, ANN202, ANN204, T201

import contextlib
import json
import math
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import workloads

GOOD_CALLS = 6
"""A process that is to fail does so when it takes up the next one."""
LEAK_BYTES = 200_000
DEVOURED_BYTES = 30_000_000

kept = []


class Books:
    """What this server says that it did."""

    def __init__(self):
        path = Path(os.environ[workloads.COUNTERS_VARIABLE]).with_suffix(".books")
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, word, nonce):
        os.write(self._file, f"{word} {nonce}\n".encode())


class Service:
    """Answers calls, one at a time, each in a thread of its connection."""

    def __init__(self, fault):
        self._fault = fault
        self._books = Books()
        self._lock = threading.Lock()
        self._calls = 0

    def serve(self, listener):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection):
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as lines:
            while self._answer(connection, lines):
                pass

    def _answer(self, connection, lines):
        request = lines.readline().decode()
        if not request:
            return False
        headers = {}
        while (line := lines.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        nonce = headers[workloads.NONCE_HEADER]
        with self._lock, workloads.counted(nonce):
            self._take_up(nonce)
            connection.sendall(respond(request.split()[1], nonce))
        return headers.get("connection") != "close"

    def _take_up(self, nonce):
        if nonce.startswith("probe"):
            return
        self._books.write("R", nonce)
        self._calls += 1
        self._fault(self._calls)
        self._books.write("A", nonce)


def respond(target, nonce):
    """Return what the workload would, reckoned instead of worked for."""
    query = dict(parse_qsl(urlsplit(target).query))
    number = workloads.parse("cpu", query).num
    result = {"shape": [100, 100], "mean_ln": -1.0 + number * (2 * math.log(2) - 1.5)}
    body = json.dumps(workloads.answer(nonce, result)).encode()
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def listen(port, *options):
    listener = socket.socket()
    for option in (socket.SO_REUSEADDR, *options):
        listener.setsockopt(socket.SOL_SOCKET, option, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(256)
    return listener


# ---- what comes over it after some good calls


def nothing(_call):
    pass


def crash(call):
    if call > GOOD_CALLS:
        print("out of luck", flush=True)
        os._exit(7)


def lose_a_worker(call):
    """One process of all dies, once."""
    if call > GOOD_CALLS:
        with contextlib.suppress(FileExistsError):
            Path(os.environ[workloads.COUNTERS_VARIABLE]).with_suffix(".died").touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)


def stop(call):
    if call > GOOD_CALLS:
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(600)  # it may take a moment to come over this thread


def leak(_call):
    kept.append(b"x" * LEAK_BYTES)
    kept.append(Path(os.devnull).open("rb"))  # noqa: SIM115  # never closed, which is the fault


def devour(_call):
    kept.append(b"x" * DEVOURED_BYTES)


# ---- what is wrong from the start


def exits(_port, _workers):
    print("about to fail")
    print("no such setting: speed", file=sys.stderr)
    sys.exit(3)


def never_listens(_port, _workers):
    time.sleep(600)


def never_answers(port, _workers):
    listener = listen(port)
    while True:
        kept.append(listener.accept())


def ignores_sigterm(port, _workers):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Service(nothing).serve(listen(port))


def shares_its_port(port, _workers):
    Service(nothing).serve(listen(port, socket.SO_REUSEPORT))


def alone(fault):
    def run(port, _workers):
        Service(fault).serve(listen(port))

    return run


def forking(fault, *, missing=0):
    """Workers below a master that replaces those which die."""

    def run(port, workers):
        listener = listen(port)
        children = set()

        def end(*_):
            for child in children:
                os.kill(child, signal.SIGTERM)
            os._exit(0)

        signal.signal(signal.SIGTERM, end)
        while True:
            while len(children) < workers - missing:
                child = os.fork()
                if child == 0:
                    signal.signal(signal.SIGTERM, signal.SIG_DFL)
                    Service(fault).serve(listener)
                children.add(child)
            ended, _ = os.wait()
            children.discard(ended)
            print("worker", ended, "has died", flush=True)

    return run


FAULTS = {
    "healthy": forking(nothing),
    "lacks-one-worker": forking(nothing, missing=1),
    "loses-a-worker": forking(lose_a_worker),
    "crashes": alone(crash),
    "stops": alone(stop),
    "leaks": alone(leak),
    "devours": alone(devour),
    "exits": exits,
    "never-listens": never_listens,
    "never-answers": never_answers,
    "ignores-sigterm": ignores_sigterm,
    "shares-its-port": shares_its_port,
}


if __name__ == "__main__":
    FAULTS[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
