"""Serve a WSGI application with gevent's pywsgi, which has no command of its own for production.

Run it in the application's folder, as `python serve_pywsgi.py --bind 127.0.0.1:3000 MODULE:NAME`;
`--bind unix:PATH` listens there, and with `--factory` NAME is called to get the application.
"""

# ruff: noqa: E402
from gevent import monkey

monkey.patch_all()

import argparse
import importlib
import operator
import signal
import socket
import sys
from pathlib import Path

import gevent
from gevent.pywsgi import WSGIServer

_UNIX = "unix:"


def main() -> None:
    """Read the command line and serve until SIGTERM."""
    parser = argparse.ArgumentParser(description="Serve a WSGI application with gevent's pywsgi.")
    parser.add_argument("--bind", required=True, metavar="HOST:PORT|unix:PATH")
    parser.add_argument("--factory", action="store_true")
    parser.add_argument("application", metavar="MODULE:NAME")
    arguments = parser.parse_args()
    # In the place of the script's own folder, which is none of the application's business.
    sys.path[0] = str(Path.cwd())
    module, _, name = arguments.application.partition(":")
    application = operator.attrgetter(name)(importlib.import_module(module))
    if arguments.factory:
        application = application()
    # Other servers write no line for each request either.
    server = WSGIServer(_listener(arguments.bind), application, log=None)
    gevent.signal_handler(signal.SIGTERM, server.stop)
    server.serve_forever()


def _listener(bind: str) -> "str | socket.socket":
    if not bind.startswith(_UNIX):
        return bind
    path = Path(bind.removeprefix(_UNIX))
    if path.is_socket():  # left by the server before
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(WSGIServer.backlog)
    return listener


if __name__ == "__main__":
    main()
