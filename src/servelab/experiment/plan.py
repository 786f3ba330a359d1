"""Which trials a plan asks for next, from those that were made; pure."""

import random
from collections.abc import Iterable, Sequence
from itertools import count

import msgspec
from msgspec import Struct

from servelab.errors import UsageError
from servelab.explain.rounds import arrange
from servelab.model.deployment import Deployment, Interface
from servelab.model.environment import Interpreter
from servelab.model.load import ClosedLoop, Connections, Load
from servelab.model.plan import Plan, RunOptions
from servelab.model.trial import PILOT_ROUND, Role, Trial, TrialSpec
from servelab.model.verdict import NextStep
from servelab.stats.stopping import next_step
from servelab.stats.warm_up import shared_warm_up_s

DEFAULT_TIMEOUT_S = 60.0
OPEN_LOOP_CHANNELS = 100
PILOT_S = 20.0
_LEAST_TO_COMPARE = 2
_TIMEOUT_MARGIN = 1.5


class Past(Struct, frozen=True, kw_only=True):
    """What has come of a plan so far."""

    trials: tuple[Trial, ...] = ()
    skipped: frozenset[str] = frozenset()
    """Names of deployments that cannot run here."""
    elapsed_s: float = 0.0


class Planner:
    """Tells which trials are to be made; the same plan and the same past give the same answer."""

    def __init__(self, plan: Plan, *, deployments: Sequence[Deployment]) -> None:
        self._plan = plan
        self._deployments = tuple(deployments)

    def next_trials(self, past: Past) -> tuple[TrialSpec, ...]:
        """Return what is missing of the current round, in its order; nothing at the end."""
        warm_up_s = self._plan.warm_up_s
        if warm_up_s is None:
            if missing := _missing(self._pilots(), past):
                return missing
            warm_up_s = shared_warm_up(past.trials)
        for number in self._rounds():
            if missing := _missing(self.round(number, warm_up_s=warm_up_s), past):
                has_begun = any(trial.round == number for trial in past.trials)
                return missing if has_begun or not self._is_over(past) else ()
        return ()

    def round(self, number: int, *, warm_up_s: float) -> tuple[TrialSpec, ...]:
        """Return all trials of a round, in its seeded order."""
        specs = [
            trial_spec(
                deployment,
                options=self._plan.options,
                round_number=number,
                warm_up_s=warm_up_s,
            )
            for deployment in self._deployments
        ]
        if self._plan.judging is not None:
            specs.append(msgspec.structs.replace(specs[0], role=Role.CONTROL))
        if not self._plan.is_single:
            random.Random(f"{self._plan.seed}/{number}").shuffle(specs)  # noqa: S311 - no secret
        return tuple(specs)

    @property
    def count(self) -> int | None:
        """Return how many trials there will be; None where the figures decide."""
        if self._plan.rounds is None:
            return None
        pilots = len(self._pilots()) if self._plan.warm_up_s is None else 0
        return pilots + self._plan.rounds * len(self.round(1, warm_up_s=0.0))

    def preview(self, rounds: int) -> tuple[tuple[TrialSpec, ...], ...]:
        """Return the first rounds as they will be made, but for the warm-up's length."""
        warm_up_s = self._plan.warm_up_s
        made = [self.round(number, warm_up_s=warm_up_s or 0.0) for number in range(1, rounds + 1)]
        return (self._pilots(), *made) if warm_up_s is None else tuple(made)

    def _rounds(self) -> Iterable[int]:
        return count(1) if self._plan.rounds is None else range(1, self._plan.rounds + 1)

    def _pilots(self) -> tuple[TrialSpec, ...]:
        return tuple(
            msgspec.structs.replace(
                trial_spec(
                    deployment,
                    options=self._plan.options,
                    round_number=PILOT_ROUND,
                    warm_up_s=0.0,
                ),
                duration_s=PILOT_S,
            )
            for deployment in self._deployments
        )

    def _is_over(self, past: Past) -> bool:
        """Tell whether the rounds that were made are enough, or all that the budget allows."""
        judging = self._plan.judging
        if judging is None or self._plan.rounds is not None:
            return False
        rounds = arrange(past.trials)
        if rounds.numbers and len(rounds.candidates) < _LEAST_TO_COMPARE:
            return True
        step = next_step(
            rounds.values(self._plan.figure),
            budget=self._plan.budget,
            elapsed_s=past.elapsed_s,
            twin=rounds.twin,
            judging=judging,
        )
        return step is not NextStep.CONTINUE


def trial_spec(
    deployment: Deployment, *, options: RunOptions, round_number: int, warm_up_s: float
) -> TrialSpec:
    """Return a trial of a deployment as the options ask for it."""
    is_grpc = deployment.interface is Interface.GRPC
    return TrialSpec(
        deployment=deployment,
        workload=options.workload,
        service=options.service,
        parameters=options.parameters,
        load=_load_of(options.load, round_number=round_number),
        pacing=options.pacing,
        generators=options.generators,
        placement=options.placement,
        limits=options.limits,
        requests=options.requests,
        duration_s=options.duration_s,
        warm_up_s=warm_up_s,
        connections=options.connections or (Connections.KEPT if is_grpc else Connections.FRESH),
        channels=_channels(deployment, load=options.load) if is_grpc else 1,
        timeout_s=options.timeout_s,
        port=options.port,
        interpreter=interpreter_of(deployment, options=options),
        with_requirements=options.with_requirements,
        stops_under_load=options.stops_under_load and round_number != PILOT_ROUND,
        slo=options.slo,
        beside=options.beside,
        round=round_number,
    )


def interpreter_of(deployment: Deployment, *, options: RunOptions) -> Interpreter:
    """Return the interpreter of a deployment; raise UsageError where the options lack it."""
    version = deployment.python
    if version is None:
        return options.interpreter
    for each in options.interpreters:
        if each.answers_to(version):
            return each
    raise UsageError(f"{deployment.name}: the plan holds no Python {version}; measure it anew.")


def past_of(trials: Sequence[Trial]) -> Past:
    """Return what an interrupted run has left; what could not run is tried again."""
    return Past(trials=tuple(trials), elapsed_s=sum(trial.took_s for trial in trials))


def shared_warm_up(trials: Sequence[Trial]) -> float:
    """Return the warm-up that the pilots call for, in seconds."""
    pilots = [trial.settling for trial in trials if trial.round == PILOT_ROUND]
    return shared_warm_up_s([settling for settling in pilots if settling is not None])


def _missing(specs: Sequence[TrialSpec], past: Past) -> tuple[TrialSpec, ...]:
    made = {trial.id for trial in past.trials}
    return tuple(
        spec for spec in specs if spec.id not in made and spec.deployment.name not in past.skipped
    )


def _load_of(load: Load, *, round_number: int) -> Load:
    """Return the load of a round: arrivals differ between rounds, and not within one."""
    if isinstance(load, ClosedLoop):
        return load
    return msgspec.structs.replace(load, seed=load.seed + round_number - 1)


def _channels(deployment: Deployment, *, load: Load) -> int:
    """Return the number of gRPC channels: one as in the seed, one a caller for several processes.

    The kernel gives a whole connection to one process, so one channel would load only one. An open
    loop has no callers; it gets as many channels as the default load has.
    """
    if deployment.processes == 1:
        return 1
    return load.callers if isinstance(load, ClosedLoop) else OPEN_LOOP_CHANNELS


def default_timeout_s(load: Load, *, waiting_s: float) -> float:
    """Return how long a request may take: 60 s, or more where waiting in line takes longer.

    A server that works off the requests of all callers one after another, `waiting_s` each, is
    slow but not broken; a shorter limit would report its queue as failures. An open loop's queue
    has no such bound.
    """
    callers = load.callers if isinstance(load, ClosedLoop) else 1
    return max(DEFAULT_TIMEOUT_S, _TIMEOUT_MARGIN * callers * waiting_s)
