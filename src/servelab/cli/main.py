"""The program: its commands, and how each way to end becomes an exit status."""

import errno
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, NoReturn

import typer

from servelab import __version__
from servelab.cli import (
    cache,
    capacity,
    compare,
    doctor,
    leftovers,
    listing,
    load,
    report,
    run,
    show,
    status,
    try_,
    tune,
)
from servelab.errors import ServelabError

# Typer carries its own copy of click; that copy's base class is reached through what is public.
_WrongCall: type[Exception] = typer.BadParameter.__mro__[2]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Not "rich", which would take [default: 10] for markup.
    rich_markup_mode="markdown",
    help="Find out how to serve a Python application: start, load, measure, judge, explain.",
)
app.command(name="run", no_args_is_help=False)(run.run)
app.command(name="compare")(compare.compare)
app.command(name="try")(try_.try_)
app.command(name="tune")(tune.tune)
app.command(name="capacity")(capacity.capacity)
app.command(name="load")(load.load)
app.command(name="list")(listing.list_catalogue)
app.command(name="show")(show.show)
app.command(name="report")(report.report)
app.command(name="doctor")(doctor.doctor)
app.command(name="cache")(cache.cache)
app.command(name="leftovers")(leftovers.leftovers)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"servelab {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program and exit with its status; arguments default to the process's own."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        returned = _status_of(sys.argv[1:] if arguments is None else list(arguments))
    except KeyboardInterrupt:  # once more, while the first was being answered
        returned = status.INTERRUPTED
    if returned == status.INTERRUPTED:
        # All is said and stored: one more Ctrl-C while Python ends would only change the status.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(returned)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _status_of(arguments: list[str]) -> int:
    try:
        returned = app(arguments or ["--help"], prog_name="servelab", standalone_mode=False)
    except ServelabError as error:
        _complain(str(error))
        return error.exit_status
    except _WrongCall as error:
        _complain(f"{_sentence(error)}; see: servelab {_command(arguments)}--help")
        return status.USAGE
    except (KeyboardInterrupt, typer.Abort):
        _complain("interrupted")
        return status.INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough; Python would complain once more when it flushes.
        sys.stdout = None
        return status.OK
    except Exception as error:  # noqa: BLE001 - the outermost edge: whatever comes here is a bug
        return _unforeseen(error)
    return returned if isinstance(returned, int) else status.OK


def _unforeseen(error: Exception) -> int:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        _complain("no space left where this should be written; what was measured is kept")
        return status.USAGE
    _complain("a bug in servelab; please report what follows:")
    _complain_whole("".join(traceback.format_exception(error)))
    return status.BUG


def _sentence(error: Exception) -> str:
    """Return what is wrong with a call, as its library words it, on one line."""
    words: str = error.format_message()  # type: ignore[attr-defined]
    return " ".join(words.split()).rstrip(".")


def _command(arguments: list[str]) -> str:
    names = {command.name for command in app.registered_commands}
    return f"{arguments[0]} " if arguments and arguments[0] in names else ""


def _complain(text: str) -> None:
    _complain_whole(f"servelab: {text}")


def _complain_whole(text: str) -> None:
    """Print what may repeat the words of a server, or of a file that somebody else wrote."""
    from servelab.report.plain_text import plain

    typer.echo(plain(text), err=True)
