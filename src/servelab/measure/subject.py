"""What a trial serves and asks: a workload of the catalogue, or an application of the user's."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from servelab import catalogue
from servelab.load.asking import Asking, asking
from servelab.model.deployment import Deployment, Interface
from servelab.model.environment import EnvironmentSpec
from servelab.model.launch import LaunchCommand
from servelab.model.plan import RunOptions
from servelab.model.service import Service
from servelab.model.trial import TrialSpec
from servelab.served import workloads

BARE_PATIENCE_S = 120.0
"""How long a user's application may take to be imported and called, before its servers are timed
without a ceiling; it may also hang, or be slow to the point that nothing is learnt of it."""


class Subject(Protocol):
    """Where a trial's application comes from, and what is asked of it."""

    slow_api_calls: int
    """How many calls to the slow API one call makes."""
    waiting_s: float
    """How long one call waits for others at the least; 0 where that is not known."""
    may_wait: bool
    """Whether a call may wait for something that takes no CPU time, nobody knows how long."""
    counts_calls: bool
    """Whether its workers keep books of their calls."""
    python_path: tuple[Path, ...]
    """What goes on the path of the server's interpreter."""
    bare_directory: Path | None
    """Where the bare work is done; None where it cannot be done without a server."""

    def environment(self, deployment: Deployment, /) -> EnvironmentSpec:
        """Return what the server's environment must hold."""

    def directory(self, deployment: Deployment, /) -> Path:
        """Return the folder in which the server is started."""

    def variables(self, counters: Path, place: Path, /) -> Mapping[str, str]:
        """Return the variables that the application is to find.

        Books are kept in `counters`; what it writes in `place` lasts as long as its server.
        """

    def bare(self, *, processes: int, seconds: float, out: Path) -> LaunchCommand:
        """Return what does the bare work in so many processes, and writes `out`.

        What it must be told of lies beside `out`.
        """

    def asking(self, deployment: Deployment, /) -> Asking:
        """Return what is sent, and when an answer is right."""


def subject_of(spec: TrialSpec | RunOptions) -> Subject:
    """Return the subject of a trial, or of all trials of a run."""
    return _OfCatalogue(spec) if spec.service is None else _OfUser(spec.service)


class _OfCatalogue:
    counts_calls = True

    def __init__(self, spec: TrialSpec | RunOptions) -> None:
        self._spec = spec
        self.slow_api_calls = catalogue.slow_api_calls(spec.workload)
        self.waiting_s = catalogue.waiting_s(spec.workload, dict(spec.parameters))
        self.may_wait = catalogue.may_wait(spec.workload)
        self.python_path: tuple[Path, ...] = (catalogue.served_path(),)
        self.bare_directory: Path | None = catalogue.served_path()

    def environment(self, deployment: Deployment, /) -> EnvironmentSpec:
        return catalogue.environment_spec(
            deployment.server, with_requirements=self._spec.with_requirements
        )

    def directory(self, deployment: Deployment) -> Path:
        return catalogue.application_directory(deployment)

    def variables(self, counters: Path, place: Path) -> Mapping[str, str]:
        return {
            workloads.COUNTERS_VARIABLE: str(counters),
            workloads.FOLDER_VARIABLE: str(place),
            workloads.MOUNTED_VARIABLE: self._spec.workload,
        }

    def bare(self, *, processes: int, seconds: float, out: Path) -> LaunchCommand:
        return LaunchCommand(
            argv=(
                *("python", str(catalogue.served_path() / "bare.py"), self._spec.workload),
                *("--parameters", json.dumps(dict(self._spec.parameters))),
                *("--processes", str(processes), "--seconds", str(seconds)),
                *("--out", str(out)),
            )
        )

    def asking(self, deployment: Deployment) -> Asking:
        parameters = dict(self._spec.parameters)
        return Asking(
            request=catalogue.request_for(deployment, self._spec.workload, parameters),
            check="servelab.load.answers:workload_check",
            check_parameters=msgspec.json.encode(
                {
                    "workload": self._spec.workload,
                    "parameters": parameters,
                    "protocol": catalogue.protocol_of(deployment),
                }
            ).decode(),
        )


class _OfUser:
    counts_calls = False
    slow_api_calls = 0
    waiting_s = 0.0
    may_wait = True
    python_path: tuple[Path, ...] = ()

    def __init__(self, service: Service) -> None:
        self._service = service
        is_called_here = service.interface in {Interface.WSGI, Interface.ASGI}
        self.bare_directory: Path | None = Path(service.directory) if is_called_here else None

    def environment(self, deployment: Deployment, /) -> EnvironmentSpec:
        return catalogue.own_environment_spec(deployment, service=self._service)

    def directory(self, _deployment: Deployment) -> Path:
        return Path(self._service.directory)

    def variables(self, _counters: Path, _place: Path) -> Mapping[str, str]:
        return dict(self._service.variables)

    def bare(self, *, processes: int, seconds: float, out: Path) -> LaunchCommand:
        service = self._service
        module, _, attribute = service.application.partition(":")
        order = {
            "out": str(out),
            "module": module,
            "attribute": attribute,
            "arguments": service.arguments if service.is_factory else None,
            "further": service.further,
            "interface": service.interface,
            "requests": [each.request for each in service.asked],
            "statuses": [each.expectation.status for each in service.asked],
            "processes": processes,
            "seconds": seconds,
            "patience_s": BARE_PATIENCE_S,
        }
        # Requests may be long, and hold secrets: neither is for a command line.
        file = out.with_name("order.json")
        file.write_bytes(msgspec.json.encode(order))
        program = str(catalogue.served_path() / "bare_application.py")
        return LaunchCommand(argv=("python", program, str(file)))

    def asking(self, _deployment: Deployment) -> Asking:
        service = self._service
        return asking(service.asked, choice=service.choice, seed=service.seed)
