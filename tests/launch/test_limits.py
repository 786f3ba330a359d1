"""Servers under limits that the kernel enforces; skipped where this user may set none."""

import functools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from servelab.errors import CannotRunHere, ServerExited
from servelab.launch import leftovers, limiting
from servelab.launch.server import RunningServer, launched
from servelab.linux import cgroups
from servelab.linux.cgroups import Folder
from servelab.model.launch import LaunchCommand
from servelab.model.limits import Limits

from .conftest import DEADLINE_S, eventually

pytestmark = pytest.mark.live

HALF_A_CORE = Limits(cpus=0.5)
A_FIFTIETH = Limits(cpus=0.02)
"""So little that even one who hardly gets a turn on a busy machine would take more."""
SMALL = Limits(memory_bytes=32 << 20)
BURN = "while True: pass"
WAIT = "import time; time.sleep(600)"
GROW = "kept = bytearray(256 << 20); " + WAIT
ABANDONED = f"""
import sys, time
from pathlib import Path
from servelab.launch import server
from servelab.model.launch import LaunchCommand
from servelab.model.limits import Limits
with server.launched(
    LaunchCommand(argv=(sys.executable, "-S", "-c", {WAIT!r})),
    programs=None, directory=Path.cwd(), log=Path(sys.argv[1]), address=None,
    limits=Limits(cpus=0.5),
) as running:
    print(running._group[0].path, running.supervisor_pid, running.guard_pid, flush=True)
    time.sleep(600)
"""
CHECKED = """
import subprocess, sys, time
from servelab.launch import leftovers, limiting
from servelab.model.limits import Limits
def wait(*_, **__):
    print("checking", flush=True)
    time.sleep(600)
subprocess.run = wait
limiting.require(Limits(cpus=0.5))
"""


@pytest.fixture(autouse=True)
def _at_the_top_of_version_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make groups at the top of version 1's hierarchies: what runs the tests may watch its own."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    fields = [line.split(":", 2) for line in lines]
    file = tmp_path / "cgroup"
    file.write_text("".join(f"{n}:{names}:{'/' if names else path}\n" for n, names, path in fields))
    for name in ("require", "folders_of"):
        function = functools.partial(getattr(limiting, name), cgroups_file=file)
        monkeypatch.setattr(limiting, name, function)


@pytest.fixture(autouse=True)
def _no_group_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    made: list[Folder] = []
    plan = cgroups.plan

    def remember(name: str, **wanted: Any) -> list[Folder]:
        folders = plan(name, **wanted)
        made.extend(folders)
        return folders

    monkeypatch.setattr(cgroups, "plan", remember)
    yield
    assert not [folder.path for folder in made if Path(folder.path).exists()]


def permitted(limits: Limits) -> Limits:
    """Return the limits; skip where they cannot be set."""
    try:
        limiting.require(limits)
    except CannotRunHere as error:
        pytest.skip(str(error))
    return limits


def running(
    program: str, tmp_path: Path, *, limits: Limits | None
) -> AbstractContextManager[RunningServer]:
    return launched(
        LaunchCommand(argv=(sys.executable, "-S", "-c", program)),
        programs=None,
        directory=tmp_path,
        log=tmp_path / "log",
        address=None,
        limits=limits,
        grace_s=DEADLINE_S,
    )


def groups_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text()


def test_a_limited_server_is_throttled_and_its_supervisor_is_not_in_its_group(
    tmp_path: Path,
) -> None:
    with running(BURN, tmp_path, limits=permitted(A_FIFTIETH)) as server:
        (group,) = [Path(folder.path) for folder in server._group]
        assert group.name in groups_of(server.pid)
        assert group.name not in groups_of(server.supervisor_pid)
        assert eventually(lambda: server.group_figures().throttled_periods > 2)
        now = server.group_figures()
        assert now.throttled_periods <= now.periods
        assert now.throttled_s > 0
        server.stop()
        # What was counted outlives the group.
        assert server.group_figures().periods >= now.periods
    assert not group.exists()


def test_children_are_limited_too(tmp_path: Path) -> None:
    program = f"import os; os.fork(); {WAIT}"
    with running(program, tmp_path, limits=permitted(HALF_A_CORE)) as server:
        assert eventually(lambda: len(server.process_ids()) == 2)
        (group,) = [Path(folder.path) for folder in server._group]
        assert all(group.name in groups_of(pid) for pid in server.process_ids())


def test_a_kill_for_memory_is_counted(tmp_path: Path) -> None:
    with running(GROW, tmp_path, limits=permitted(SMALL)) as server:
        assert eventually(lambda: not server.is_alive())
        assert server.exit is not None
        assert server.exit.code == -9
        assert server.group_figures().oom_kills == 1


def test_a_server_within_its_memory_lives(tmp_path: Path) -> None:
    with running(WAIT, tmp_path, limits=permitted(SMALL)) as server:
        assert not eventually(lambda: not server.is_alive(), within_s=0.3)
        assert server.group_figures().oom_kills == 0


def test_a_server_without_limits_has_no_group(tmp_path: Path) -> None:
    with running(WAIT, tmp_path, limits=None) as server:
        assert groups_of(server.pid) == groups_of(os.getpid())
        assert server.group_figures() == cgroups.GroupFigures()


def test_the_group_of_a_command_that_cannot_start_is_removed(tmp_path: Path) -> None:
    with (
        pytest.raises(ServerExited, match="could not be started"),
        launched(
            LaunchCommand(argv=("no-such-program",)),
            programs=None,
            directory=tmp_path,
            log=tmp_path / "log",
            address=None,
            limits=permitted(HALF_A_CORE),
        ),
    ):
        pass


def test_no_group_outlives_a_killed_servelab(tmp_path: Path) -> None:
    permitted(HALF_A_CORE)
    with subprocess.Popen(
        [sys.executable, "-c", ABANDONED, str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
    ) as servelab:
        assert servelab.stdout is not None
        group = Path(servelab.stdout.readline().decode().split()[0])
        assert group.is_dir()
        servelab.kill()
    assert eventually(lambda: not group.exists())


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SERVELAB_STATE", str(tmp_path / "state"))
    return tmp_path / "state" / "servers"


@contextmanager
def abandoned(*victims: str, tmp_path: Path) -> Iterator[Path]:
    """Kill these at once while a limited server runs; yield its group, which somebody is in."""
    with subprocess.Popen(
        [sys.executable, "-c", ABANDONED, str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
    ) as servelab:
        assert servelab.stdout is not None
        group, *watchers = servelab.stdout.readline().decode().split()
        numbers = (servelab.pid, *(int(each) for each in watchers))
        pids = dict(zip(("servelab", "supervisor", "guard"), numbers, strict=True))
        with subprocess.Popen([sys.executable, "-S", "-c", WAIT]) as stranger:
            try:
                (Path(group) / "cgroup.procs").write_text(str(stranger.pid))
                for number in (signal.SIGSTOP, signal.SIGKILL):
                    for victim in victims:
                        os.kill(pids[victim], number)
                assert eventually(lambda: (Path(group) / "cgroup.procs").read_text().split()
                                  == [str(stranger.pid)])  # fmt: skip
                yield Path(group)
                assert stranger.poll() is None  # it was never ours to kill
            finally:
                stranger.kill()
                servelab.kill()


@pytest.mark.parametrize(
    "victims", [("servelab", "supervisor"), ("servelab", "supervisor", "guard")], ids="+".join
)
def test_a_group_that_could_not_be_removed_is_a_leftover(
    tmp_path: Path, state: Path, victims: tuple[str, ...]
) -> None:
    permitted(HALF_A_CORE)
    with abandoned(*victims, tmp_path=tmp_path) as group:
        assert eventually(lambda: len(leftovers.find()) == 1)
        (left,) = leftovers.find()
        assert (left.processes, left.groups) == ((), (str(group),))
        assert not leftovers.remove(left).is_complete  # while somebody else is in it
        assert leftovers.find() == (left,)
    assert eventually(lambda: not (group / "cgroup.procs").read_text().split())
    assert leftovers.remove(left).is_complete
    assert not group.exists()
    assert leftovers.find() == ()
    assert not list(state.iterdir())


def test_the_group_of_a_check_that_was_killed_is_a_leftover(state: Path) -> None:
    permitted(HALF_A_CORE)
    with subprocess.Popen([sys.executable, "-c", CHECKED], stdout=subprocess.PIPE) as servelab:
        assert servelab.stdout is not None
        assert servelab.stdout.readline() == b"checking\n"
        assert leftovers.find() == ()  # it is still at work
        servelab.kill()
    (left,) = leftovers.find()
    assert left.program == "a check of limits"
    (group,) = map(Path, left.groups)
    assert group.is_dir()
    assert leftovers.remove(left).is_complete
    assert not group.exists()
    assert not list(state.iterdir())


def test_no_group_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    with running(WAIT, tmp_path, limits=permitted(HALF_A_CORE)) as server:
        (group,) = [Path(folder.path) for folder in server._group]
        os.kill(server.supervisor_pid, 9)
        assert eventually(lambda: not server.is_alive())
        assert eventually(lambda: not group.exists())


def test_a_refusal_names_the_place_and_the_way_out(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    with pytest.raises(CannotRunHere, match=r"cannot limit the server: .* Delegate=yes") as refused:
        limiting.require(HALF_A_CORE, cgroups_file=nothing, mounts_file=nothing)
    assert refused.value.exit_status == 2
