"""The command line: argv -> options -> call. One file a command; each reads like the data flow."""

from servelab.cli.main import main

__all__ = ["main"]
