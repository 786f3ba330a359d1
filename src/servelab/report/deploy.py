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
from servelab.model.environment import UserEnvironment, python_in_words
from servelab.model.launch import PYTHON_PATH
from servelab.model.ready import Place, Ready, TextFile, requirements_name
from servelab.model.service import Service
from servelab.model.trial import Trial
from servelab.report import deploy_front, procfile, systemd
from servelab.report.making import OTHER_PORT, Making, slug_of
from servelab.report.plain_text import name as name_of
from servelab.store import redaction

PROCFILE = "Procfile"
_LISTEN_LIMIT = 4096
_SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
_HOSTS = (LOOPBACK, procfile.ANY_HOST)


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
        TextFile(name=_unit_name(making.name), text=systemd.unit(_unit(making))),
        TextFile(name=PROCFILE, text=_procfile(making) + "\n"),
        *deploy_front.files(
            deployment, trial=trial, name=making.slug, address=making.place.address
        ),
    ]
    return Ready(
        deployment=deployment.name,
        install=install_line(
            catalogue.to_install(deployment, packages=trial.packages),
            environment=None if making.other is not None else service.environment,
        ),
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


def names_of(service: str) -> tuple[str, ...]:
    """Return the names of files that any deployment of a service called so has."""
    return (_unit_name(service), PROCFILE)


def install_line(requirements: Iterable[str], *, environment: UserEnvironment | None) -> str:
    """Return the command line that installs requirements; empty without any.

    An environment without pip was made by uv, or can be filled by it; None is one that is to be
    made.
    """
    texts = tuple(requirements)
    if not texts:
        return ""
    if environment is None or any(each.name == "pip" for each in environment.packages):
        return shlex.join(["pip", "install", *texts])
    return shlex.join(["uv", "pip", "install", "--python", str(environment.python), *texts])


def _unit_name(name: str) -> str:
    return f"{slug_of(name)}.service"


# ---- the unit and the Procfile


def _unit(making: Making) -> systemd.Unit:
    command = making.started
    program, *arguments = _program_and_arguments(making)
    return systemd.Unit(
        description=_description(making),
        directory=making.service.directory,
        program=program,
        arguments=tuple(_where_it_lies(word, making=making) for word in arguments),
        variables=(*_surroundings(making), *command.variables),
        environment_files=making.variables.files,
        appended=tuple(_appended(making)),
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
    return (systemd.ENV, program, *arguments)


def _surroundings(making: Making) -> Iterable[tuple[str, str]]:
    """Yield what activating the environment does, as it was when the server was measured."""
    yield "PATH", ":".join(_path(making))
    if making.has_environment:
        yield "VIRTUAL_ENV", str(making.programs.parent)
    yield from (pair for pair in making.place.inherited if pair[0] != "PATH")
    if making.module is not None and not _has_python_path(making):
        yield PYTHON_PATH, making.folder


def _path(making: Making) -> tuple[str, ...]:
    """Return the folders of a unit's PATH."""
    places = [str(making.programs)] if making.has_environment else []
    if making.place.program is not None:
        own = str(PurePosixPath(making.place.program).parent)
        places += [own] if own not in (*places, *_SYSTEM_PATH) else []
    return (*places, *_SYSTEM_PATH)


def _appended(making: Making) -> Iterable[tuple[str, str]]:
    """Yield what goes behind a variable whose value is the user's, and stands in no unit."""
    if making.module is not None and _has_python_path(making):
        yield PYTHON_PATH, making.folder


def _has_python_path(making: Making) -> bool:
    return PYTHON_PATH in dict(making.service.variables)


def _where_it_lies(word: str, *, making: Making) -> str:
    """Return the path of the configuration file where the word names it in another folder."""
    found = making.configuration
    if found is None or word != found.name or making.folder == making.service.directory:
        return word
    return str(PurePosixPath(making.folder) / found.name)


def _remarks(making: Making) -> Iterable[str]:
    on = catalogue.server_of(making.deployment)
    if on.forks_after_import(making.deployment.settings):
        yield (
            f"{on.name} imports the application once here, and forks its processes then: a thread "
            "that the import starts is in none of them, and a connection that it opens is shared "
            "by all. Begin both afterwards."
        )
    if on.on_sigterm:
        yield on.on_sigterm


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
    yield from _of_path(making)
    if making.configuration is not None and making.own_script_at(address) is None:
        yield f"The unit has the same settings from {making.configuration.name}."


def _of_path(making: Making) -> Iterable[str]:
    """Tell what of the PATH that it had when it was measured it has not in the unit."""
    measured = dict(making.place.inherited).get("PATH", "").split(":")
    lost = [each for each in dict.fromkeys(measured) if each and each not in _path(making)]
    if lost:
        yield f"PATH in the unit has no {', '.join(map(name_of, lost))}, as it had when measured."


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
    if making.configuration is not None:
        yield from (f"{making.configuration.name}: {each}" for each in making.configuration.remarks)
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
    yield from making.variables.notes()
    if service.variables:
        names = ", ".join(name_of(name) for name, _ in service.variables)
        yield f"What runs the Procfile has to set {names}."
    if making.trial.limits is not None:
        yield f"The unit keeps the limits under which it was measured: {making.trial.limits}."


def _venv(making: Making) -> PurePosixPath:
    return making.programs.parent
