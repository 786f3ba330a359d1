"""Interpreters as they were typed: of a run, and of single deployments."""

from collections.abc import Iterable, Sequence
from itertools import combinations

from msgspec import Struct

from servelab import catalogue
from servelab.environment import interpreters
from servelab.errors import CannotRunHere, UsageError
from servelab.model.deployment import Deployment
from servelab.model.environment import Interpreter, shortest_version
from servelab.model.plan import RunOptions


class OnInterpreters(Struct, frozen=True, kw_only=True):
    """Deployments, and the interpreters that they run on."""

    deployments: tuple[Deployment, ...]
    """Each names its interpreter by version, where there are several."""
    interpreter: Interpreter
    """Of the deployments that name none."""
    interpreters: tuple[Interpreter, ...] = ()
    """Of those that do."""


def on_interpreters(
    deployments: Sequence[Deployment],
    *,
    pythons: Sequence[str],
    usual: Interpreter | None = None,
) -> OnInterpreters:
    """Return each deployment on its own interpreter, or else on every one of the run.

    `pythons` are versions or paths; none: the `usual` interpreter, which is the nearest, too, or
    servelab's own. Names stay as they are where all run on one and nobody named it. Raise
    UsageError or CannotRunHere.
    """
    nearest = usual or interpreters.own_interpreter()
    of_run = [interpreters.find_interpreter(each, nearest=nearest) for each in pythons] or [nearest]
    named = {
        each: interpreters.find_interpreter(each, nearest=nearest)
        for each in dict.fromkeys(deployment.python for deployment in deployments)
        if each is not None
    }
    pairs = [
        (deployment, each)
        for deployment in deployments
        for each in ([named[deployment.python]] if deployment.python else of_run)
    ]
    taken = _each_once(interpreter for _, interpreter in pairs)
    if not named and len(taken) == 1:
        return OnInterpreters(deployments=tuple(deployments), interpreter=of_run[0])
    _refuse_twins(taken)
    labelled = [
        on
        for deployment, interpreter in pairs
        for on in catalogue.on_python(
            [deployment], python=shortest_version(interpreter, among=taken)
        )
    ]
    return OnInterpreters(
        deployments=tuple({each.name: each for each in labelled}.values()),
        interpreter=of_run[0],
        interpreters=taken,
    )


def _each_once(found: Iterable[Interpreter]) -> tuple[Interpreter, ...]:
    """Return the interpreters without those that are another one under another path."""
    by_file: dict[object, Interpreter] = {}
    for each in found:
        by_file.setdefault(each.path.resolve(), each)
    return tuple(by_file.values())


def _refuse_twins(found: Sequence[Interpreter]) -> None:
    for one, other in combinations(found, 2):
        if one.full_version == other.full_version:
            raise UsageError(
                f"{one.path} and {other.path} are both Python {one.full_version}, which names "
                "cannot tell apart; measure them in runs of their own"
            )


def refuse_others(options: RunOptions) -> None:
    """Raise CannotRunHere where a stored plan's interpreters are no longer what they were."""
    for each in (options.interpreter, *options.interpreters):
        found = interpreters.inspect(each.path)
        if found is None or found.full_version != each.full_version:
            now = "is gone" if found is None else f"is Python {found.full_version} now"
            raise CannotRunHere(
                f"the run was begun on Python {each.full_version}, and {each.path} {now}; measure "
                "anew, as figures of two interpreters cannot be mixed"
            )
