"""Locked virtual environments for servers, built by uv, cached and shared."""

from servelab.environment.build import ensure
from servelab.environment.interpreters import find_interpreter, own_interpreter

__all__ = ["ensure", "find_interpreter", "own_interpreter"]
