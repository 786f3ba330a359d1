"""`servelab list`: what can be measured, and which of it here."""

from typing import Annotated

import typer

from servelab.cli import status


def list_catalogue(
    python: Annotated[
        str | None, typer.Option(metavar="VERSION|PATH", help="Judge for this interpreter.")
    ] = None,
) -> int:
    """Print stacks with their deployments, servers, workloads, and what of it can run here."""
    from servelab.environment import interpreters
    from servelab.report import listing

    interpreter = (
        interpreters.find_interpreter(python) if python else interpreters.own_interpreter()
    )
    listing.print_catalogue(interpreter)
    listing.print_interpreters(interpreters.known_interpreters())
    return status.OK
