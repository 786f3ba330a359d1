"""A systemd unit; pure. The rules are in systemd.service(5), systemd.exec(5), systemd.syntax(7)."""

import re
from collections.abc import Iterable

from msgspec import Struct

from servelab.errors import UsageError
from servelab.model.limits import Limits

STOP_S = 40
"""Longer than any server of the catalogue gives the calls at work, so that its own limit counts."""
ENV = "/usr/bin/env"
"""Sets variables for a program, and finds it on the unit's PATH, which systemd itself does not."""
RUN = "/run"
"""Where the folders of RuntimeDirectory= are."""
_SAFE = re.compile(r"[A-Za-z0-9_@+=:,./-]+")
_WILD = re.compile(r"[*?\[\\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Socket(Struct, frozen=True, kw_only=True):
    """A unix socket in a folder that is there as long as the service."""

    folder: str
    """Below `RUN`."""
    group: str
    """Who may connect, beside the user of the service."""


class VariablesFile(Struct, frozen=True, kw_only=True):
    """A file of variables that must be there."""

    path: str
    names: tuple[str, ...] = ()
    """What its user has to put into it; empty: it is there."""


class Unit(Struct, frozen=True, kw_only=True):
    """A service, before it is written down."""

    description: str
    directory: str
    program: str
    """Absolute path."""
    arguments: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]
    environment_files: tuple[VariablesFile, ...] = ()
    """Each wins over those before it, and over `variables`."""
    appended: tuple[tuple[str, str], ...] = ()
    """Variables of these files, and the folder that goes behind what each has."""
    remarks: tuple[str, ...]
    """Comments, above all on how it stops."""
    limits: Limits | None
    socket: Socket | None = None
    """Where it listens, if that is no port."""


def unit(service: Unit) -> str:
    """Return the unit's text; raise UsageError where a path cannot be written in one."""
    return "\n".join(_lines(service)) + "\n"


def _lines(service: Unit) -> Iterable[str]:
    yield "[Unit]"
    yield f"Description={_specifiers(_CONTROL.sub(' ', service.description))}"
    yield "After=network.target"
    yield ""
    yield "[Service]"
    yield "Type=exec"
    yield "# Without this line it runs as root; name a user who may read the project:"
    yield "# User="
    yield f"WorkingDirectory={_path(service.directory)}"
    for name, value in service.variables:
        yield f"Environment={_quoted(f'{name}={value}')}"
    for file in service.environment_files:
        if file.names:
            yield f"# To be made, with NAME=value of {', '.join(file.names)}:"
        yield f"EnvironmentFile={_pattern(file.path)}"
    yield f"ExecStart={' '.join(_command(service))}"
    if service.socket is not None:
        yield f"RuntimeDirectory={service.socket.folder}"
        yield "# Who passes requests on must be able to open the socket in it:"
        yield f"Group={service.socket.group}"
        yield "UMask=0007"
    for remark in service.remarks:
        yield f"# {_CONTROL.sub(' ', remark)}"
    yield "KillMode=mixed"
    yield f"TimeoutStopSec={STOP_S}"
    yield "Restart=on-failure"
    yield from _limits(service.limits)
    yield ""
    yield "[Install]"
    yield "WantedBy=multi-user.target"


def _command(service: Unit) -> Iterable[str]:
    if not service.appended:
        # Of the program's path, unlike the arguments, a dollar sign is not substituted.
        yield _quoted(service.program)
    else:
        yield ENV
        for name, folder in service.appended:
            yield _quoted(f"{name}=${{{name}}}:{folder.replace('$', '$$')}")
        yield _argument(service.program)
    yield from map(_argument, service.arguments)


def _limits(limits: Limits | None) -> Iterable[str]:
    if limits is not None and limits.cpus is not None:
        yield f"CPUQuota={limits.cpus * 100:g}%"
    if limits is not None and limits.memory_bytes is not None:
        yield f"MemoryMax={limits.memory_bytes}"


def _argument(text: str) -> str:
    return _quoted(text.replace("$", "$$"))


def _quoted(text: str) -> str:
    """Return a word; C-like escapes hold within quotes, and a percent sign anywhere."""
    if _SAFE.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    escaped = _CONTROL.sub(lambda sign: f"\\x{ord(sign[0]):02x}", escaped)
    return f'"{_specifiers(escaped)}"'


def _pattern(text: str) -> str:
    """Return a path as a setting takes it that knows patterns as well."""
    return _path(_WILD.sub(r"\\\g<0>", text))


def _path(text: str) -> str:
    """Return a path as settings take it that know no quotes."""
    if _CONTROL.search(text) or text != text.strip() or text.strip("\\") != text:
        raise UsageError(
            f"{text!r} cannot stand in a systemd unit: it has a line break, or begins or ends with "
            "a space or a backslash; rename the folder"
        )
    return _specifiers(text)


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")
