"""Whose application it is, and what its interface is."""

from servelab.application.asking import Launch, find
from servelab.application.naming import parse

__all__ = ["Launch", "find", "parse"]
