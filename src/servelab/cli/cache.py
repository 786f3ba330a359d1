"""`servelab cache`: what the environments take on the disk."""

from typing import Annotated

import typer

from servelab.cli import status


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove them all.")] = False,
) -> int:
    """Print what the servers' environments take, or remove them."""
    from servelab.environment import cache as environments
    from servelab.report import listing

    if clear:
        listing.print_cleared(environments.clear())
    else:
        listing.print_cache(environments.entries(), folder=environments.cache_directory())
    return status.OK
