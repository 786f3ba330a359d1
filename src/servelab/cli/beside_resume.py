"""What may be typed beside --resume: everything else is in the folder that is gone on with."""

from collections.abc import Collection
from pathlib import Path

import typer

from servelab.errors import UsageError

ALWAYS = frozenset({"resume", "as_json", "quiet", "verbose"})
_TYPED = "COMMANDLINE"


def refuse_others(context: typer.Context, *, folder: Path, allowed: Collection[str]) -> None:
    """Raise UsageError where more was typed than the parameters that are allowed beside it."""
    others = []
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if source is not None and source.name == _TYPED and name not in {*ALWAYS, *allowed}:
            is_option = parameter.param_type_name == "option"
            others.append(parameter.opts[-1] if is_option else str(context.params[name]))
    if others:
        raise UsageError(
            f"--resume goes on with what {folder} was begun with; leave {', '.join(others)} out, "
            "or begin again"
        )
