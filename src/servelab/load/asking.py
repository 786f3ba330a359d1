"""What a plan must say of its requests, from the requests and what their answers must be; pure."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from servelab.model.load import Asked, Choice, Expectation, Request, RequestMix

_OK_STATUSES = range(200, 300)


class Asking(Struct, frozen=True, kw_only=True):
    """The part of a load plan that says what is sent, and when an answer is right."""

    request: Request | RequestMix
    check: str
    """``module:function``."""
    check_parameters: str = "{}"
    judged_statuses: tuple[int, ...] = ()
    """Statuses beyond 2xx about which the check decides."""


def asking(asked: Sequence[Asked], *, choice: Choice, seed: int) -> Asking:
    """Return what is sent in turn, with the check of what was declared of each answer."""
    request: Request | RequestMix = asked[0].request
    if len(asked) > 1:
        requests = tuple(each.request for each in asked)
        request = RequestMix(requests=requests, choice=choice, seed=seed)
    expectations = [each.expectation for each in asked]
    if all(each == Expectation() for each in expectations):
        return Asking(request=request, check="servelab.load.answers:any_answer")
    parameters = {"expectations": expectations, "choice": choice, "seed": seed}
    declared = {each.status for each in expectations if each.status is not None}
    return Asking(
        request=request,
        check="servelab.load.answers:declared_check",
        check_parameters=msgspec.json.encode(parameters).decode(),
        judged_statuses=tuple(sorted(declared.difference(_OK_STATUSES))),
    )
