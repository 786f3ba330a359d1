"""What a deployment needs before it can be started here."""

from collections.abc import Callable

from servelab import catalogue
from servelab.errors import CannotRunHere
from servelab.measure import fronting
from servelab.measure.machinery import Machinery
from servelab.measure.subject import subject_of
from servelab.model.environment import Environment
from servelab.model.progress import Event, Progress, Stage
from servelab.model.trial import TrialSpec


def environment_of(
    spec: TrialSpec, *, machinery: Machinery, observe: Callable[[Event], None]
) -> Environment:
    """Return the environment of a trial's server; raise CannotRunHere where it cannot run here."""
    obstacle = catalogue.why_not_here(
        spec.deployment,
        interpreter=spec.interpreter,
        compiler=machinery.compiler,
        service=spec.service,
    ) or fronting.obstacle(spec.deployment, machinery=machinery)
    if obstacle is not None:
        raise CannotRunHere(obstacle)
    return machinery.ensure_environment(
        subject_of(spec).environment(spec.deployment),
        interpreter=spec.interpreter,
        on_progress=lambda detail: observe(
            Progress(title=spec.deployment.title, stage=Stage.ENVIRONMENT, detail=detail)
        ),
    )
