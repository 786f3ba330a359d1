"""What an experiment tells while it goes on."""

from enum import Enum

from msgspec import Struct

from servelab.model.capacity import Observation, Probe
from servelab.model.trial import Trial


class Stage(Enum):
    """What is being done for the current trial."""

    ENVIRONMENT = "environment"
    CEILING = "ceiling"
    STARTING = "starting"
    LOADING = "loading"
    STOPPING = "stopping"


class Progress(Struct, frozen=True, kw_only=True):
    """One step forward inside a trial."""

    title: str
    stage: Stage
    detail: str = ""
    done: float | None = None
    """Requests finished, or seconds elapsed."""
    total: float | None = None
    failed: int = 0


class TrialStarted(Struct, frozen=True, kw_only=True):
    """A trial begins."""

    title: str
    index: int
    count: int
    """Of the trials that were planned together with it: those of a round."""
    round: int = 1


class TrialEnded(Struct, frozen=True, kw_only=True):
    """A trial is measured and stored."""

    trial: Trial


class Skipped(Struct, frozen=True, kw_only=True):
    """A deployment that cannot run here."""

    deployment: str
    reason: str


class ProbeJudged(Struct, frozen=True, kw_only=True):
    """A trial of a search for capacity has said something."""

    probe: Probe
    observation: Observation
    quantile: str
    """Which quantile the observation holds."""


Event = Progress | TrialStarted | TrialEnded | Skipped | ProbeJudged
