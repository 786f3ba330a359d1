"""An application of the user's and its load, ready to be tried; what `try` and `tune` share."""

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from servelab.cli import measuring, project_file, requested, requested_service
from servelab.cli.option_types import OWN_CALLERS, OWN_CONNECTIONS, OWN_DURATION_S, OWN_WARM_UP_S
from servelab.environment import own_interpreter
from servelab.model.plan import RunOptions
from servelab.model.service import Service
from servelab.model.slo import Slo
from servelab.store import redaction

if TYPE_CHECKING:
    from servelab.measure.trial import TrialMeasurer


class Prepared(Struct, frozen=True, kw_only=True):
    """What is served, how it is loaded, and what measures it."""

    service: Service
    options: RunOptions
    measurer: "TrialMeasurer"
    cpu_count: int
    """Of the server."""
    warm_up_s: float


def prepare(
    own: requested_service.Typed,
    *,
    load: requested.Typed,
    section: project_file.Section,
    warm_up_s: float | None,
    slo: Slo | None = None,
) -> Prepared:
    """Return it; `own` is whole, and of the load the project's file has what was not typed.

    Raise UsageError or CannotRunHere before anything is stored, and for what can be known without
    the application before it is imported.
    """
    requested.check_platform()
    unseen = requested_service.unseen(own)
    measurer = measuring.new_measurer()
    options = _options(project_file.complete_load(load, section=section), service=unseen)
    measurer.check(options)
    found = requested_service.find(own)
    options = msgspec.structs.replace(
        options,
        workload=redaction.url(found.service.label),
        interpreter=found.interpreter,
        service=found.service,
        slo=slo,
    )
    warm_up = project_file.first(warm_up_s, section.warm_up)
    return Prepared(
        service=found.service,
        options=options,
        measurer=measurer,
        cpu_count=measurer.place(options).server_core_count,
        warm_up_s=OWN_WARM_UP_S if warm_up is None else warm_up,
    )


def _options(typed: requested.Typed, *, service: Service) -> RunOptions:
    """Return how an application is measured that nobody has seen yet; raise UsageError."""
    options = requested.options_of(
        msgspec.structs.replace(
            typed,
            duration_s=typed.duration_s or OWN_DURATION_S,
            connections=typed.connections or OWN_CONNECTIONS,
        ),
        workload=service.name,
        interpreter=own_interpreter(),
        waiting_s=0.0,
        default_callers=OWN_CALLERS,
    )
    return msgspec.structs.replace(options, service=service)
