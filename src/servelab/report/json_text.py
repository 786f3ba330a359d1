"""A run as one JSON object."""

from collections.abc import Sequence

import msgspec

from servelab.model.capacity import CapacityResult
from servelab.model.plan import Plan
from servelab.model.trial import Trial
from servelab.model.verdict import Verdicts
from servelab.report import capacity_view, rounds_view
from servelab.store import typed_json
from servelab.store.folder import RunFacts, StoredRun


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


def render(run: StoredRun) -> str:
    """Return the object which docs/result-format.md describes."""
    document = _Document(
        run=run.facts,
        folder=str(run.folder),
        interrupted=run.end.interrupted,
        skipped=run.end.skipped,
        plan=run.plan,
        verdicts=rounds_view.verdicts(run.trials, plan=run.plan),
        trials=run.trials,
        capacity=capacity_view.result(run),
    )
    return msgspec.json.format(typed_json.encode(document), indent=2).decode()
