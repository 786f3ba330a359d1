"""All deployments are heard before any is timed."""

import re
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Protocol

import msgspec

from servelab.experiment.plan import trial_spec
from servelab.measure.agreement import Heard, agree
from servelab.model.agreement import Agreement
from servelab.model.deployment import Deployment
from servelab.model.plan import RunOptions
from servelab.model.progress import Event, TrialStarted
from servelab.model.service import Service
from servelab.model.trial import Role, TrialSpec
from servelab.store.folder import RunFolder


class Hearer(Protocol):
    """Starts a deployment and listens to its answers."""

    def hear(
        self, spec: TrialSpec, *, folder: RunFolder, observe: Callable[[Event], None]
    ) -> Heard:
        """Return what it answered, or why it did not."""


def rehearse(
    deployments: Sequence[Deployment],
    *,
    service: Service,
    options: RunOptions,
    hearer: Hearer,
    folder: RunFolder,
    observe: Callable[[Event], None],
    ignored: Sequence[re.Pattern[bytes]] = (),
) -> Agreement:
    """Return what the deployments agree on, each started once; nothing is timed.

    Where they do not, one of them is started again: what it answers otherwise than before is no
    difference between servers.
    """
    heard = []
    for index, deployment in enumerate(deployments, start=1):
        observe(TrialStarted(title=deployment.title, index=index, count=len(deployments), round=0))
        spec = _spec(deployment, options=options, number=1)
        heard.append(hearer.hear(spec, folder=folder, observe=observe))
    found = _timed(agree(heard, asked=service.asked, ignored=ignored), heard=heard)
    answered = [each.deployment for each in heard if each.failure is None]
    if not found.agreeing or len(found.agreeing) == len(answered):
        return found
    (first,) = (each for each in deployments if each.name == found.agreeing[0])
    count = len(deployments) + 1
    observe(TrialStarted(title=first.title, index=count, count=count, round=0))
    again = hearer.hear(_spec(first, options=options, number=2), folder=folder, observe=observe)
    return _timed(agree(heard, asked=service.asked, ignored=ignored, again=again), heard=heard)


def _timed(found: Agreement, *, heard: Sequence[Heard]) -> Agreement:
    """Return what they agree on, with what starting and stopping took of those that do."""
    taken_s = [
        each.beside_load_s
        for each in heard
        if each.deployment in found.agreeing and each.beside_load_s is not None
    ]
    return msgspec.structs.replace(found, beside_load_s=fmean(taken_s) if taken_s else None)


def _spec(deployment: Deployment, *, options: RunOptions, number: int) -> TrialSpec:
    return msgspec.structs.replace(
        trial_spec(deployment, options=options, round_number=number, warm_up_s=0.0),
        role=Role.REHEARSAL,
        stops_under_load=False,
    )
