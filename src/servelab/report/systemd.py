"""A systemd unit; pure. The rules are in systemd.service(5), systemd.exec(5), systemd.syntax(7)."""

import re
from collections.abc import Iterable

from msgspec import Struct

from servelab.errors import UsageError
from servelab.model.limits import Limits

STOP_S = 40
"""Longer than any server of the catalogue gives the calls at work, so that its own limit counts."""
RUN = "/run"
"""Where the folders of RuntimeDirectory= are."""
_SAFE = re.compile(r"[A-Za-z0-9_@+=:,./-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Socket(Struct, frozen=True, kw_only=True):
    """A unix socket in a folder that is there as long as the service."""

    folder: str
    """Below `RUN`."""
    group: str
    """Who may connect, beside the user of the service."""


class Unit(Struct, frozen=True, kw_only=True):
    """A service, before it is written down."""

    description: str
    directory: str
    program: str
    """Absolute path."""
    arguments: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]
    environment_file: str | None
    remarks: tuple[str, ...]
    """Comments on how it stops."""
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
    if service.environment_file is not None:
        yield f"EnvironmentFile={_path(service.environment_file)}"
    # Of the program's path, unlike the arguments, a dollar sign is not substituted.
    yield " ".join([f"ExecStart={_quoted(service.program)}", *map(_argument, service.arguments)])
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
