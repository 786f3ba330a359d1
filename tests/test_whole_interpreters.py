"""The same deployments on several interpreters, from argv to output, on a deterministic world."""

import json
from pathlib import Path
from typing import Any

import pytest

from servelab.store import folder as stored
from tests.conftest import Run
from tests.environment.test_interpreters import fake
from tests.fake_world import Script, World

SLOW, QUICK, FREE = "3.97.2", "3.98.0", "3.99.1"
SERVER = "async-fastapi:processes=1"
WARNING = (
    "<frozen importlib._bootstrap>:488: RuntimeWarning: The global interpreter lock (GIL) has "
    "been enabled to load module 'httptools.parser.parser', which has not declared that it can "
    "run safely without the GIL. To override this behavior and keep the GIL disabled (at your own "
    "risk), run with PYTHON_GIL=0 or -Xgil=0.\n"
)


@pytest.fixture(autouse=True)
def pyenv(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have three interpreters in pyenv's folder, one of them free-threaded."""
    root = tmp_path_factory.mktemp("pyenv")
    for version, letter in ((SLOW, ""), (QUICK, ""), (FREE, "t")):
        folder = root / "versions" / f"{version}{letter}" / "bin"
        fake(folder, "python", version=version, free=bool(letter))
    monkeypatch.setenv("PYENV_ROOT", str(root))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return root


def world(**more: Any) -> World:
    """Return a world in which the second interpreter is twice as fast as the first."""
    slow = Script(service_s=0.05, cpu_s_per_call=0.05)
    quick = Script(service_s=0.025, cpu_s_per_call=0.025)
    return World(
        {"uvicorn": slow, "flask": slow},
        by_python={SLOW: slow, QUICK: quick},
        bare_call_s_by_python={SLOW: 0.1, QUICK: 0.05},
        **more,
    )


def named(folder: Path) -> list[tuple[str, str]]:
    return [(trial.deployment, trial.interpreter) for trial in stored.read(folder).trials]


def test_every_deployment_is_measured_on_each_interpreter(run: Run, tmp_path: Path) -> None:
    pythons = ("--python", "3.97", "--python", "3.98")
    status, printed, _ = run(
        world(), "run", SERVER, "sync-devserver", "cpu", *pythons, "--out", "here"
    )
    assert status == 0
    assert named(tmp_path / "here") == [
        ("async-fastapi:processes=1@3.97", SLOW),
        ("async-fastapi:processes=1@3.98", QUICK),
        ("sync-devserver:threading=without@3.97", SLOW),
        ("sync-devserver:threading=without@3.98", QUICK),
    ]
    assert "async-fastapi: 1 process, Python 3.97" in printed
    assert "async-fastapi 1 process, Python 3.98" in printed


def test_one_interpreter_changes_no_name(run: Run, tmp_path: Path) -> None:
    run(world(), "run", SERVER, "cpu", "--python", "3.98", "--python", "3.98.0", "--out", "here")
    assert named(tmp_path / "here") == [(SERVER, QUICK)]


def test_one_deployment_names_its_interpreter_itself(run: Run, tmp_path: Path) -> None:
    status, printed, _ = run(world(), "run", f"{SERVER}@3.98", "cpu", "--out", "here")
    assert status == 0
    assert named(tmp_path / "here") == [(f"{SERVER}@3.98", QUICK)]
    assert "1 process, Python 3.98" in printed


def test_where_one_is_named_all_are(run: Run, tmp_path: Path) -> None:
    targets = (f"{SERVER}@3.97", SERVER)
    run(world(), "run", *targets, "cpu", "--python", "3.98", "--out", "here")
    assert named(tmp_path / "here") == [(f"{SERVER}@3.97", SLOW), (f"{SERVER}@3.98", QUICK)]


def test_efficiency_is_of_the_ceiling_of_the_same_interpreter(run: Run, tmp_path: Path) -> None:
    # Two processes without a server: 20 calls a second on the first, 40 on the second.
    _, printed, _ = run(
        world(), "run", SERVER, "cpu", "--python", "3.97", "--python", "3.98", "--out", "here"
    )
    trials = stored.read(tmp_path / "here").trials
    assert [trial.ceiling_per_s for trial in trials] == pytest.approx([20.0, 40.0])
    assert [trial.efficiency for trial in trials] == pytest.approx([1.0, 1.0], rel=0.01)
    assert (
        "Efficiency is of the ceiling on the same interpreter, in requests/s: "
        "Python 3.97.2: 20.00; Python 3.98.0: 40.00."
    ) in printed


def test_the_same_deployment_on_two_interpreters_can_be_compared(run: Run, tmp_path: Path) -> None:
    status, printed, _ = run(
        world(), "compare", f"{SERVER}@3.97", f"{SERVER}@3.98", "cpu", "--out", "here"
    )
    assert status == 0
    assert (
        "async-fastapi 1 process, Python 3.98 beats async-fastapi 1 process, Python 3.97"
    ) in printed
    trials = stored.read(tmp_path / "here").trials
    assert len({trial.id for trial in trials}) == len(trials) == 2 + 3 * 8
    assert "Efficiency is of the ceiling on the same interpreter" in printed


def test_a_resumed_run_goes_on_with_the_same_interpreters(run: Run, tmp_path: Path) -> None:
    pythons = ("--python", "3.97", "--python", "3.98")
    status, _, _ = run(
        world(interrupt_after=6), "compare", SERVER, "cpu", *pythons, "--out", "here"
    )
    assert status == 130
    before = named(tmp_path / "here")
    status, printed, _ = run(world(), "compare", "--resume", "here")
    assert status == 0
    assert "beats" in printed
    after = named(tmp_path / "here")
    assert after[: len(before)] == before
    assert set(after) == {(f"{SERVER}@3.97", SLOW), (f"{SERVER}@3.98", QUICK)}


def test_a_plan_of_before_is_gone_on_with(run: Run, tmp_path: Path) -> None:
    targets = (SERVER, "sync-devserver")
    run(world(interrupt_after=2), "run", *targets, "cpu", "--python", "3.97", "--out", "here")
    file = tmp_path / "here" / "plan.json"
    plan = json.loads(file.read_text())
    del plan["options"]["interpreters"]
    file.write_text(json.dumps(plan))
    status, _, notes = run(world(), "run", "--resume", "here")
    assert status == 0, notes
    assert [python for _, python in named(tmp_path / "here")] == [SLOW, SLOW]


def test_a_run_is_not_resumed_on_an_interpreter_that_has_changed(run: Run, pyenv: Path) -> None:
    pythons = ("--python", "3.97", "--python", "3.98")
    run(world(interrupt_after=2), "run", SERVER, "cpu", *pythons, "--out", "here")
    fake(pyenv / "versions" / SLOW / "bin", "python", version="3.97.3")
    status, _, notes = run(world(), "run", "--resume", "here")
    assert status == 2
    assert "the run was begun on Python 3.97.2, and" in notes
    assert "is Python 3.97.3 now" in notes


def test_two_of_one_minor_version_are_told_apart_by_the_whole_of_it(
    run: Run, tmp_path: Path, pyenv: Path
) -> None:
    fake(pyenv / "versions" / "3.97.9" / "bin", "python", version="3.97.9")
    pythons = ("--python", "3.97.2", "--python", "3.97.9")
    run(world(), "run", SERVER, "cpu", *pythons, "--out", "here")
    assert named(tmp_path / "here") == [
        (f"{SERVER}@3.97.2", "3.97.2"),
        (f"{SERVER}@3.97.9", "3.97.9"),
    ]


def test_a_server_without_a_build_for_free_threaded_python_is_skipped_there(
    run: Run, tmp_path: Path
) -> None:
    pythons = ("--python", "3.98", "--python", "3.99t")
    status, printed, notes = run(
        world(), "run", "sync-grpc:threads=50", SERVER, "cpu", *pythons, "--out", "here"
    )
    assert status == 0
    assert "skipped sync-grpc:processes=1,threads=50@3.99t: grpc, or a package that" in notes
    assert "has no build for free-threaded Python" in notes
    assert "1 process, Python 3.99t (free-threaded)" in printed
    assert (f"{SERVER}@3.99t", "3.99.1t") in named(tmp_path / "here")


def test_the_gil_that_came_back_is_told_with_the_module_that_demands_it(
    run: Run, tmp_path: Path
) -> None:
    of = World({"uvicorn": Script(writes=f"hello\n{WARNING}INFO: started\n")})
    status, printed, _ = run(of, "run", SERVER, "cpu", "--python", "3.99t", "--out", "here")
    assert status == 0
    assert "! the GIL came back on: module httptools.parser.parser demands it" in printed
    assert "Python 3.99.1t (free-threaded), with the GIL for httptools.parser.parser" in printed
    (line,) = (tmp_path / "here" / "trials.jsonl").read_text().splitlines()
    assert json.loads(line)["gil"] == {"is_on": True, "modules": ["httptools.parser.parser"]}


def test_a_table_on_free_threaded_python_alone_says_so(run: Run) -> None:
    targets = (SERVER, "async-fastapi:processes=2")
    _, printed, _ = run(world(), "run", *targets, "cpu", "--python", "3.99t")
    assert "All of it on Python 3.99.1t (free-threaded)." in printed
    _, printed, _ = run(world(), "run", *targets, "cpu", "--python", "3.98")
    assert "All of it on" not in printed


def test_where_nobody_speaks_of_the_gil_nothing_is_claimed(run: Run) -> None:
    _, printed, _ = run(world(), "run", SERVER, "cpu", "--python", "3.99t")
    assert "Python 3.99.1t (free-threaded); nothing said that the GIL came back on" in printed
    assert "! the GIL" not in printed


def test_a_warning_in_the_log_of_an_ordinary_interpreter_says_nothing(run: Run) -> None:
    of = World({"uvicorn": Script(writes=WARNING)})
    _, printed, _ = run(of, "run", SERVER, "cpu", "--python", "3.98")
    assert "GIL" not in printed


@pytest.mark.parametrize(
    ("targets", "fault"),
    [
        ((f"{SERVER}@",), "names no interpreter after @"),
        ((f"{SERVER}@3.96",), "Python 3.96 is not on this machine"),
        ((f"{SERVER}@quick",), "'quick' names no Python interpreter"),
        ((SERVER, "--python", "3.96", "--python", "3.97"), "Python 3.96 is not on this machine"),
    ],
)
def test_an_interpreter_that_is_not_here_is_one_sentence(
    run: Run, targets: tuple[str, ...], fault: str
) -> None:
    status, _, notes = run(world(), "run", targets[0], "cpu", *targets[1:])
    assert status == 2
    assert fault in notes
    assert notes.count("\n") == 1


def test_two_interpreters_of_the_same_version_are_refused(run: Run, pyenv: Path) -> None:
    other = fake(pyenv / "mine", "python", version=SLOW)
    status, _, notes = run(world(), "run", SERVER, f"{SERVER}@{other}", "cpu", "--python", "3.97")
    assert status == 2
    assert "are both Python 3.97.2, which names cannot tell apart" in notes


def test_a_search_for_capacity_takes_one_interpreter(run: Run, tmp_path: Path) -> None:
    status, _, notes = run(
        world(), "capacity", f"{SERVER}@3.98", "cpu", "--slo", "p90<1s", "--out", "here"
    )
    assert status == 0, notes
    assert set(named(tmp_path / "here")) == {(f"{SERVER}@3.98", QUICK)}
