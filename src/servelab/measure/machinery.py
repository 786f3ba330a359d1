"""What a trial needs of the world, gathered so that a test can put a deterministic world there."""

import os
import pwd
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from servelab.launch.server import RunningServer
from servelab.load.fetch import Answer, fetch
from servelab.load.generator import ProbeAnswer, Records
from servelab.model.address import Address
from servelab.model.beside import BesideUse
from servelab.model.environment import Environment, EnvironmentSpec, Interpreter
from servelab.model.host import HostFacts
from servelab.model.launch import LaunchCommand
from servelab.model.limits import Limits
from servelab.model.load import LoadPlan, LoadProgress, LoadResult, Request
from servelab.model.noise import Noise
from servelab.model.placement import HostCpus
from servelab.model.usage import ProcessUsage
from servelab.model.worker import WorkerCount


class EnsureEnvironment(Protocol):
    """Builds an environment, or finds it built."""

    def __call__(
        self, spec: EnvironmentSpec, *, interpreter: Interpreter, on_progress: Callable[[str], None]
    ) -> Environment:
        """Return it, complete; raise EnvironmentNotBuilt."""
        ...


class Launch(Protocol):
    """Runs a program under a supervisor while a block lasts."""

    def __call__(
        self,
        command: LaunchCommand,
        *,
        programs: Path | None,
        directory: Path,
        python_path: tuple[Path, ...] = (),
        variables: Mapping[str, str] | None = None,
        log: Path,
        address: Address | None,
        unix_socket: Path | None = None,
        cpus: frozenset[int] | None = None,
        limits: Limits | None = None,
    ) -> AbstractContextManager[RunningServer]:
        """Return the block; raise PortBusy or ServerFailed."""
        ...


class Generate(Protocol):
    """Puts a load on a server."""

    def __call__(
        self,
        plan: LoadPlan,
        *,
        records: Path,
        cpus: Sequence[tuple[int, ...]] = (),
        on_progress: Callable[[LoadProgress], None],
        should_stop: Callable[[], str | None],
    ) -> LoadResult:
        """Return what was done, once the records are on the disk."""
        ...


class Sampler(Protocol):
    """Watches a process tree."""

    @property
    def memory_bytes(self) -> int:
        """What the tree takes just now."""

    @property
    def usage(self) -> ProcessUsage:
        """What the tree used, once the block has ended."""


class Watch(Protocol):
    """Watches the machine while a trial is made, from before its server starts until it is gone."""

    def __enter__(self) -> object: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def loading(self) -> AbstractContextManager[None]:
        """Return the block of the load."""
        ...

    def noise(self, *, unwaited_cpu_s: float = 0.0) -> Noise | None:
        """Return what disturbed the load; None without one."""
        ...

    def beside(self) -> BesideUse | None:
        """Return what the named programs took under the load; None without one, or a name."""
        ...


@dataclass(frozen=True, kw_only=True)
class Machinery:
    """The effects that a trial is made of."""

    ensure_environment: EnsureEnvironment
    launch: Launch
    probe: Callable[[LoadPlan, float], ProbeAnswer]
    fetch: Callable[[Address, Request, float], Answer | str]
    """Returns an answer within so many seconds, or why there is none."""
    call: Callable[[Address, Request, float], Answer | str]
    """The same over gRPC."""
    generate: Generate
    read_records: Callable[[Path], Records]
    sample: Callable[[int], AbstractContextManager[Sampler]]
    watch: Callable[[tuple[str, ...]], Watch]
    """Is told the programs beside the server that belong to the application."""
    read_counts: Callable[[Path], tuple[WorkerCount, ...]]
    free_port: Callable[[int], int]
    cpus: HostCpus
    require_limits: Callable[[Limits], None]
    """Raises CannotRunHere where a server cannot be limited so."""
    listen_limit: int
    compiler: Path | None
    """A C compiler, for servers that are built from source."""
    require_beside: Callable[[Sequence[str]], None] = lambda _names: None
    """Raises UsageError where a program that was named so does not run."""
    spare_memory_bytes: Callable[[], int | None] = lambda: None
    """What the machine could still give; None: a server is not stopped for its memory."""
    other_runs: Callable[[], int] = lambda: 0
    """How many other servelab measure on this machine just now."""
    host: str = ""
    """The machine in words: what was measured on it holds as long as they do."""
    find_program: Callable[[str], Path | None] = lambda _name: None
    """Finds a program of the machine's own by its name."""
    superuser: str | None = None
    """Name of the user who measures, where that is root."""
    calibration_file: Path | None = None
    """Where null rates are kept; None: nowhere."""


def real() -> Machinery:
    """Return the world as it is."""
    from servelab.environment.build import ensure
    from servelab.environment.cache import cache_directory
    from servelab.host import beside, facts
    from servelab.host.noise import Watch
    from servelab.launch import limiting
    from servelab.launch.sampling import sampled
    from servelab.launch.server import launched
    from servelab.linux import ports, presence, pressure
    from servelab.linux.cpus import host_cpus
    from servelab.load.call import call
    from servelab.load.generator import generate, probe, read_records

    return Machinery(
        ensure_environment=ensure,
        launch=launched,
        probe=lambda plan, timeout_s: probe(plan, timeout_s=timeout_s),
        fetch=lambda address, request, timeout_s: fetch(address, request, timeout_s=timeout_s),
        call=lambda address, request, timeout_s: call(address, request, timeout_s=timeout_s),
        generate=generate,
        read_records=read_records,
        sample=sampled,
        watch=lambda named: Watch(named=named),
        read_counts=_read_counts,
        free_port=ports.claim_free_port,
        cpus=host_cpus(),
        require_limits=limiting.require,
        require_beside=beside.require,
        listen_limit=ports.listen_limit(),
        compiler=Path(compiler) if (compiler := shutil.which("cc")) else None,
        spare_memory_bytes=pressure.available_bytes,
        other_runs=lambda: len(presence.names() or ()),
        host=_in_words(facts.read()),
        find_program=_find_program,
        superuser=pwd.getpwuid(0).pw_name if os.geteuid() == 0 else None,
        calibration_file=cache_directory().parent / "null_rates.json",
    )


def _find_program(name: str) -> Path | None:
    # Debian keeps daemons where only root's PATH leads.
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    found = shutil.which(name, path=path)
    return Path(found) if found else None


def _in_words(host: HostFacts) -> str:
    return (
        f"{host.cpu_model}, {host.cpus_allowed:g} of {host.cpus} CPUs, {host.architecture}, "
        f"kernel {host.kernel}"
    )


def _read_counts(path: Path) -> tuple[WorkerCount, ...]:
    from servelab.served.workloads import read_slots

    return tuple(
        WorkerCount(
            pid=slot.pid, received=slot.received, answered=slot.answered, has_gil=slot.has_gil
        )
        for slot in read_slots(path)
    )
