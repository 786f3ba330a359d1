"""The processes between servelab and a server, which see to it that nothing of the server stays.

Run as a script by servelab's own interpreter; it imports the standard library only, and what of
``servelab.linux`` needs no more. It takes its order and forks: the child is the supervisor, the
parent of the server; the parent is the guard, which does nothing but wait for the supervisor, and
takes its place where it is killed, or stands still when servelab has gone. Both
adopt the orphans below them, so that whichever of the two outlives the other has the whole tree
below it, and kills it. Nothing stays as long as one of servelab, supervisor and guard lives; what
the death of all three at once leaves is in the note (``notes``) which they kept.

Standard input: one line with the order, then commands (``terminate``, ``kill``), one a line; its
end means that servelab is gone, and so must be the server. Standard output: events, one JSON
object a line, told apart by ``event``; moments are of the monotonic clock:

``started``      ``pid``, ``start_ticks`` of the server's first process, ``supervisor`` with both
``failed``       ``reason``: the command could not be started
``terminating``  ``at_s``: SIGTERM is being sent
``exited``       ``code``: the first process ended; negative is the number of a signal
``unkillable``   ``pids``: what could not be killed, after which the supervisor gives up
``supplanted``   ``pid`` of the supervisor, which did not do its work and was killed by the guard
``group``        what the kernel counted of the server's control group, before it is removed
``gone``         ``killed``, ``at_s``: no process is left; so many were sent SIGKILL
"""

import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

if __name__ == "__main__":
    # Last on the path, so that nothing installed beside servelab hides the standard library.
    sys.path.append(str(Path(__file__).resolve().parents[2]))

from servelab.launch.capped_log import CappedLog
from servelab.launch.notes import Note
from servelab.linux import cgroups, prctl, procfs

RUN_VARIABLE = "SERVELAB_RUN"
"""Names the run in the environment of every process of a server."""

OPEN_FILES = 65536
"""What a server may open; not more, because uWSGI reserves memory for each in advance."""

_FIRST_LOOK_S = 0.5
_KILL_PAUSE_S = 0.005
_KILL_PATIENCE_S = 5.0
_GUARD_PATIENCE_S = _KILL_PATIENCE_S + 4.0
"""What a supervisor has, once servelab is gone, before its guard takes it for stopped.

More than killing the tree and removing its control group can take.
"""
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Order(NamedTuple):
    """What to start, and how."""

    argv: list[str]
    directory: str
    environment: dict[str, str]
    """Whole: the server sees nothing else."""
    tag: str
    log: str
    log_limit_bytes: int
    cpus: list[int] | None
    group: list[cgroups.Folder]
    """The control groups that limit the server; empty: none."""
    note: str
    """Where to note what runs; empty: nowhere."""


class Signals:
    """Wakes the loop when a signal arrives, and remembers which."""

    def __init__(self) -> None:
        self.descriptor, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, *_ENDING):
            # A handler, not SIG_IGN: that would be inherited by the server.
            signal.signal(number, _do_nothing)

    def taken(self) -> frozenset[int]:
        """Return the numbers that arrived since the last call."""
        with suppress(BlockingIOError):
            return frozenset(os.read(self.descriptor, 4096))
        return frozenset()


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Let the wake-up descriptor say it."""


class Commands:
    """Lines on standard input, read without blocking once the order is there."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._rest = b""

    def taken(self) -> list[str] | None:
        """Return the lines that came, None at the end of input."""
        received = os.read(self.descriptor, 65536)
        if not received:
            return None
        *lines, self._rest = (self._rest + received).split(b"\n")
        return [line.decode() for line in lines]

    def wait_for_line(self) -> str | None:
        """Return the first line, None where the input ends before it does."""
        while (lines := self.taken()) is not None:
            if lines:
                return lines[0]
        return None


def emit(event: str, **fields: Any) -> None:
    """Tell servelab, if it still listens."""
    with suppress(OSError):
        os.write(1, json.dumps({"event": event, **fields}).encode() + b"\n")


def start(order: Order, *, log: CappedLog) -> "subprocess.Popen[bytes]":
    """Start the server's first process: own session, own environment, bound to this process."""
    supervisor = os.getpid()

    def prepare() -> None:
        prctl.die_with_parent(signal.SIGKILL)
        if os.getppid() != supervisor:  # it died before the kernel knew
            os._exit(1)
        cgroups.join(order.group)
        if order.cpus is not None:
            os.sched_setaffinity(0, order.cpus)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
        # What servelab was started with, such as nohup's ignored SIGHUP, is not the server's.
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    return subprocess.Popen(
        order.argv,
        cwd=order.directory,
        env=order.environment,
        stdin=subprocess.DEVNULL,
        stdout=log.descriptor,
        stderr=log.descriptor,
        start_new_session=True,
        preexec_fn=prepare,  # noqa: PLW1509  # this process has one thread
    )


class Tree:
    """The server's processes: everything below this process, and everything with the run's tag."""

    def __init__(self, first: procfs.Identity | None, *, tag: str) -> None:
        self._first = first
        self._tag = tag
        self._killed: set[procfs.Identity] = set()
        self._is_childless = False

    @property
    def killed(self) -> int:
        """Return how many processes were sent SIGKILL."""
        return len(self._killed)

    def reap(self) -> None:
        """Take leave of ended processes, orphans of the tree among them; tell of the first."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if self._first is not None and ended[0] == self._first.pid:
                    emit("exited", code=os.waitstatus_to_exitcode(ended[1]))
                    self._first = None
            return
        self._is_childless = True

    def is_gone(self) -> bool:
        """Tell whether no process is left.

        Orphans come to a subreaper, so one without children has no descendants either.
        """
        return self._is_childless and not procfs.tagged(RUN_VARIABLE, value=self._tag)

    def terminate(self) -> None:
        """Ask the first process to end, as a service manager would."""
        if self._first is not None:
            emit("terminating", at_s=time.monotonic())
            procfs.send_signal(self._first, number=signal.SIGTERM)

    def kill(self) -> bool:
        """Send SIGKILL to all until none is left; False where some could not be killed."""
        give_up = time.monotonic() + _KILL_PATIENCE_S
        while True:
            survivors = living_tree(os.getpid(), tag=self._tag)
            for survivor in survivors:
                if procfs.send_signal(survivor, number=signal.SIGKILL):
                    self._killed.add(survivor)
            self.reap()
            if not survivors and self.is_gone():
                return True
            if time.monotonic() > give_up:
                emit("unkillable", pids=[survivor.pid for survivor in survivors])
                return False
            time.sleep(_KILL_PAUSE_S)


def living_tree(root: int, *, tag: str) -> tuple[procfs.Identity, ...]:
    """Return the living processes below the root or with the tag, the root left out."""
    below = procfs.descendants((root,), stats=procfs.all_stats())
    found = {stat.identity for stat in below if stat.is_alive}
    found.update(stat.identity for stat in procfs.tagged(RUN_VARIABLE, value=tag))
    return tuple(each for each in found if each.pid != root)


class Lookout:
    """Notes what runs, seldom and more seldom: a tree changes most when it is young."""

    def __init__(self, note: Note, *, tag: str) -> None:
        self._note = note
        self._tag = tag
        self._pause_s = _FIRST_LOOK_S
        self._next_s = time.monotonic() + _FIRST_LOOK_S

    def look(self) -> None:
        """Note the tree if it is time to."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._pause_s *= 2
        self._next_s = now_s + self._pause_s
        self._note.add(living_tree(os.getpid(), tag=self._tag))


def supervise(
    tree: Tree,
    *,
    guard: int,
    lookout: Lookout,
    log: CappedLog,
    commands: Commands,
    signals: Signals,
) -> bool:
    """Serve commands until no process of the tree is left; False where some cannot be killed."""
    pause_s = 0.0
    while not tree.is_gone():
        ready, _, _ = select.select([commands.descriptor, signals.descriptor], [], [], pause_s)
        asked = commands.taken() if commands.descriptor in ready else []
        stopped = not signals.taken().isdisjoint(_ENDING) or os.getppid() != guard
        # Before any command: who has ended by then was not asked to.
        tree.reap()
        if asked is None or stopped or "kill" in asked:
            if not tree.kill():
                return False
        elif "terminate" in asked:
            tree.terminate()
        lookout.look()
        pause_s = log.trim()
    return True


def settle(tree: Tree, *, order: Order, note: Note) -> None:
    """Tell that nothing is left, and leave nothing; what cannot be removed stays noted."""
    counted = cgroups.figures(order.group) if order.group else None
    if counted is not None:
        emit("group", **counted._asdict())
    emit("gone", killed=tree.killed, at_s=time.monotonic())
    if cgroups.remove(order.group):
        note.remove()


def main() -> None:
    """Take the order; become the guard of a supervisor who carries it out."""
    commands = Commands(0)
    line = commands.wait_for_line()
    if line is None:
        return
    order = parse_order(json.loads(line))
    note = Note(order.note)
    note.begin(
        tag=order.tag,
        program=Path(order.argv[0]).name,
        log=order.log,
        groups=[folder.path for folder in order.group],
    )
    guard = os.getpid()
    prctl.become_subreaper()
    supervisor = os.fork()
    if supervisor == 0:
        carry_out(order, guard=guard, commands=commands, note=note)
    else:
        stand_guard(supervisor, order=order, note=note)
    os._exit(0)


def carry_out(order: Order, *, guard: int, commands: Commands, note: Note) -> None:
    """Start the server, stay until it is gone."""
    signals = Signals()
    prctl.die_with_parent(signal.SIGTERM)  # which is noticed, and answered by killing the tree
    if os.getppid() != guard:
        return
    prctl.become_subreaper()
    log = CappedLog(order.log, limit_bytes=order.log_limit_bytes)
    try:
        cgroups.create(order.group)
        server = start(order, log=log)
    except (OSError, subprocess.SubprocessError) as error:
        emit("failed", reason=explain(error, argv=order.argv))
        if cgroups.remove(order.group):
            note.remove()
        return
    # It cannot vanish before it is reaped, so its line is there even if it has ended.
    stat = procfs.parse_stat(Path(f"/proc/{server.pid}/stat").read_bytes())
    itself = procfs.own_identity()
    emit("started", pid=stat.pid, start_ticks=stat.start_ticks, supervisor=itself)
    note.add([stat.identity])
    tree = Tree(stat.identity, tag=order.tag)
    if supervise(
        tree,
        guard=guard,
        lookout=Lookout(note, tag=order.tag),
        log=log,
        commands=commands,
        signals=signals,
    ):
        settle(tree, order=order, note=note)


def stand_guard(supervisor: int, *, order: Order, note: Note) -> None:
    """Wait for the supervisor; where it was killed, kill what it leaves to this process."""
    # It cannot vanish before it is reaped.
    stat = procfs.parse_stat(Path(f"/proc/{supervisor}/stat").read_bytes())
    signals = Signals()
    note.sync()
    if await_end(stat.identity, signals=signals) == 0:
        return
    tree = Tree(None, tag=order.tag)
    if tree.kill():
        settle(tree, order=order, note=note)


def await_end(supervisor: procfs.Identity, *, signals: Signals) -> int:
    """Wait for the supervisor, kill it where it stands still; return its wait status."""
    news = select.poll()
    news.register(signals.descriptor, select.POLLIN)
    news.register(0, 0)  # nothing but its hang-up: what comes there is the supervisor's
    patient_until_s: float | None = None
    while True:
        ended, status = os.waitpid(supervisor.pid, os.WNOHANG)
        if ended:
            return status
        if patient_until_s is None:
            if any(descriptor == 0 for descriptor, _ in news.poll()):
                news.unregister(0)
                patient_until_s = time.monotonic() + _GUARD_PATIENCE_S
        elif (left_s := patient_until_s - time.monotonic()) > 0:
            news.poll(1000 * left_s)
        else:
            emit("supplanted", pid=supervisor.pid)
            procfs.send_signal(supervisor, number=signal.SIGKILL)
            return os.waitpid(supervisor.pid, 0)[1]
        if not signals.taken().isdisjoint(_ENDING):
            procfs.send_signal(supervisor, number=signal.SIGTERM)


def parse_order(fields: Mapping[str, Any]) -> Order:
    """Make an order of its JSON object."""
    group = [cgroups.Folder(*folder) for folder in fields["group"]]
    return Order(**{**fields, "group": group})


def explain(error: Exception, *, argv: Sequence[str]) -> str:
    """Say why a command did not start."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or argv[0]}: {error.strerror}"
    return f"{argv[0]}: {error}"


if __name__ == "__main__":
    main()
