"""Before anything is timed: what each server answers."""

from collections.abc import Callable

from servelab import catalogue
from servelab.errors import CannotRunHere, PortBusy
from servelab.load.fetch import Answer
from servelab.measure import fronting
from servelab.measure.agreement import Heard
from servelab.measure.attempt import Attempting
from servelab.measure.machinery import Machinery
from servelab.measure.subject import subject_of
from servelab.model.address import Address
from servelab.model.load import Protocol
from servelab.model.placement import Placement
from servelab.model.progress import Event, Progress, Stage
from servelab.model.trial import TrialSpec, TrialStatus
from servelab.store.folder import RunFolder

NEXT_STEP = "Correct that, or name the servers that you want with --only."
TIMES_ASKED = 2
"""What differs between the answers of one server is no difference between servers."""


def hear(
    spec: TrialSpec,
    *,
    placement: Placement,
    machinery: Machinery,
    folder: RunFolder,
    observe: Callable[[Event], None],
) -> Heard:
    """Start a deployment, ask each request a few times, and stop it."""
    title = spec.deployment.title

    def failed(reason: str) -> Heard:
        return Heard(deployment=spec.deployment.name, title=title, failure=reason)

    def tell(detail: str) -> None:
        observe(Progress(title=title, stage=Stage.ENVIRONMENT, detail=detail))

    obstacle = catalogue.why_not_here(
        spec.deployment, interpreter=spec.interpreter, compiler=machinery.compiler
    ) or fronting.obstacle(spec.deployment, machinery=machinery)
    if obstacle is not None:
        return failed(obstacle)
    questions = _Questions(spec, machinery=machinery)
    try:
        environment = machinery.ensure_environment(
            subject_of(spec).environment(spec.deployment),
            interpreter=spec.interpreter,
            on_progress=tell,
        )
        attempt = Attempting(
            spec,
            placement=placement,
            environment=environment,
            machinery=machinery,
            folder=folder,
            observe=observe,
        ).rehearse(questions.ask)
    except (CannotRunHere, PortBusy) as error:
        return failed(str(error))
    if attempt.status is not TrialStatus.OK:
        return failed(f"{attempt.reason}\n  {NEXT_STEP}")
    return Heard(deployment=spec.deployment.name, title=title, answers=questions.answers)


_NOBODY_BEHIND = frozenset({502, 504})
"""What a front answers by itself where the server behind it does not."""


class _Questions:
    """Asks once the server answers at all, and keeps the answers."""

    def __init__(self, spec: TrialSpec, *, machinery: Machinery) -> None:
        self.answers: tuple[tuple[Answer, ...], ...] = ()
        self._spec = spec
        is_grpc = catalogue.protocol_of(spec.deployment) is Protocol.GRPC
        self._fetch = machinery.call if is_grpc else machinery.fetch

    def ask(self, address: Address) -> str | None:
        """Ask everything; return why a request has no answer yet."""
        service, front = self._spec.service, self._spec.deployment.front
        heard: list[tuple[Answer, ...]] = []
        for each in service.asked if service else ():
            answers = []
            for _ in range(TIMES_ASKED):
                found = self._fetch(address, each.request, self._spec.timeout_s)
                if isinstance(found, str):
                    return found
                if front is not None and found.status in _NOBODY_BEHIND:
                    return f"{front} answered {found.status}: nobody behind it does yet"
                answers.append(found)
            heard.append(tuple(answers))
        self.answers = tuple(heard)
        return None
