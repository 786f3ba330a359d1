"""The workload hello."""

import asyncio

import pytest

from servelab.served import workloads
from servelab.served.workloads import hello


def test_the_greeting_passes_however_it_was_asked_for() -> None:
    parameters = hello.Parameters(name="Ada")
    assert hello.check(parameters, hello.work(parameters)) is None
    assert hello.check(parameters, asyncio.run(hello.work_async(parameters))) is None


@pytest.mark.parametrize(
    "result", [None, "hello world", {}, {"greeting": "hello Ada"}, {"greeting": None}]
)
def test_other_results_are_wrong(result: object) -> None:
    assert "not the greeting" in (hello.check(hello.Parameters(), result) or "")


@pytest.mark.parametrize("name", ["", "x" * 101])
def test_names_without_or_with_too_many_letters_are_refused(name: str) -> None:
    with pytest.raises(workloads.BadParameters, match="letters"):
        workloads.parse("hello", {"name": name})
