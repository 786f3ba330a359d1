"""An application of the user's and its load, ready to be tried; what `try` and `tune` share."""

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from servelab.cli import measuring, requested, requested_service
from servelab.model.plan import RunOptions
from servelab.model.service import Service
from servelab.model.slo import Slo

if TYPE_CHECKING:
    from servelab.measure.trial import TrialMeasurer

DEFAULT_CALLERS = 50


class Prepared(Struct, frozen=True, kw_only=True):
    """What is served, how it is loaded, and what measures it."""

    service: Service
    options: RunOptions
    measurer: "TrialMeasurer"
    cpu_count: int
    """Of the server."""


def prepare(
    own: requested_service.Typed, *, load: requested.Typed, slo: Slo | None = None
) -> Prepared:
    """Return what was typed; raise UsageError or CannotRunHere before anything is stored."""
    found = requested_service.find(own)
    options = requested.options_of(
        load,
        workload=found.service.label,
        interpreter=found.interpreter,
        waiting_s=0.0,
        default_callers=DEFAULT_CALLERS,
    )
    options = msgspec.structs.replace(options, service=found.service, slo=slo)
    measurer = measuring.new_measurer()
    measurer.check(options)
    return Prepared(
        service=found.service,
        options=options,
        measurer=measurer,
        cpu_count=measurer.place(options).server_core_count,
    )
