"""`servelab show`: print a stored run again."""

from pathlib import Path
from typing import Annotated

import typer

from servelab.cli import option_types, status
from servelab.errors import StoreError


def show(
    folder: Annotated[
        Path | None, typer.Argument(help="A results folder. [default: the latest]")
    ] = None,
    as_json: option_types.AsJson = False,
    quiet: option_types.Quiet = False,
) -> int:
    """Print the report of a stored run again."""
    from servelab.report import printers, rounds_view, runs
    from servelab.store import folder as stored

    run = runs.read(folder or stored.latest())
    printer = printers.choose(as_json=as_json, quiet=quiet, verbose=False)
    if not rounds_view.are_rounds(run):
        for trial in run.trials:
            printer.trial(trial)
    printer.finish(run)
    if not run.trials:
        raise StoreError(f"{run.folder} holds no trial that can be read; measure again")
    return status.OK
