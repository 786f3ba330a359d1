"""The request of a workload, for each interface."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from servelab.catalogue.names import unknown
from servelab.errors import UsageError
from servelab.model.deployment import Deployment, Interface
from servelab.model.load import Protocol, Request, RequestMix
from servelab.served import workloads

_PARAMETERS_FIELD = 2
_KEY_FIELD, _VALUE_FIELD = 1, 2
_LENGTH_DELIMITED = 2


def workload_names() -> tuple[str, ...]:
    """Return the names of all workloads."""
    return workloads.names()


def workload_summary(name: str) -> str:
    """Return what a workload does, in a few words."""
    return workloads.load(name).SUMMARY


def slow_api_calls(workload: str) -> int:
    """Return how many calls to the slow API one call of a workload makes."""
    return workloads.load(workload).SLOW_API_CALLS


def waiting_s(workload: str, texts: Mapping[str, str]) -> float:
    """Return how long one call waits for others at the least; raise like `parameters_of`."""
    return workloads.load(workload).waiting_s(parameters_of(workload, texts))


def kinds_in_turn(workload: str, texts: Mapping[str, str]) -> tuple[str, ...]:
    """Return of which kind the requests 0, 1, ... are, then from the beginning again.

    Empty where all calls of a workload are alike; raise like `parameters_of`.
    """
    turns = workloads.turns(workload, parameters_of(workload, texts))
    return tuple(turn.kind for turn in turns) if len(turns) > 1 else ()


def may_wait(workload: str) -> bool:
    """Tell whether calls wait for something that `waiting_s` does not know, such as a lock."""
    return bool(getattr(workloads.load(workload), "MAY_WAIT", False))


def protocol_of(deployment: Deployment) -> Protocol:
    """Return what a caller of a deployment must speak."""
    return Protocol.GRPC if deployment.interface is Interface.GRPC else Protocol.HTTP


def parameters_of(workload: str, texts: Mapping[str, str]) -> Any:
    """Return a workload's parameters, defaults filled in; raise UnknownName or UsageError."""
    if workload not in workloads.names():
        raise unknown("workload", workload, known=workloads.names())
    try:
        return workloads.parse(workload, texts)
    except workloads.BadParameters as error:
        raise UsageError(f"{workload} refuses its parameters: {error}.") from None


def request_for(
    deployment: Deployment, workload: str, parameters: Mapping[str, str]
) -> Request | RequestMix:
    """Return the request that makes a deployment do a workload; raise like `parameters_of`.

    Of a workload whose calls differ, it is a mix in the order of its turns. The nonce is not in it:
    it goes as a header (HTTP) or as field 1 of the message (gRPC).
    """
    asked = parameters_of(workload, parameters)
    requests = tuple(
        _request(deployment, workload, turn.parameters) for turn in workloads.turns(workload, asked)
    )
    return requests[0] if len(requests) == 1 else RequestMix(requests=requests)


def _request(deployment: Deployment, workload: str, parameters: Any) -> Request:
    texts = {name: str(value) for name, value in asdict(parameters).items()}
    if deployment.interface is Interface.GRPC:
        return Request(method="POST", path=f"/{workloads.SERVICE}/{workload}", body=_encode(texts))
    return Request(path=f"/{workload}?{urlencode(texts)}")


def _encode(parameters: Mapping[str, str]) -> bytes:
    """Return a protobuf message whose map field holds the parameters.

    Source: protobuf's wire format; a map is a repeated message of key (1) and value (2).
    """
    return b"".join(
        _field(
            _PARAMETERS_FIELD,
            _field(_KEY_FIELD, name.encode()) + _field(_VALUE_FIELD, value.encode()),
        )
        for name, value in parameters.items()
    )


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | _LENGTH_DELIMITED]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits in each byte
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
