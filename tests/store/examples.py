"""Small values to be stored."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from servelab.model.environment import Interpreter
from servelab.model.host import HostFacts
from servelab.model.load import ClosedLoop, Connections
from servelab.model.plan import Plan, RunOptions
from servelab.model.trial import Trial, TrialStatus
from servelab.store import folder

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FACTS = folder.RunFacts(
    servelab="0",
    started_at="2026-01-02T03:04:05Z",
    arguments=["run"],
    host=HostFacts(
        cpu_model="c", cpus=2, cpus_allowed=2, memory_bytes=1, architecture="a", kernel="k"
    ),
)
PLAN = Plan(
    deployments=("one", "two", "three"),
    options=RunOptions(
        workload="cpu",
        timeout_s=60.0,
        interpreter=Interpreter(path=Path("/python"), version="3.11.0", is_free_threaded=False),
    ),
)


def trial(name: str, **different: object) -> Trial:
    """Return a trial of this id."""
    made = Trial(
        id=name,
        deployment=name,
        stack=name,
        heading="",
        workload="cpu",
        status=TrialStatus.OK,
        command=f"serve {name}",
        started_at="2026-01-02T03:04:05Z",
        load=ClosedLoop(callers=1),
        connections=Connections.FRESH,
        timeout_s=60.0,
        ledger={"scheduled": 1, "sent": 1, "ok": 1},
        interpreter="3.11.0",
    )
    return msgspec.structs.replace(made, **different)


def plan_with(*requirements: str) -> Plan:
    """Return the plan with requirements of the user."""
    options = msgspec.structs.replace(PLAN.options, with_requirements=requirements)
    return msgspec.structs.replace(PLAN, options=options)


def new_folder(path: Path | None) -> folder.RunFolder:
    """Make a results folder."""
    return folder.create(path, name="x", facts=FACTS, now=NOW)
