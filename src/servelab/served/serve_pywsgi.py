"""Serve a WSGI application with gevent's pywsgi, which has no command of its own.

Run it as `python -m serve_pywsgi --bind 127.0.0.1:3000 module:application`.
"""

# ruff: noqa: E402
from gevent import monkey

monkey.patch_all()

import argparse
import importlib
import signal
import sys
from pathlib import Path

import gevent
from gevent.pywsgi import WSGIServer


def main() -> None:
    """Read the command line and serve until SIGTERM."""
    parser = argparse.ArgumentParser(description="Serve a WSGI application with gevent's pywsgi.")
    parser.add_argument("--bind", required=True, metavar="HOST:PORT")
    parser.add_argument("application", metavar="MODULE:NAME")
    arguments = parser.parse_args()
    sys.path.insert(0, str(Path.cwd()))
    module, _, name = arguments.application.partition(":")
    application = getattr(importlib.import_module(module), name)
    # Other servers write no line for each request either.
    server = WSGIServer(arguments.bind, application, log=None)
    gevent.signal_handler(signal.SIGTERM, server.stop)
    server.serve_forever()


if __name__ == "__main__":
    main()
