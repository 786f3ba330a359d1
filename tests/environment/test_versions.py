"""How interpreters are named by their version."""

from pathlib import Path

import pytest

from servelab.model.environment import Interpreter, python_in_words, shortest_version


def python(version: str) -> Interpreter:
    return Interpreter(
        path=Path("/python") / version,
        version=version.removesuffix("t"),
        is_free_threaded=version.endswith("t"),
    )


@pytest.mark.parametrize("version", ["3.13", "3.13.1"])
def test_an_interpreter_answers_to_its_versions(version: str) -> None:
    assert python("3.13.1").answers_to(version)
    assert python("3.13.1t").answers_to(f"{version}t")


@pytest.mark.parametrize("version", ["3.1", "3.13.11", "3.14", "3.13t", "3.13.1t"])
def test_it_answers_to_no_other(version: str) -> None:
    assert not python("3.13.1").answers_to(version)


def test_its_shortest_version_means_it_alone() -> None:
    among = [python(each) for each in ("3.12.1", "3.13.0", "3.13.5", "3.13.5t")]
    found = [shortest_version(each, among=among) for each in among]
    assert found == ["3.12", "3.13.0", "3.13.5", "3.13t"]


def test_free_threaded_builds_are_labelled() -> None:
    assert python_in_words("3.13") == "Python 3.13"
    assert python_in_words("3.14.0t") == "Python 3.14.0t (free-threaded)"
