"""The commands of a run on an application of the user's, to be copied; no rendering."""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from servelab import catalogue
from servelab.errors import UsageError
from servelab.model.deployment import Deployment
from servelab.model.environment import python_in_words
from servelab.model.launch import PYTHON_PATH
from servelab.model.plan import Plan
from servelab.model.ready import BEHIND_A_PROXY
from servelab.model.service import Service
from servelab.model.trial import Role, Trial, TrialStatus
from servelab.report import deploy, race_result, rounds_view, tables, view
from servelab.report.other_python import OtherPython, other_python
from servelab.store.folder import MODULE_FOLDER, StoredRun


class CommandToCopy(Struct, frozen=True, kw_only=True):
    """What starts a deployment as it was measured."""

    deployment: str
    title: str
    activate: str = ""
    """A command line that makes its environment the active one; empty: the heading names it."""
    install: str
    """A command line that installs the server, in the versions measured; empty: nothing is known
    of what it needs."""
    command: str
    front: str = ""
    """What is started before it, and how; empty: nothing is."""

    @property
    def lines(self) -> tuple[str, ...]:
        """Return what there is to copy, in the order in which it is done."""
        every = (self.activate, self.install, self.front, self.command)
        return tuple(line for line in every if line)


class Commands(Struct, frozen=True, kw_only=True):
    """The commands of one workload, best first."""

    workload: str
    heading: str
    """Where to type them."""
    first: tuple[str, ...] = ()
    """Command lines that make the environments which the user has not."""
    commands: tuple[CommandToCopy, ...]
    module: str = ""
    """The text of a module that some of the commands name; empty where none does."""
    module_file: str = ""
    """Where it lies."""

    @property
    def module_heading(self) -> str:
        """Return the sentence that stands before the text of the module."""
        return (
            f"Where a command sets {PYTHON_PATH}, its server imports {self.module_file}, which "
            "names the application because that server's command cannot:"
        )


def commands(run: StoredRun) -> tuple[Commands, ...]:
    """Return the commands of each workload; none of a run on the catalogue's applications."""
    if run.tuning is not None:
        return _of_race(run)
    service = None if run.plan is None else run.plan.options.service
    if service is None:
        return ()
    found = (
        _of_workload(tables.deployed(run, workload=workload), run=run, service=service)
        for workload in tables.workloads(run)
    )
    return tuple(each for each in found if each.commands)


def _of_race(run: StoredRun) -> tuple[Commands, ...]:
    """Return the command of what won, or is ahead, and of the lightest equivalent."""
    found = race_result.result(run)
    service = None if run.tuning is None else run.tuning.options.service
    if found is None or found.winner is None or service is None:
        return ()
    shown = [
        race_result.trial_to_copy(run, found, each) for each in race_result.to_serve_with(found)
    ]
    has_won = race_result.has_won(run, found) and found.meets_slo
    order = "what won" if has_won else "what was ahead"
    order = f"{order}, then its lighter equal" if len(shown) > 1 else order
    return (_to_copy(shown, workload=shown[0].workload, order=order, run=run, service=service),)


def _of_workload(trials: Sequence[Trial], *, run: StoredRun, service: Service) -> Commands:
    every = (
        _typical(trials, plan=run.plan) if rounds_view.are_rounds(run) else view.in_order(trials)
    )
    shown = [
        trial for trial in every if trial.status is TrialStatus.OK and trial.role is Role.CANDIDATE
    ]
    order = _order(trials, run=run)
    return _to_copy(shown, workload=trials[0].workload, order=order, run=run, service=service)


def _to_copy(
    trials: Sequence[Trial], *, workload: str, order: str, run: StoredRun, service: Service
) -> Commands:
    deployed = [(trial, _deployment(trial, service=service)) for trial in trials]
    modules = (catalogue.own_module(of, service=service) for _, of in deployed if of is not None)
    module = next((each for each in modules if each is not None), None)
    others = _others(trials, run=run, service=service)
    return Commands(
        workload=workload,
        heading=_heading(service, order=order, others=others),
        first=tuple(line for each in others for line in each.making(results=run.folder)),
        commands=tuple(
            _command(
                trial,
                of,
                activate=_activate(trial, service=service, run=run) if others else "",
                service=service,
                run=run,
            )
            for trial, of in deployed
        ),
        module="" if module is None else module.text,
        module_file="" if module is None else str(_module_folder(run) / module.name),
    )


def _module_folder(run: StoredRun) -> Path:
    return run.folder.absolute() / MODULE_FOLDER


def _order(trials: Sequence[Trial], *, run: StoredRun) -> str:
    if rounds_view.are_rounds(run) and not rounds_view.is_ordered(trials, plan=run.plan):
        return "in no order"
    return "best first"


def _heading(service: Service, *, order: str, others: Sequence[OtherPython]) -> str:
    variables = (
        f", with {', '.join(name for name, _ in service.variables)} set"
        if service.variables
        else ""
    )
    return (
        f"To copy, {order}, as measured but for the address; in {shlex.quote(service.directory)}"
        f"{_environment(service, others=others)}{variables}:"
    )


def _environment(service: Service, *, others: Sequence[OtherPython]) -> str:
    if others:
        *before, last = [python_in_words(each.version) for each in others]
        versions = f"{', '.join(before)} and {last}" if before else last
        return f", each in its own environment; first make that of {versions}"
    if service.environment is not None:
        return f", the environment {shlex.quote(str(service.environment.directory))} being active"
    return ", a virtual environment being active" if service.application else ""


def _others(
    trials: Iterable[Trial], *, run: StoredRun, service: Service
) -> tuple[OtherPython, ...]:
    """Return the interpreters for which the user has no environment, each once."""
    found = (_other(trial, run=run, service=service) for trial in trials)
    return tuple(dict.fromkeys(each for each in found if each is not None))


def _other(trial: Trial, *, run: StoredRun, service: Service) -> OtherPython | None:
    order = run.plan or run.tuning
    known = () if order is None else (order.options.interpreter, *order.options.interpreters)
    return other_python(trial, service=service, known=known)


def _activate(trial: Trial, *, service: Service, run: StoredRun) -> str:
    """Return what makes a trial's environment the active one, where there are several."""
    if not trial.interpreter:
        return ""
    other = _other(trial, run=run, service=service)
    user = service.environment
    folder = other.folder if other is not None else "" if user is None else str(user.directory)
    return shlex.join([".", f"{folder}/bin/activate"])


def _command(
    trial: Trial, of: Deployment | None, *, activate: str, service: Service, run: StoredRun
) -> CommandToCopy:
    """Return the command with the address of one that serves, or as measured if not known anew."""
    typed = None
    if of is not None:
        typed = deploy.command_elsewhere(
            of,
            service=service,
            trial=trial,
            address=BEHIND_A_PROXY,
            module_folder=str(_module_folder(run)),
        )
    return CommandToCopy(
        deployment=trial.deployment,
        title=trial.title,
        activate=activate,
        install=""
        if _is_own_command(trial, service=service)
        else _install(trial, run=run, service=service),
        command=typed or trial.command,
        front=_front(trial, run=run),
    )


def _is_own_command(trial: Trial, *, service: Service) -> bool:
    return any(each.name == trial.stack for each in service.commands)


def _deployment(trial: Trial, *, service: Service) -> Deployment | None:
    """Return what was measured; None where today's catalogue does not have it."""
    cpu_count = trial.placement.server_core_count if trial.placement else 1
    try:
        found = catalogue.own_deployments_named(
            (trial.deployment,), service=service, cpu_count=cpu_count
        )
    except UsageError:
        return None
    return next((each for each in found if each.name == trial.deployment), None)


def _front(trial: Trial, *, run: StoredRun) -> str:
    front = trial.front
    if front is None:
        return ""
    file = shlex.quote(str(run.folder / front.configuration))
    return f"# {front.name} before it, as in {file}, with the address below as its server"


def _typical(trials: Sequence[Trial], *, plan: Plan | None) -> Iterable[Trial]:
    return (each.typical for each in rounds_view.in_order(trials, plan=plan))


def _install(trial: Trial, *, run: StoredRun, service: Service) -> str:
    try:
        found = catalogue.to_install_for(trial.deployment, packages=trial.packages)
    except UsageError:  # a server that today's catalogue does not have
        return ""
    other = _other(trial, run=run, service=service)
    environment = service.environment if other is None else None
    return deploy.install_line(found, environment=environment)
