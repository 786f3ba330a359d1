"""From a deployment that was measured to what serves with it: commands and files; pure.

What was measured is what is made ready: only the address differs, and that is said.
"""

import shlex
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import msgspec

from servelab import catalogue
from servelab.model.address import LOOPBACK, Address
from servelab.model.deployment import Deployment
from servelab.model.environment import python_in_words
from servelab.model.launch import PYTHON_PATH
from servelab.model.ready import Place, Ready, TextFile, requirements_name
from servelab.model.service import Service
from servelab.model.trial import Trial
from servelab.report import deploy_front, procfile, systemd
from servelab.report.making import OTHER_PORT, Making
from servelab.report.plain_text import name as name_of
from servelab.store import redaction

PROCFILE = "Procfile"
_LISTEN_LIMIT = 4096
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_HOSTS = (LOOPBACK, procfile.ANY_HOST)
_LOOKS_UP = "/usr/bin/env"
"""Finds a program on the PATH that a unit sets, which systemd itself does not."""


def ready(
    deployment: Deployment,
    *,
    service: Service,
    trial: Trial,
    place: Place | None = None,
    listen_limit: int = _LISTEN_LIMIT,
) -> Ready:
    """Return all that it takes to serve with a deployment as a trial of it was measured.

    `listen_limit` is ``net.core.somaxconn`` of the machine. Raise UsageError where something
    cannot be written in a unit or a Procfile.
    """
    making = Making(
        deployment=deployment,
        service=service,
        trial=trial,
        place=place or Place(),
        listen_limit=listen_limit,
    )
    configuration = making.configuration
    files = [
        *([TextFile(name=configuration.name, text=configuration.text)] if configuration else []),
        *([making.module] if making.module else []),
        TextFile(name=f"{making.slug}.service", text=systemd.unit(_unit(making))),
        TextFile(name=PROCFILE, text=_procfile(making) + "\n"),
        *deploy_front.files(
            deployment, trial=trial, name=making.slug, address=making.place.address
        ),
    ]
    return Ready(
        deployment=deployment.name,
        install=install_line(catalogue.to_install(deployment, packages=trial.packages)),
        command=str(making.typed),
        files=tuple(files),
        differences=tuple(_differences(making)),
        notes=tuple(_notes(making)),
    )


def command_elsewhere(
    deployment: Deployment,
    *,
    service: Service,
    trial: Trial,
    address: Address,
    module_folder: str | None = None,
) -> str | None:
    """Return the measured command with another address; None where servelab would change more.

    A module that names the application lies in `module_folder`.
    """
    making = Making(
        deployment=deployment,
        service=service,
        trial=trial,
        place=Place(address=address, folder=module_folder),
        listen_limit=_LISTEN_LIMIT,
    )
    measured = making.measured_at
    if measured is None or not _is_as_measured(making, measured=measured):
        return None
    return str(making.command_at(address))


def install_line(requirements: Iterable[str]) -> str:
    """Return the command line that installs requirements; empty without any."""
    texts = tuple(requirements)
    return shlex.join(["pip", "install", *texts]) if texts else ""


# ---- the unit and the Procfile


def _unit(making: Making) -> systemd.Unit:
    command = making.started
    program, *arguments = _program_and_arguments(making)
    variables, secret = _variables(making)
    file = making.place.environment_file
    where = file.path if file is not None else f"{making.service.directory}/.env"
    before, *words = (*_assigned(making), program)
    return systemd.Unit(
        description=_description(making),
        directory=making.service.directory,
        program=before,
        arguments=(*words, *(_where_it_lies(word, making=making) for word in arguments)),
        variables=(*_surroundings(making), *command.variables, *variables),
        environment_file=where if file is not None or secret else None,
        remarks=tuple(_remarks(making)),
        limits=making.trial.limits,
        socket=deploy_front.unit_socket(making.deployment, trial=making.trial, name=making.slug),
    )


def _description(making: Making) -> str:
    title = name_of(making.deployment.title)
    return title if making.is_own else f"{name_of(making.service.name)} on {title}"


def _program_and_arguments(making: Making) -> tuple[str, ...]:
    """Return a command's words with the path of its program, which a unit must name."""
    program, *arguments = making.started.argv
    if not making.is_own:
        return (str(making.programs / program), *arguments)
    if "/" in program:
        return (str(PurePosixPath(making.service.directory) / program), *arguments)
    if making.place.program is not None:
        return (making.place.program, *arguments)
    return (_LOOKS_UP, program, *arguments)


def _surroundings(making: Making) -> Iterable[tuple[str, str]]:
    """Yield what activating the environment does, as it was when the server was measured."""
    has_environment = making.service.environment is not None or not making.is_own
    places = [str(making.programs)] if has_environment else []
    if making.place.program is not None:
        own = str(PurePosixPath(making.place.program).parent)
        places += [own] if own not in (*places, *_SYSTEM_PATH.split(":")) else []
    yield "PATH", ":".join((*places, _SYSTEM_PATH))
    if has_environment:
        yield "VIRTUAL_ENV", str(making.programs.parent)
    if making.module is not None and not _is_in_file(PYTHON_PATH, making=making):
        yield PYTHON_PATH, _python_path(making)


def _assigned(making: Making) -> tuple[str, ...]:
    """Return the words that set PYTHONPATH where a file would set it anew, over the unit."""
    if making.module is None or not _is_in_file(PYTHON_PATH, making=making):
        return ()
    return (_LOOKS_UP, f"{PYTHON_PATH}={_python_path(making)}")


def _python_path(making: Making) -> str:
    given = dict(making.service.variables).get(PYTHON_PATH)
    return ":".join(each for each in (given, making.folder) if each)


def _is_in_file(name: str, *, making: Making) -> bool:
    file = making.place.environment_file
    return file is not None and name in file.names


def _variables(making: Making) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return the variables that may be written down, and the names of those that may not.

    Neither has what the environment file sets.
    """
    missing = [
        (name, value)
        for name, value in making.service.variables
        if not _is_in_file(name, making=making) and not (making.module and name == PYTHON_PATH)
    ]
    secret = tuple(name for name, value in missing if _is_secret(name, value))
    return tuple(pair for pair in missing if pair[0] not in secret), secret


def _is_secret(name: str, value: str) -> bool:
    return value == redaction.HIDDEN or redaction.argument(f"{name}={value}") != f"{name}={value}"


def _where_it_lies(word: str, *, making: Making) -> str:
    """Return the path of the configuration file where the word names it in another folder."""
    found = making.configuration
    if found is None or word != found.name or making.folder == making.service.directory:
        return word
    return str(PurePosixPath(making.folder) / found.name)


def _remarks(making: Making) -> Iterable[str]:
    words = catalogue.server_of(making.deployment).on_sigterm
    if words:
        yield words


def _procfile(making: Making) -> str:
    first, second = (
        making.own_script_at(address) or making.command_at(address)
        for address in (Address(procfile.ANY_HOST, port) for port in procfile.PORTS)
    )
    if making.module is not None:  # it lies beside the Procfile, wherever that is
        first = msgspec.structs.replace(first, module_folder=".")
    return procfile.line(first, second)


# ---- what is said of them


def _differences(making: Making) -> Iterable[str]:
    trial, address = making.trial, making.place.address
    measured = making.measured_at
    if measured != making.listens_at and making.is_told_its_port:
        yield f"It listens on {making.listens_at}; " + (
            "where it was measured is not known." if measured is None else f"measured: {measured}."
        )
    yield _of_procfile(making)
    if measured is not None and not _is_as_measured(making, measured=measured):
        yield (
            f"servelab would start it otherwise today; what was measured is: {trial.command}. "
            "Measure again, or take that command."
        )
    if making.configuration is not None and making.own_script_at(address) is None:
        yield f"The unit has the same settings from {making.configuration.name}."


def _of_procfile(making: Making) -> str:
    without = "" if making.deployment.front is None else f", without {making.deployment.front}"
    if not making.is_told_its_port:
        return f"The Procfile has it listen where its command says{without}."
    given = "the port that the platform gives"
    where = f"{procfile.ANY_HOST} and {given}" if _is_told_its_host(making) else given
    return f"The Procfile has it listen on {where}{without}."


def _is_told_its_host(making: Making) -> bool:
    one, other = (making.command_at(Address(host, OTHER_PORT)) for host in _HOSTS)
    return one != other


def _is_as_measured(making: Making, *, measured: Address | Path) -> bool:
    made = redaction.command(making.command_at(measured))
    stored = redaction.words(making.trial.command)
    if making.module is not None:  # wherever its folder was then
        made = msgspec.structs.replace(made, module_folder="")
        return stored.endswith(f" {redaction.words(str(made))}")
    return redaction.words(str(made)) == stored


def _environment_notes(making: Making) -> Iterable[str]:
    service = making.service
    if making.other is not None:
        python = python_in_words(making.other.version)
        (how,) = making.other.making(results=None, project=service.directory)
        yield (
            f"It was measured on {python}, and the environment of yours is on another one: make it "
            f"with {how}, and install there what yours holds; a file "
            f"{requirements_name(making.other.version)} in the results has the list."
        )
    elif service.environment is None and not making.is_own:
        yield f"Make the environment first: python3 -m venv {shlex.quote(f'{_venv(making)}')}."


def _notes(making: Making) -> Iterable[str]:
    service, address = making.service, making.place.address
    yield from _environment_notes(making)
    if address.host != LOOPBACK:
        yield (
            f"On {address.host} it is reached without a proxy; put one before it where clients are "
            "slow or not trusted."
        )
    yield from _remarks(making)
    yield from deploy_front.notes(making.deployment, trial=making.trial, name=making.slug)
    if any(redaction.HIDDEN in word for word in making.started.argv) and making.is_own:
        yield (
            f"Its command has a secret, which no file has: {redaction.HIDDEN} stands there; give "
            "it as a variable instead."
        )
    if making.module is not None:
        yield (
            f"{making.module.name} names the application, which {making.deployment.server} cannot "
            f"be told as {name_of(service.name)}: its folder has to be on PYTHONPATH, as in the "
            "unit and the Procfile."
        )
    if catalogue.server_of(making.deployment).is_for_development:
        yield f"{making.deployment.server} is for development: its own manual says so."
    _, secret = _variables(making)
    if secret:
        yield (
            f"No file has the value of {', '.join(map(name_of, secret))}: the unit reads it from "
            f"{_environment_file(making)}, as NAME=value."
        )
    elif making.place.environment_file is not None:
        yield (
            f"systemd reads {making.place.environment_file.path} as lines of NAME=value, without "
            "`export` and without variables in values."
        )
    if service.variables:
        names = ", ".join(name_of(name) for name, _ in service.variables)
        yield f"What runs the Procfile has to set {names}."
    if making.trial.limits is not None:
        yield f"The unit keeps the limits under which it was measured: {making.trial.limits}."


def _venv(making: Making) -> PurePosixPath:
    return making.programs.parent


def _environment_file(making: Making) -> str:
    file = making.place.environment_file
    return f"{making.service.directory}/.env" if file is None else file.path
