"""The workload json: a document that follows from its parameters."""

import copy
import json
from typing import Any

import pytest

from servelab.served import workloads
from servelab.served.workloads import json as workload


@pytest.mark.parametrize("size_bytes", [1_000, 1_001, 5_432, 100_000])
def test_the_document_is_as_large_as_was_asked_for(size_bytes: int) -> None:
    document = workload.work(workload.Parameters(size_bytes=size_bytes))
    assert len(json.dumps(document, separators=(",", ":"))) == size_bytes
    assert len(document["orders"]) > 1
    assert len(document["padding"]) < 200


def test_a_seed_makes_another_document_and_the_same_seed_the_same() -> None:
    first, second = (workload.Parameters(size_bytes=5_000, seed=seed) for seed in (1, 2))
    assert workload.work(first) != workload.work(second)
    made_anew = workload.document.__wrapped__(first)
    assert made_anew == workload.work(first)


def test_the_document_is_the_one_that_stored_runs_were_measured_with() -> None:
    """Another document is another workload: older results could not be compared with newer."""
    assert workload.work(workload.Parameters())["orders"][:2] == [
        {
            "amount": 4858.63,
            "customer": "customer 7767",
            "items": [266, 805, 220],
            "note": None,
            "number": 0,
            "paid": False,
        },
        {
            "amount": 4670.81,
            "customer": "customer 805",
            "items": [297, 552, 390],
            "note": "leave it at door 24, é",
            "number": 1,
            "paid": False,
        },
    ]


def changed(path: list[Any], value: object) -> dict[str, Any]:
    document = copy.deepcopy(workload.work(workload.Parameters()))
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return document


def test_a_document_that_went_through_json_passes() -> None:
    parameters = workload.Parameters()
    assert workload.check(parameters, json.loads(json.dumps(workload.work(parameters)))) is None


@pytest.mark.parametrize(
    "result",
    [
        None,
        {},
        {"orders": [], "padding": ""},
        changed(["padding"], ""),
        changed(["orders", 500, "amount"], 0.01),
        changed(["orders", 887, "items"], []),
    ],
)
def test_other_documents_are_wrong(result: object) -> None:
    assert "another document" in (workload.check(workload.Parameters(), result) or "")


@pytest.mark.parametrize("size", ["999", "10000001", "1e5"])
def test_sizes_out_of_range_are_refused(size: str) -> None:
    with pytest.raises(workloads.BadParameters):
        workloads.parse("json", {"size_bytes": size})
