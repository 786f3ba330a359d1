"""The commands that start the deployments of a user's application, to be copied."""

from collections.abc import Sequence

from msgspec import Struct

from servelab.report.view import Table
from servelab.store.folder import StoredRun


class Start(Struct, frozen=True, kw_only=True):
    """How one deployment is started."""

    title: str
    command: str
    departures: tuple[str, ...]


def starts(run: StoredRun, *, tables: Sequence[Table]) -> tuple[Start, ...]:
    """Return the commands in the order of the tables' rows; none where it is no own application."""
    if run.plan is None or run.plan.options.service is None:
        return ()
    trials = {trial.title: trial for trial in reversed(run.trials)}
    titles = dict.fromkeys(row.title for table in tables for row in table.rows)
    return tuple(
        Start(
            title=title,
            command=trials[title].command,
            departures=tuple(trials[title].departures),
        )
        for title in titles
        if title in trials
    )
