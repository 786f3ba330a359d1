"""What the generator reaches against a server that does nothing: above it no figure is a server's.

The null server runs on the cores that the measured server would run on. Where generator and server
share cores, the null server takes its part of them too, so that the limit is on the safe side.
"""

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from servelab import __version__, load
from servelab.errors import ServelabError
from servelab.measure import figures
from servelab.measure.machinery import Machinery
from servelab.model.address import LOOPBACK, Address
from servelab.model.launch import LaunchCommand
from servelab.model.limits import Limits
from servelab.model.load import ClosedLoop, LoadPlan, Protocol, Request, Tls
from servelab.model.outcome import Outcome
from servelab.model.placement import Placement, cpu_list
from servelab.model.trial import GeneratorUsage
from servelab.store import scratch

WORTH_ASKING_SHARE = 0.3
"""A generator that is busy for less of its time is far from its limit: no need to measure it."""
CALIBRATION_S = 2.0
_PROGRAM = Path(load.__file__).with_name("null_server.py")
_CERTIFICATE = _PROGRAM.with_suffix(".pem")
"""For ``localhost``, vouching for itself, with its key: no secret."""
_FIRST_PORT = 3200
_READY_TIMEOUT_S = 20.0
_PROBE_TIMEOUT_S = 2.0
_CALLERS_OF_AN_OPEN_LOOP = 64


class _Known(Struct, frozen=True):
    """The file of the cache."""

    rates_per_s: dict[str, Annotated[float, Meta(gt=0)]] = {}


class Calibrations:
    """Each null rate once, and then from the user's cache."""

    def __init__(self, machinery: Machinery) -> None:
        self._machinery = machinery
        self._rates_per_s = dict(_read(machinery.calibration_file).rates_per_s)

    def limit_per_s(
        self,
        plan: LoadPlan,
        *,
        placement: Placement,
        generator: GeneratorUsage,
        tell: Callable[[str], None],
    ) -> float | None:
        """Return the null rate after a load; None where the generator was too idle to ask.

        None, too, where it cannot be measured: the load has been, and must not be lost.
        """
        if generator.load_share <= WORTH_ASKING_SHARE:
            return None
        tell("what the generator reaches against a server that does nothing")
        try:
            return self.null_rate_per_s(plan, placement=placement)
        except (ServelabError, OSError):
            return None

    def null_rate_per_s(
        self, plan: LoadPlan, *, placement: Placement, limits: Limits | None = None
    ) -> float:
        """Return what the generator of a plan reaches against the null server, under limits."""
        bare = _bare_plan(plan)
        key = _key(bare, host=self._machinery.host, placement=placement, limits=limits)
        if key not in self._rates_per_s:
            self._rates_per_s[key] = self._measure(bare, placement=placement, limits=limits)
            _write(self._machinery.calibration_file, _Known(rates_per_s=self._rates_per_s))
        return self._rates_per_s[key]

    def _measure(self, bare: LoadPlan, *, placement: Placement, limits: Limits | None) -> float:
        address = Address(LOOPBACK, self._machinery.free_port(_FIRST_PORT))
        plan = msgspec.structs.replace(bare, target=address)
        secret = () if plan.tls is None else ("--certificate", str(_CERTIFICATE))
        with scratch.folder() as place:
            command = LaunchCommand(
                argv=(
                    *(sys.executable, "-I", str(_PROGRAM), "--protocol", plan.protocol.value),
                    *("--host", address.host, "--port", str(address.port), *secret),
                )
            )
            with self._machinery.launch(
                command,
                programs=None,
                directory=_PROGRAM.parent,
                log=place / "null_server.log",
                address=address,
                cpus=frozenset(placement.server_cpus),
                limits=limits,
            ) as server:
                server.wait_ready(lambda: self._ask(plan), timeout_s=_READY_TIMEOUT_S)
                result = self._machinery.generate(
                    plan,
                    records=place / "records.parquet",
                    cpus=placement.generator_cpus,
                    on_progress=lambda _: None,
                    should_stop=lambda: None if server.is_alive() else "the null server ended",
                )
        return figures.rate_of_bare_load_per_s(result, of="the null server")

    def _ask(self, plan: LoadPlan) -> str | None:
        answer = self._machinery.probe(plan, _PROBE_TIMEOUT_S)
        return None if answer.outcome is Outcome.OK else answer.reason


def _bare_plan(plan: LoadPlan) -> LoadPlan:
    """Return a plan's way of loading, with nothing asked but the nonce."""
    is_grpc = plan.protocol is Protocol.GRPC
    callers = plan.load.callers if isinstance(plan.load, ClosedLoop) else _CALLERS_OF_AN_OPEN_LOOP
    return LoadPlan(
        target=Address(LOOPBACK, 0),
        protocol=plan.protocol,
        request=Request(path="/servelab.Null/call" if is_grpc else "/"),
        check="servelab.load.answers:echoed_nonce",
        load=ClosedLoop(callers=callers),
        duration_s=CALIBRATION_S,
        connections=plan.connections,
        channels=plan.channels,
        generators=plan.generators,
        pacing=plan.pacing,
        tls=None
        if plan.tls is None
        else Tls(server_name="localhost", authorities=str(_CERTIFICATE)),
    )


def _key(bare: LoadPlan, *, host: str, placement: Placement, limits: Limits | None) -> str:
    """Return all that the rate depends on, in words."""
    assert isinstance(bare.load, ClosedLoop)  # noqa: S101 - a bare plan has no other load
    words = [
        host,
        f"servelab {__version__}",
        f"Python {sys.version.split()[0]}",
        f"server on {cpu_list(placement.server_cpus)}",
        f"generator on {' '.join(cpu_list(cpus) for cpus in placement.generator_cpus)}",
        bare.protocol.value,
        bare.connections.value,
        f"{bare.load.callers} callers",
        f"{bare.channels} channels",
        f"{bare.generators} generators",
        bare.pacing.value,
        "plain" if bare.tls is None else "tls",
        *(() if limits is None else (f"server limited to {limits}",)),
    ]
    return ", ".join(words)


def _read(file: Path | None) -> _Known:
    """Return what is known; a cache that cannot be read is an empty one."""
    if file is None:
        return _Known()
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Known)
    except (OSError, msgspec.DecodeError):
        return _Known()


def _write(file: Path | None, known: _Known) -> None:
    """Keep what is known, whole or not at all; a cache that cannot be written is done without."""
    if file is None:
        return
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.name}.{os.getpid()}")
        part.write_bytes(msgspec.json.format(msgspec.json.encode(known)))
        part.replace(file)
