"""A program beside the server that takes the CPUs, as the database of an application does."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.own_environments import make_environment

from servelab.explain import disturbance
from servelab.model.trial import Trial
from servelab.store import folder as stored

pytestmark = pytest.mark.live

DEADLINE_S = 300.0
SERVELAB = """
from servelab.measure import ceiling
ceiling.BARE_SECONDS = 0.2
from servelab.cli import main
main()
"""
# Four workers for each CPU, whose work is done by children that end, one after the other.
DATABASE = f"""#!{sys.executable} -S
import os, time
for _ in 4 * list(os.sched_getaffinity(0)):
    if not os.fork():
        while True:
            child = os.fork()
            if not child:
                while time.process_time() < .15:
                    pass
                os._exit(0)
            os.waitpid(child, 0)
print("up", flush=True)
time.sleep(600)
"""
APPLICATION = """
def app(environ, start):
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]
"""
NAME = "shopdb"
ASKED = ("shop:app", "--only", "waitress", "--rounds", "1", "--duration", "1.5", "-c", "4")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[None]:
    """Have a program called shopdb take all the CPU time that it can get."""
    script = tmp_path / NAME
    script.write_text(DATABASE)
    script.chmod(0o755)
    with subprocess.Popen([script], stdout=subprocess.PIPE, start_new_session=True) as program:
        assert program.stdout is not None
        program.stdout.readline()
        try:
            yield
        finally:
            os.killpg(program.pid, signal.SIGKILL)


def tried(project: Path, *options: str) -> Trial:
    """Return the only trial of a small application on waitress, watched by a process of its own."""
    (project / "shop.py").write_text(APPLICATION)
    environment = make_environment(project / "venv")
    out = project / "results"
    command = [sys.executable, "-c", SERVELAB, "try", *ASKED, "--out", str(out), *options]
    ended = subprocess.run(
        command,
        cwd=project,
        env={**os.environ, "VIRTUAL_ENV": str(environment)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    (trial,) = stored.read(out).trials
    return trial


@pytest.mark.usefixtures("database")
def test_a_database_that_is_named_is_no_disturbance_however_much_it_takes(tmp_path: Path) -> None:
    trial = tried(tmp_path, "--beside", NAME)
    noise, use, usage = trial.noise, trial.beside, trial.usage
    assert noise is not None
    assert use is not None
    assert usage is not None
    assert noise.foreign_cpu_share is not None
    capacity_s = noise.seconds * noise.cpus
    (program,) = use.programs
    assert (program.name, program.processes > noise.cpus) == (NAME, True)
    # It wants all CPUs: whoever else runs here leaves it its part.
    assert program.cpu_s >= 0.1 * capacity_s
    # Nothing is counted twice: it is not among the others, too.
    foreign_s = noise.foreign_cpu_share * capacity_s
    assert foreign_s + program.cpu_s + usage.cpu_s <= 1.1 * capacity_s
    assert NAME not in {each.name for each in noise.foreign_programs}
    assert NAME not in {each.name for each in noise.foreign_processes}
    assert not any(NAME in reason for reason in disturbance.reasons_to_void(noise))


@pytest.mark.usefixtures("database")
def test_a_database_that_is_not_named_voids_the_round_and_is_told_how_to_be_named(
    tmp_path: Path,
) -> None:
    trial = tried(tmp_path)
    assert trial.beside is None
    assert trial.noise is not None
    # Whoever else is busy here may be named before it.
    assert any(f"{NAME} " in reason for reason in disturbance.reasons_to_void(trial.noise))
    (warning,) = [each for each in trial.warnings if each.kind == disturbance.FOREIGN_CPU]
    assert re.search(r"if (.+) is part of the application .*: --beside \1$", warning.text)
