"""The ceiling of a user's application: its calls without a server, under the supervisor."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.fake_world import QUIET, FakeWatch
from tests.report.own_runs import PYTHON, SERVICE, deployment

from servelab.errors import ServerFailed
from servelab.experiment.plan import trial_spec
from servelab.linux import procfs
from servelab.measure import ceiling, machinery, subject
from servelab.measure.ceiling import Ceilings
from servelab.model.beside import BesideProgram, BesideUse
from servelab.model.deployment import Interface
from servelab.model.environment import Environment, Package
from servelab.model.load import Asked, Expectation, Request
from servelab.model.placement import Placement
from servelab.model.plan import RunOptions
from servelab.model.trial import Ceiling, TrialSpec

pytestmark = pytest.mark.live

CALL = """
import os, subprocess, sys, time
def app(environ, start_response):
    start_response("200 OK", [])
    {work}
    return [b"hi"]
"""


class Carried:
    """A generator that carries everything."""

    def null_rate_per_s(self, *_: Any, **__: Any) -> float:
        return 1e12


def spec_of(folder: Path, source: str, *, interface: Interface = Interface.WSGI) -> TrialSpec:
    (folder / "shop.py").write_text(source)
    service = msgspec.structs.replace(
        SERVICE,
        application="shop:app",
        is_factory=False,
        arguments="",
        interface=interface,
        directory=str(folder),
        environment=None,
        variables=(("SHOP", "open"),),
        asked=(Asked(request=Request(path="/"), expectation=Expectation(status=200)),),
    )
    options = RunOptions(workload=service.label, service=service, timeout_s=60, interpreter=PYTHON)
    return trial_spec(deployment("gunicorn-sync"), options=options, round_number=1, warm_up_s=0.0)


def environment(name: str, *packages: str) -> Environment:
    return Environment(
        name=name,
        directory=Path(sys.prefix),
        interpreter=PYTHON,
        packages=tuple(Package(each, "1.0") for each in packages),
    )


@pytest.fixture
def ceilings(monkeypatch: pytest.MonkeyPatch) -> Ceilings:
    monkeypatch.setattr(ceiling, "BARE_SECONDS", 0.2)
    calibrations: Any = Carried()
    return Ceilings(machinery.real(), calibrations=calibrations)


def found(
    ceilings: Ceilings, spec: TrialSpec, *, cores: int = 1, where: Environment | None = None
) -> Ceiling:
    placement = Placement(
        server_cpus=tuple(range(cores)),
        load_cpus=(0,),
        is_shared=True,
        generator_cpus=((0,),),
        server_cores=float(cores),
        note="wherever there is room",
    )
    return ceilings.find(
        spec,
        placement=placement,
        environment=where or environment("first"),
        tell=lambda _: None,
    )


def test_of_calls_that_wait_the_cpu_time_sets_the_limit(ceilings: Ceilings, tmp_path: Path) -> None:
    known = found(ceilings, spec_of(tmp_path, CALL.format(work="time.sleep(0.005)")))
    assert known.source == "the bare work in 1 process, by its CPU time"
    assert known.cpu_s_per_call is not None
    assert known.per_s == pytest.approx(1 / known.cpu_s_per_call)
    assert known.per_s > 250, "more than one caller alone gets"


def test_of_calls_that_wait_for_a_database_its_cpu_time_counts_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ceiling, "BARE_SECONDS", 0.2)
    calibrations: Any = Carried()
    watching = replace(machinery.real(), watch=lambda named: FakeWatch(QUIET, named=named))
    spec = spec_of(tmp_path, CALL.format(work="time.sleep(0.005)"))
    spec = msgspec.structs.replace(spec, beside=("postgres",))
    known = found(Ceilings(watching, calibrations=calibrations), spec)
    assert known.source == ("the bare work in 1 process, by its CPU time and that of postgres")
    assert known.cpu_s_per_call is not None
    # The fake database takes 2.5 s of two CPUs.
    assert known.beside_cpu_s_per_call is not None
    assert known.beside_cpu_s_per_call > 0.01
    whole_s = known.cpu_s_per_call + known.beside_cpu_s_per_call
    assert known.per_s == pytest.approx(2 / whole_s)


def test_a_database_elsewhere_leaves_all_cpus_to_the_application() -> None:
    reports = [ceiling._BareProcess([0.0, 1.0, 2.0], 0.5)]
    there = BesideProgram(name="postgres", cpu_s=9.0, shared_cpu_s=0.0, processes=1)
    beside = BesideUse(seconds=2.0, cpus=2, programs=(there,))
    alone = ceiling._rate(reports, cores=1.0)
    assert ceiling._rate(reports, cores=1.0, beside=beside).per_s == alone.per_s == 2 / 0.5


def test_the_environment_of_the_calls_is_that_of_the_server(
    ceilings: Ceilings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    source = CALL.format(work="open('seen', 'w').write(repr((dict(os.environ), sys.argv)))")
    found(ceilings, spec_of(tmp_path, source))
    text = (tmp_path / "seen").read_text()
    assert "'SHOP': 'open'" in text
    assert "AWS_SECRET" not in text
    assert "PYTHONPATH" not in text
    assert text.endswith("['shop'])")


def test_what_an_application_begins_and_forgets_is_gone_afterwards(
    ceilings: Ceilings, tmp_path: Path
) -> None:
    work = "open('pids', 'a').write(f'{subprocess.Popen([\"sleep\", \"1000\"]).pid} ')"
    spec = spec_of(tmp_path, CALL.format(work=work))
    found(ceilings, spec)
    pids = {int(each) for each in (tmp_path / "pids").read_text().split()}
    assert pids
    assert not pids & {stat.pid for stat in procfs.all_stats().values() if stat.is_alive}


@pytest.mark.parametrize(
    "work", ["raise ValueError('no')", "sys.exit(0)", "os._exit(0)", "time.sleep(1000)"]
)
def test_an_application_that_cannot_be_called_alone_is_a_fault_of_its_own(
    ceilings: Ceilings, tmp_path: Path, work: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "BARE_PATIENCE_S", 3.0)
    with pytest.raises(ServerFailed, match="the bare work ended with exit code 1"):
        found(ceilings, spec_of(tmp_path, CALL.format(work=work)))


def test_what_is_asked_is_on_no_command_line(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, CALL)
    assert spec.service is not None
    secret = Asked(request=Request(path="/", headers=(("Authorization", "Bearer x"),)))
    spec = msgspec.structs.replace(
        spec, service=msgspec.structs.replace(spec.service, asked=(secret,) * 10_000)
    )
    out = tmp_path / "bare.json"
    command = subject.subject_of(spec).bare(processes=2, seconds=5.0, out=out)
    assert "Bearer" not in str(command)
    assert len(str(command)) < 1000


@pytest.mark.parametrize(
    ("interface", "measured"),
    [(Interface.WSGI, ["one"]), (Interface.ASGI, ["one", "three"])],
)
def test_one_ceiling_holds_for_all_servers_but_for_the_event_loop_of_asgi(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, interface: Interface, measured: list[str]
) -> None:
    calibrations: Any = Carried()
    ceilings = Ceilings(machinery.real(), calibrations=calibrations)
    places: list[str] = []

    def measure(_spec: TrialSpec, *, environment: Environment, **_: Any) -> Ceiling:
        places.append(environment.name)
        return Ceiling(per_s=float(len(places)), source="x", cpu_s_per_call=1.0)

    monkeypatch.setattr(ceilings, "_of_bare_work", measure)
    spec = spec_of(tmp_path, CALL, interface=interface)
    for where in (
        environment("one"),
        environment("two", "gevent"),
        environment("three", "uvloop"),
        environment("four", "uvloop", "httptools"),
    ):
        found(ceilings, spec, where=where)
    assert places == measured
    assert ceilings.highest_per_s(spec) == len(measured)
