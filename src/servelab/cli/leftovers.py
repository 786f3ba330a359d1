"""`servelab leftovers`: what runs that were killed have left, and how to be rid of it."""

from typing import Annotated

import typer

from servelab.cli import option_types, status


def leftovers(
    remove: Annotated[
        bool,
        typer.Option(
            "--remove", help="Kill what still runs, and remove what else is left; never results."
        ),
    ] = False,
    as_json: option_types.AsJson = False,
) -> int:
    """Name what is left of runs that were killed or whose machine lost its power."""
    from servelab.launch import leftovers as left
    from servelab.report import leftovers_view, terminal

    found = left.find()
    removals = tuple(left.remove(each) for each in found) if remove else ()
    if as_json:
        terminal.write(leftovers_view.json_text(found, removals=removals))
    elif remove:
        leftovers_view.print_lines(leftovers_view.removal_lines(removals))
    else:
        leftovers_view.print_lines(leftovers_view.lines(found))
    return status.OK if all(each.is_complete for each in removals) else status.FAILED
