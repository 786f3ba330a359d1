"""Locked virtual environments for servers, built by uv, cached and shared."""

from servelab.environment.build import ensure
from servelab.environment.interpreters import find_interpreter, own_interpreter
from servelab.environment.overlay import bytecode_variables
from servelab.environment.users import find_user_environment
from servelab.environment.variables import user_variables

__all__ = [
    "bytecode_variables",
    "ensure",
    "find_interpreter",
    "find_user_environment",
    "own_interpreter",
    "user_variables",
]
