"""Hand-made trials of an application of the user's."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from servelab import catalogue
from servelab.model.address import LOOPBACK, Address
from servelab.model.deployment import Deployment, Interface
from servelab.model.environment import Interpreter, Package, UserEnvironment
from servelab.model.host import HostFacts
from servelab.model.load import Asked, ClosedLoop, Connections, Request
from servelab.model.placement import Placement
from servelab.model.plan import Plan, RunOptions
from servelab.model.service import Service
from servelab.model.trial import Trial, TrialStatus
from servelab.model.tuning import Tuning, TuningOrder
from servelab.store.folder import RunEnd, RunFacts, StoredRun

PYTHON = Interpreter(path=Path("/python"), version="3.11.0")


def environment_in(folder: str) -> UserEnvironment:
    """Return an environment of the user's in a folder, with pip and nothing else."""
    return UserEnvironment(
        directory=Path(folder),
        python=Path(folder) / "bin" / "python",
        interpreter=PYTHON,
        site_folders=(),
        packages=(Package("pip", "26.0"),),
        from_elsewhere=(),
        scripts=(),
    )


SERVICE = Service(
    name="shop.site:app",
    application="shop.site:app",
    interface=Interface.WSGI,
    framework="flask",
    directory="/srv/shop",
    environment=environment_in("/srv/shop/.venv"),
    asked=(Asked(request=Request(path="/")),),
)
PLACEMENT = Placement(
    server_cpus=(0, 1),
    load_cpus=(2,),
    is_shared=False,
    generator_cpus=((2,),),
    server_cores=2,
    note="server on CPUs 0-1, generator on CPU 2",
)
PACKAGES = {"gunicorn": "27.0.1", "gevent": "26.9.0", "pyuwsgi": "2.0.30.post1", "flask": "3.1.3"}
TIMEOUT_S = 60.0


def race_order(tuning: Tuning) -> TuningOrder:
    """Return a race of the application on two CPUs."""
    return TuningOrder(
        tuning=tuning,
        options=RunOptions(
            workload=SERVICE.label,
            service=SERVICE,
            duration_s=10.0,
            timeout_s=60,
            interpreter=PYTHON,
        ),
        cpu_count=2,
        warm_up_s=1.0,
    )


def deployment(text: str, *, service: Service = SERVICE) -> Deployment:
    """Return the only deployment that a text selects."""
    (found,) = catalogue.find_own_deployments(text, service=service, cpu_count=2)
    return found


def trial_of(
    of: Deployment, *, service: Service = SERVICE, number: int = 1, **different: object
) -> Trial:
    """Return a trial of a deployment in a round."""
    command = catalogue.launch_command(
        of,
        service=service,
        address=Address(LOOPBACK, 3000),
        longest_drain_s=2 * TIMEOUT_S,
        cpu_count=2,
    )
    made = Trial(
        id=f"{of.name}-{number}",
        deployment=of.name,
        stack=of.stack,
        heading=of.heading,
        workload=service.label,
        round=number,
        status=TrialStatus.OK,
        command=str(command),
        started_at="2026-01-02T03:04:05Z",
        load=ClosedLoop(callers=50),
        connections=Connections.KEPT,
        timeout_s=TIMEOUT_S,
        port=3000,
        placement=PLACEMENT,
        ledger={"scheduled": 100, "sent": 100, "ok": 100},
        window_s=10.0,
        throughput_per_s=10.0,
        interpreter="3.11.0",
        packages=PACKAGES,
    )
    return msgspec.structs.replace(made, **different)


def run_of(
    trials: Sequence[Trial], *, service: Service | None = SERVICE, **different: object
) -> StoredRun:
    """Return a run of these trials, with a plan that differs so."""
    plan = Plan(
        deployments=tuple(dict.fromkeys(each.deployment for each in trials)),
        options=RunOptions(
            workload=trials[0].workload,
            service=service,
            timeout_s=TIMEOUT_S,
            interpreter=PYTHON,
        ),
        rounds=max(each.round for each in trials),
    )
    return StoredRun(
        folder=Path("/results"),
        facts=RunFacts(
            servelab="0",
            started_at=f"{datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC):%Y-%m-%dT%H:%M:%SZ}",
            arguments=["try", "shop.site:app"],
            host=HostFacts(
                cpu_model="c", cpus=2, cpus_allowed=2, memory_bytes=1, architecture="a", kernel="k"
            ),
        ),
        trials=tuple(trials),
        broken=(),
        end=RunEnd(planned=len(trials)),
        plan=msgspec.structs.replace(plan, **different),
    )
