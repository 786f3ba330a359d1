"""Before anything is timed: what each server answers."""

from collections.abc import Callable

import msgspec

from servelab import catalogue
from servelab.errors import CannotRunHere, PortBusy
from servelab.load.fetch import Answer
from servelab.measure.agreement import Heard
from servelab.measure.attempt import READY_TIMEOUT_S, Attempting
from servelab.measure.machinery import Machinery
from servelab.measure.preparing import environment_of
from servelab.model.address import Address
from servelab.model.deployment import Deployment
from servelab.model.load import Protocol, Request
from servelab.model.placement import Placement
from servelab.model.progress import Event
from servelab.model.trial import TrialSpec, TrialStatus
from servelab.store.folder import RunFolder

_TRIES = 2
"""Of a server which somebody else disturbed, such as one that took its port."""
NEXT_STEP = "Correct that, or name the servers that you want with --only."
_CLOSING = (("Connection", "close"),)
_FEWEST_TIMES = 2
_LONGEST_ANSWER_S = 0.9 * READY_TIMEOUT_S


def times_asked(deployment: Deployment) -> int:
    """Return how often each request is asked: so often that some process answers it twice.

    What differs between the answers of one server is no difference between servers, and a counter
    may be each process's own.
    """
    return max(_FEWEST_TIMES, (deployment.processes or 1) + 1)


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

    questions = _Questions(spec, machinery=machinery)
    try:
        environment = environment_of(spec, machinery=machinery, observe=observe)
        for _ in range(_TRIES):
            attempt = Attempting(
                spec,
                placement=placement,
                environment=environment,
                machinery=machinery,
                folder=folder,
                observe=observe,
            ).rehearse(questions.ask_first, then=questions.ask)
            if attempt.status is not TrialStatus.INVALID:
                break
    except (CannotRunHere, PortBusy) as error:
        return failed(str(error))
    if attempt.status is not TrialStatus.OK:
        return failed(f"{attempt.reason}\n  {NEXT_STEP}")
    stop_s = 0.0 if attempt.stop is None else attempt.stop.seconds
    return Heard(
        deployment=spec.deployment.name,
        title=title,
        answers=questions.answers,
        beside_load_s=None if attempt.start_s is None else attempt.start_s + stop_s,
    )


_NOBODY_BEHIND = frozenset({502, 504})
"""What a front answers by itself where the server behind it does not."""


class _Questions:
    """Asks once the server answers at all, and keeps the answers."""

    def __init__(self, spec: TrialSpec, *, machinery: Machinery) -> None:
        self.answers: tuple[tuple[Answer, ...], ...] = ()
        self._spec = spec
        is_grpc = catalogue.protocol_of(spec.deployment) is Protocol.GRPC
        self._fetch = machinery.call if is_grpc else machinery.fetch

    def ask_first(self, address: Address) -> str | None:
        """Ask the first request once; return why it has no answer yet."""
        asked = self._spec.service.asked if self._spec.service else ()
        found = self._answer(address, asked[0].request) if asked else None
        return found if isinstance(found, str) else None

    def ask(self, address: Address) -> str | None:
        """Ask everything; return why a request has no answer yet."""
        service = self._spec.service
        heard: list[tuple[Answer, ...]] = []
        for each in service.asked if service else ():
            answers = []
            for number in range(times_asked(self._spec.deployment)):
                # Once as a load with fresh connections asks, then as one with kept ones does.
                more = () if number else _CLOSING
                request = msgspec.structs.replace(
                    each.request, headers=(*each.request.headers, *more)
                )
                found = self._answer(address, request)
                if isinstance(found, str):
                    return found
                answers.append(found)
            heard.append(tuple(answers))
        self.answers = tuple(heard)
        return None

    def _answer(self, address: Address, request: Request) -> Answer | str:
        # The reason is to be known before the server is given up.
        timeout_s = min(self._spec.timeout_s, _LONGEST_ANSWER_S)
        found = self._fetch(address, request, timeout_s)
        front = self._spec.deployment.front
        if front is not None and isinstance(found, Answer) and found.status in _NOBODY_BEHIND:
            return f"{front} answered {found.status}: nobody behind it does yet"
        return found
