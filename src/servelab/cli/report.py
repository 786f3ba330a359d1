"""`servelab report`: a stored run as a page."""

from pathlib import Path
from typing import Annotated

import typer

from servelab.cli import status
from servelab.errors import StoreError


def report(
    folder: Annotated[
        Path | None, typer.Argument(help="A results folder. [default: the latest]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write it. [default: here]")
    ] = None,
) -> int:
    """Write a stored run as a Markdown page."""
    from servelab.report import markdown, runs, terminal
    from servelab.store import folder as stored

    page = markdown.render(runs.read(folder or stored.latest()))
    if out is None:
        terminal.write(page)
        return status.OK
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{out}: cannot be written ({error.strerror})") from error
    return status.OK
