"""Discovery of the workloads, and the parameters of their calls."""

import subprocess
import sys

import pytest

from servelab.served import workloads
from servelab.served.workloads import cpu, io


def test_text_becomes_typed_parameters_with_defaults() -> None:
    assert workloads.parse("cpu", {}) == cpu.Parameters(num=1000)
    assert workloads.parse("cpu", {"num": "10"}) == cpu.Parameters(num=10)
    assert workloads.parse("io", {"delay_s": "0.5"}) == io.Parameters(delay_s=0.5)


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("cpu", {"num": "1.5"}),
        ("cpu", {"num": ""}),
        ("cpu", {"num": "1000001"}),
        ("cpu", {"nums": "1"}),
        ("io", {"delay_s": "inf"}),
        ("io", {"delay_s": "-1"}),
    ],
)
def test_other_texts_are_refused(name: str, texts: dict[str, str]) -> None:
    with pytest.raises(workloads.BadParameters):
        workloads.parse(name, texts)


def test_an_unknown_workload_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        workloads.load("disk")
    with pytest.raises(KeyError):
        workloads.load("_counters")


def test_an_application_mounts_all_workloads_or_the_one_that_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(workloads.MOUNTED_VARIABLE, raising=False)
    assert workloads.mounted() == workloads.names()
    monkeypatch.setenv(workloads.MOUNTED_VARIABLE, "cpu")
    assert workloads.mounted() == ("cpu",)


def test_a_workload_without_turns_of_its_own_has_one() -> None:
    parameters = cpu.Parameters(num=3)
    assert workloads.turns("cpu", parameters) == (workloads.Turn("", parameters),)


def test_an_answer_tells_who_answered_whom() -> None:
    answer = workloads.answer("0042", {"x": 1})
    assert sorted(answer) == ["nonce", "pid", "result"]
    assert answer["nonce"] == "0042"


def test_reading_workloads_takes_only_the_standard_library() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import workloads; "
        "[workloads.load(name) for name in workloads.names()]; "
        "print(*{'numpy', 'aiohttp', 'urllib3', 'sqlalchemy', 'aiosqlite'} & set(sys.modules)); "
        "print(*{'servelab', 'msgspec'} & set(sys.modules))"
    )
    folder = str(workloads.__path__[0]).removesuffix("/workloads")
    ran = subprocess.run(
        [sys.executable, "-c", program, folder], check=True, stdout=subprocess.PIPE, text=True
    )
    assert ran.stdout.strip() == ""
