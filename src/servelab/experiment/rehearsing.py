"""All deployments are heard before any is timed."""

import re
from collections.abc import Callable, Sequence
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
    """Return what the deployments agree on, each started once; nothing is timed."""
    heard = []
    for index, deployment in enumerate(deployments, start=1):
        spec = msgspec.structs.replace(
            trial_spec(deployment, options=options, round_number=1, warm_up_s=0.0),
            role=Role.REHEARSAL,
            stops_under_load=False,
        )
        observe(TrialStarted(title=deployment.title, index=index, count=len(deployments), round=0))
        heard.append(hearer.hear(spec, folder=folder, observe=observe))
    return agree(heard, asked=service.asked, ignored=ignored)
