"""By what deployments are compared, and from how many rounds on."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from servelab.model.figure import Figure
    from servelab.model.load import Load
    from servelab.model.plan import Plan


def figure_for(load: "Load") -> "Figure":
    """Return what is compared: the rate; at a rate that all keep up with, response times."""
    from servelab.model.figure import Figure
    from servelab.model.load import OpenLoop

    return Figure.P90 if isinstance(load, OpenLoop) else Figure.THROUGHPUT


def judged(plan: "Plan") -> "Plan":
    """Return a plan that compares its deployments, where its rounds are enough for a verdict."""
    import msgspec

    from servelab.model.verdict import Judging

    figure = figure_for(plan.options.load)
    judging = Judging(direction=figure.direction)
    if len(plan.deployments) == 1 or (plan.rounds or 0) < judging.least_rounds:
        return plan
    return msgspec.structs.replace(plan, figure=figure, judging=judging)
