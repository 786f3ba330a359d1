"""The commands of a run on an application of the user's, to be copied; no rendering."""

import shlex
from collections.abc import Iterable, Sequence

from msgspec import Struct

from servelab import catalogue
from servelab.errors import UsageError
from servelab.model.plan import Plan
from servelab.model.service import Service
from servelab.model.trial import Role, Trial, TrialStatus
from servelab.report import deploy, rounds_view, tables, view
from servelab.store.folder import StoredRun


class CommandToCopy(Struct, frozen=True, kw_only=True):
    """What starts a deployment as it was measured."""

    deployment: str
    title: str
    install: str
    """A command line that installs the server, in the versions measured; empty: nothing is known
    of what it needs."""
    command: str
    front: str = ""
    """What is started before it, and how; empty: nothing is."""


class Commands(Struct, frozen=True, kw_only=True):
    """The commands of one workload, best first."""

    workload: str
    heading: str
    """Where to type them."""
    commands: tuple[CommandToCopy, ...]


def commands(run: StoredRun) -> tuple[Commands, ...]:
    """Return the commands of each workload; none of a run on the catalogue's applications."""
    service = None if run.plan is None else run.plan.options.service
    if service is None:
        return ()
    found = (
        Commands(
            workload=workload,
            heading=_heading(service, order=_order(run, workload=workload)),
            commands=tuple(_commands(tables.deployed(run, workload=workload), run=run)),
        )
        for workload in tables.workloads(run)
    )
    return tuple(each for each in found if each.commands)


def _order(run: StoredRun, *, workload: str) -> str:
    found = rounds_view.verdicts(tables.deployed(run, workload=workload), plan=run.plan)
    return "best first" if found is None or found.doubt is None else "in no order"


def _heading(service: Service, *, order: str) -> str:
    environment = (
        "a virtual environment"
        if service.environment is None
        else f"the environment {shlex.quote(str(service.environment.directory))}"
    )
    variables = (
        f", with {', '.join(name for name, _ in service.variables)} set"
        if service.variables
        else ""
    )
    return (
        f"To copy, {order}; in {shlex.quote(service.directory)}, {environment} being active"
        f"{variables}:"
    )


def _commands(trials: Sequence[Trial], *, run: StoredRun) -> Iterable[CommandToCopy]:
    shown = (
        _typical(trials, plan=run.plan) if rounds_view.are_rounds(run) else view.in_order(trials)
    )
    for trial in shown:
        if trial.status is TrialStatus.OK and trial.role is Role.CANDIDATE:
            yield CommandToCopy(
                deployment=trial.deployment,
                title=trial.title,
                install=_install(trial),
                command=trial.command,
                front=_front(trial, run=run),
            )


def _front(trial: Trial, *, run: StoredRun) -> str:
    front = trial.front
    if front is None:
        return ""
    file = shlex.quote(str(run.folder / front.configuration))
    paths = ", and give both a socket in a folder that stays" if front.is_on_unix_socket else ""
    return f"# {front.name} before it, with {file}{paths}"


def _typical(trials: Sequence[Trial], *, plan: Plan | None) -> Iterable[Trial]:
    return (each.typical for each in rounds_view.in_order(trials, plan=plan))


def _install(trial: Trial) -> str:
    try:
        found = catalogue.to_install_for(trial.deployment, packages=trial.packages)
    except UsageError:  # a server that today's catalogue does not have
        return ""
    return deploy.install_line(found)
