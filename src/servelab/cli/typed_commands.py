"""Programs of the user's that listen by themselves, as their commands were typed."""

import itertools
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from servelab.catalogue.own_command import HOST, PORT, placeholder
from servelab.errors import UsageError
from servelab.model.service import OwnCommand
from servelab.model.variant import Axis

_NAMED = re.compile(r"\s*([A-Za-z0-9][\w.-]{0,39})=(?!=)(.*)", re.ASCII | re.DOTALL)
_AXIS = re.compile(r"\{([A-Za-z]\w{0,39})=([^{}|]*(?:\|[^{}|]*)+)\}", re.ASCII)
_VALUE = re.compile(r"[\w.-]+", re.ASCII)
"""Nothing that means something in a deployment's name."""
_FOR_SHELLS = frozenset({"|", "||", "&", "&&", ";", "<", ">", ">>", "2>&1"})


def commands_of(texts: Sequence[str], *, has_port: bool) -> tuple[OwnCommand, ...]:
    """Return what ``[NAME=]CMD ...`` starts, under names that differ; UsageError.

    With `has_port` the port was chosen by the user, and a command need not be told it.
    """
    found = tuple(_command_of(text, has_port=has_port) for text in texts)
    typed = [each.name for each, has_name in found if has_name]
    for name, count in Counter(typed).items():
        if count > 1:
            raise UsageError(f"--command: {count} of them are called {name}; name them apart")
    return tuple(_named_apart(found, typed=typed))


def _command_of(text: str, *, has_port: bool) -> tuple[OwnCommand, bool]:
    """Return a command, and whether its name was typed."""
    named = _NAMED.fullmatch(text)
    argv = _words(named[2] if named else text, text=text)
    if named and ("{" in argv[0] or argv[0].isdecimal()):
        raise UsageError(
            f"--command {text!r}: no shell reads it, which would set {named[1]}; write "
            f"'env {text.strip()}'"
        )
    for word in argv:
        if word in _FOR_SHELLS:
            raise UsageError(
                f"--command {text!r}: {word} is for a shell, and none reads it; give one program "
                "with its arguments, or a script of yours"
            )
    if not has_port and not any(PORT in word for word in argv):
        raise UsageError(
            f"--command {text!r} is not told where to listen; write {PORT} where its port goes, or "
            "name the port that it takes with --port"
        )
    name = named[1] if named else re.sub(r"[^\w.-]+", "-", Path(argv[0]).name)
    axes = tuple(_axis(found, text=text) for word in argv for found in _AXIS.finditer(word))
    for setting, count in Counter(axis.setting for axis in axes).items():
        if count > 1:
            raise UsageError(
                f"--command {text!r} has the values of {setting} {count} times; write "
                f"{placeholder(setting)} where they go again"
            )
    argv = tuple(_AXIS.sub(lambda found: placeholder(found[1]), word) for word in argv)
    return OwnCommand(name=name, argv=argv, axes=axes), named is not None


def _axis(found: re.Match[str], *, text: str) -> Axis:
    """Return what ``{NAME=LITTLE|...|MUCH}`` says; a search begins in its middle."""
    setting, values = found[1], tuple(found[2].split("|"))
    if placeholder(setting) in {HOST, PORT}:
        raise UsageError(f"--command {text!r}: {setting} is servelab's to say; call it otherwise")
    for value in values:
        if not _VALUE.fullmatch(value) or values.count(value) > 1:
            raise UsageError(
                f"--command {text!r}: {setting} cannot have the value {value!r}; write different "
                "ones, of letters, digits, dots and dashes, from little to much"
            )
    return Axis(setting=setting, values=values, start=values[(len(values) - 1) // 2])


def _words(command: str, *, text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        reason = str(error)
        raise UsageError(f"--command {text!r}: {reason[0].lower()}{reason[1:]}") from None
    if not words or not words[0]:
        raise UsageError(f"--command {text!r} names no program; write it as [NAME=]PROGRAM ...")
    return words


def _named_apart(
    found: Sequence[tuple[OwnCommand, bool]], *, typed: Sequence[str]
) -> Iterator[OwnCommand]:
    """Yield the commands; of those called after one program the second is ``PROGRAM-2``.

    What was typed as a name is left to its command.
    """
    taken = set(typed)
    for command, has_name in found:
        names = itertools.chain(
            [command.name], (f"{command.name}-{number}" for number in itertools.count(2))
        )
        name = command.name if has_name else next(each for each in names if each not in taken)
        taken.add(name)
        yield msgspec.structs.replace(command, name=name)
