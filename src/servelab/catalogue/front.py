"""What a front's file says about it: a program that takes the connections before a server does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from servelab.model.address import Address
from servelab.model.launch import ConfigurationFile
from servelab.model.load import Protocol

MARK = "+"
"""Between a deployment and its front: ``sync-gunicorn+nginx``."""


@dataclass(frozen=True, kw_only=True)
class FrontRequest:
    """All that a front's configuration depends on."""

    address: Address
    """Where it takes connections."""
    upstream: Address | Path
    """Where the server does: a port, or a unix socket."""
    protocol: Protocol = Protocol.HTTP
    cpu_count: int
    clients: int
    """How many connections may be there at once."""
    longest_answer_s: float
    """How long the server may take over one answer."""
    listen_limit: int
    """The kernel's limit to a listen backlog, ``net.core.somaxconn``."""
    superuser: str | None = None
    """Name of the user who starts it, where that is root."""


@dataclass(frozen=True, kw_only=True)
class SiteRequest:
    """All that a site depends on: the part of a front's settings that is one application's."""

    name: str
    """Of letters, digits and dashes."""
    upstream: Address | Path
    protocol: Protocol = Protocol.HTTP
    longest_answer_s: float


@dataclass(frozen=True, kw_only=True)
class Front:
    """A program that takes connections and passes requests on to a server."""

    name: str
    summary: str
    program: str
    """Looked up among the machine's own programs."""
    installing: str
    """How to come by it, as a sentence ends."""
    protocols: frozenset[Protocol]
    configuration: Callable[[FrontRequest], ConfigurationFile]
    """Return its file, and the command that starts it in the folder where the file lies."""
    site: Callable[[SiteRequest], str]
    """Return the same for a front that the machine runs already, as the text of a file."""
    sites: str
    """Where such a front looks for sites."""
    group: str
    """Whose sockets it may open, unless it is set up otherwise."""
