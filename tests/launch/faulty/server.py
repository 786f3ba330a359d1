"""A server with one fault, chosen by its first argument; the second is its port.

Standard library only; it answers ``ok`` to every connection unless its fault is another.
"""

# A program of its own, made to misbehave.
# ruff: noqa: ANN001, ANN002, ANN201, ANN202, ARG001, S104, S606, T201

import json
import os
import resource
import signal
import socket
import sys
import threading
import time
from pathlib import Path


def listen(port, host="127.0.0.1", family=socket.AF_INET, *options):
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for option in options:
        listener.setsockopt(socket.SOL_SOCKET, option, 1)
    listener.bind((host, port))
    listener.listen(64)
    return listener


def serve(listener):
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"ok")


def healthy(port):
    serve(listen(port))


def workers(port):
    """Two forked workers; the master only waits, and takes them along on SIGTERM."""
    listener = listen(port)
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            serve(listener)
        children.append(child)

    def end(*_):
        for child in children:
            os.kill(child, signal.SIGTERM)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    while True:
        signal.pause()


def exits(port):
    print("about to fail")
    print("no such setting: \x1b[31mspeed\x1b[0m", file=sys.stderr)
    sys.exit(3)


def exits_late(port):
    listener = listen(port)
    listener.accept()
    os.kill(os.getpid(), signal.SIGSEGV)


def never_listens(port):
    time.sleep(600)


def never_answers(port):
    listener = listen(port)
    kept = []
    while True:
        kept.append(listener.accept())


def listens_wide(port):
    serve(listen(port, "0.0.0.0"))


def shares_port(port):
    serve(listen(port, "127.0.0.1", socket.AF_INET, socket.SO_REUSEPORT))


def shares_wildcard(port):
    serve(listen(port, "0.0.0.0", socket.AF_INET, socket.SO_REUSEPORT))


def listens_ipv6(port):
    serve(listen(port, "::", socket.AF_INET6))


def daemon_child(port):
    """A grandchild with a session of its own and no environment holds the port, too."""
    listener = listen(port)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            program = "import time; time.sleep(600)"
            os.dup2(listener.fileno(), 9)
            os.execve(sys.executable, [sys.executable, "-S", "-c", program], {})
        os._exit(0)
    serve(listener)


def ignores_sigterm(port):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    serve(listen(port))


def counts_sigterm(port):
    """Ends a moment after the first SIGTERM, and says of each that it came."""
    asked = threading.Event()

    def note(*_):
        os.write(1, b"SIGTERM\n")
        asked.set()

    signal.signal(signal.SIGTERM, note)
    threading.Thread(target=serve, args=(listen(port),), daemon=True).start()
    while not asked.wait(0.05):
        pass
    time.sleep(0.3)
    os._exit(0)


def floods(port):
    if os.fork() == 0:
        line = b"x" * 65535 + b"\n"
        while True:
            os.write(1, line)
    serve(listen(port))


def writes(port):
    for number in range(int(os.environ["LINES"])):
        print("line", number)
    print("the last line", flush=True)
    serve(listen(port))


def shows_itself(port):
    print(
        json.dumps(
            {
                "environment": dict(os.environ),
                "path": sys.path,
                "directory": str(Path.cwd()),
                "cpus": sorted(os.sched_getaffinity(0)),
                "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
                "session": os.getsid(0),
                "pid": os.getpid(),
                "argv": sys.argv,
            }
        ),
        flush=True,
    )
    serve(listen(port))


def works(port):
    """Burns CPU: its own, that of a waited-for child, and of one that nobody waits for."""

    def burn(seconds):
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    listener = listen(port)
    while True:
        connection, _ = listener.accept()
        with connection:
            request = connection.recv(100)
            if request == b"burn":
                child = os.fork()
                if child == 0:
                    burn(0.3)
                    os._exit(0)
                os.waitpid(child, 0)
                signal.signal(signal.SIGCHLD, signal.SIG_IGN)
                if os.fork() == 0:
                    burn(0.6)
                    os._exit(0)
                thread = threading.Thread(target=burn, args=(0.9,))
                thread.start()
                thread.join()
                kept = b"x" * (64 << 20)
                time.sleep(1.5)
                del kept
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            connection.sendall(b"ok")


if __name__ == "__main__":
    globals()[sys.argv[1]](int(sys.argv[2]))
