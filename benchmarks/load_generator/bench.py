"""What every benchmark has: two cores, how often and how long, where to write."""

import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from load_generator import peers
from load_generator.journal import Journal
from servelab.linux.ports import next_free_port
from servelab.model.address import LOOPBACK, Address

_FIRST_PORT = 28700
_CORES = 2
_LOOK_S = 1.0


class CannotMeasure(Exception):  # noqa: N818 - named for what happened, as servelab's errors are
    """Something that a benchmark needs is missing, or did not do what it should."""


@dataclass(frozen=True, slots=True)
class Bench:
    """The circumstances of a benchmark."""

    target_core: int
    generator_core: int
    pairs: int
    seconds: float
    journal: Journal
    folder: Path
    """For what is thrown away afterwards."""
    machine: str

    def say(self, words: str) -> None:
        """Tell how far it is, apart from the results."""
        print(words, file=sys.stderr, flush=True)


def two_cores() -> tuple[int, int]:
    """Return the target's core and the generator's; CannotMeasure where there are not two."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < _CORES:
        raise CannotMeasure("one core for the target and one for the generator: two are needed")
    return cores[0], cores[1]


def busy_share() -> float:
    """Return the share of the machine's CPU time that others use now."""
    before = _cpu_ticks()
    time.sleep(_LOOK_S)
    user, nice, system, idle, waiting, *rest = (
        after - each for after, each in zip(_cpu_ticks(), before, strict=True)
    )
    busy = user + nice + system + sum(rest)
    return busy / (busy + idle + waiting)


def _cpu_ticks() -> list[int]:
    all_cpus = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
    # The last two, of guests, are part of the first two.
    return [int(number) for number in all_cpus.split()[1:9]]


def raise_file_limit() -> None:
    """Allow this process and its children as many files as the system lets them have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def free_address() -> Address:
    """Return a loopback address outside the range of outgoing connections."""
    return Address(LOOPBACK, next_free_port(_FIRST_PORT))


_VERSIONS = (
    ("nginx", ("nginx", "-v")),
    ("wrk", ("wrk", "-v")),
    ("ab", ("ab", "-V")),
    ("h2load", ("h2load", "--version")),
    ("Locust", (peers.program("locust"), "--version")),
    ("grpcio", (peers.program("python"), "-c", "import grpc; print(grpc.__version__)")),
)


def describe_machine() -> str:
    """Return processor, kernel and what is compared; CannotMeasure where a program is missing."""
    versions = [f"{name} {_version(name, command)}" for name, command in _VERSIONS]
    machine = f"{os.cpu_count()} CPUs ({_processor()}), Linux {platform.release()}"
    return ", ".join((machine, f"CPython {platform.python_version()}", *versions))


def _version(name: str, command: tuple[str, ...]) -> str:
    if shutil.which(command[0]) is None:
        raise CannotMeasure(f"{name} is not installed; run benchmarks/install.sh")
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    number = re.search(r"\d+(\.\d+)+", told.stdout + told.stderr)
    return number[0] if number else "of unknown version"


def _processor() -> str:
    facts = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    name = re.search(r"^model name\s*:\s*(.*)$", facts, re.MULTILINE)
    return name[1] if name else platform.machine()
