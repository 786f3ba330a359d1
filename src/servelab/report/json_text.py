"""A run as one JSON object."""

import re
from collections.abc import Sequence

import msgspec

from servelab.model.capacity import CapacityResult
from servelab.model.plan import Plan
from servelab.model.trial import Trial
from servelab.model.tuning import Tuned, TuningOrder
from servelab.model.verdict import Verdicts
from servelab.report import capacity_view, commands_view, race_result, rounds_view
from servelab.report.commands_view import Commands
from servelab.report.plain_text import STEERING
from servelab.store import typed_json
from servelab.store.folder import RunFacts, StoredRun

_STEERING = re.compile(f"[{STEERING}]")


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    format: int = 1
    run: RunFacts
    folder: str
    interrupted: bool
    skipped: dict[str, str]
    plan: Plan | None
    verdicts: Verdicts | None
    """Of a comparison."""
    trials: Sequence[Trial]
    capacity: CapacityResult | None
    race: Tuned | None
    race_order: TuningOrder | None
    """What was raced and how, with those that were left out before."""
    commands: Sequence[Commands]
    """Of a run on an application of the user's; empty otherwise."""


def render(run: StoredRun) -> str:
    """Return the object which docs/result-format.md describes."""
    document = _Document(
        run=run.facts,
        folder=str(run.folder).encode(errors="backslashreplace").decode(),
        interrupted=run.end.interrupted,
        skipped=run.end.skipped,
        plan=run.plan,
        verdicts=rounds_view.verdicts(run.trials, plan=run.plan),
        trials=run.trials,
        capacity=capacity_view.result(run),
        race=race_result.result(run),
        race_order=run.tuning,
        commands=commands_view.commands(run),
    )
    text = msgspec.json.format(typed_json.encode(document), indent=2).decode()
    # JSON need not escape all of them, but it may: what reads it finds the same, and a terminal
    # that shows it is not steered.
    return _STEERING.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)
