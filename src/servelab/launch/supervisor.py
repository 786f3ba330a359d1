"""The process between servelab and a server, which sees to it that nothing of the server stays.

Run as a script by servelab's own interpreter; it imports the standard library only, and what of
``servelab.linux`` needs no more. Standard input: one line with the order, then commands
(``terminate``, ``kill``), one a line; its end means that servelab is gone, and so must be the
server. Standard output: events, one JSON object a line, told apart by ``event``:

``started``      ``pid``, ``start_ticks``: the server's first process runs
``failed``       ``reason``: the command could not be started
``exited``       ``code``: the first process ended; negative is the number of a signal
``unkillable``   ``pids``: what could not be killed, after which the supervisor gives up
``group``        what the kernel counted of the server's control group, before it is removed
``gone``         ``killed``: no process of the tree is left; so many were sent SIGKILL
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

from servelab.linux import cgroups, prctl, procfs

RUN_VARIABLE = "SERVELAB_RUN"
"""Names the run in the environment of every process of a server."""

OPEN_FILES = 65536
"""What a server may open; not more, because uWSGI reserves memory for each in advance."""

_WATCH_S = 0.1
_FAST_WATCH_S = 0.005
_KILL_PAUSE_S = 0.005
_KILL_PATIENCE_S = 5.0
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


class CappedLog:
    """A file that takes a server's output and keeps the first and the last of it.

    A file, not a pipe, so that no server ever waits for its reader.
    """

    def __init__(self, path: str, *, limit_bytes: int) -> None:
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._limit_bytes = limit_bytes
        self._size = 0

    def trim(self) -> float:
        """Cut out the middle where the file has outgrown its limit; return seconds to the next."""
        size = os.fstat(self.descriptor).st_size
        grew_fast = size - self._size > self._limit_bytes // 8
        if size > self._limit_bytes:
            self._cut(size)
        self._size = min(size, self._limit_bytes)
        return _FAST_WATCH_S if grew_fast else _WATCH_S

    def _cut(self, size: int) -> None:
        kept = self._limit_bytes // 4
        last = os.pread(self.descriptor, kept, size - kept)
        os.ftruncate(self.descriptor, 2 * kept)
        with suppress(OSError):  # a full disk costs the end of the log, not the server
            os.write(self.descriptor, b"\n[... output beyond the limit left out ...]\n" + last)


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

    def __init__(self, first: procfs.Identity, *, tag: str) -> None:
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
                if ended[0] == self._first.pid:
                    emit("exited", code=os.waitstatus_to_exitcode(ended[1]))
            return
        self._is_childless = True

    def is_gone(self) -> bool:
        """Tell whether no process is left.

        Orphans come to a subreaper, so one without children has no descendants either.
        """
        return self._is_childless and not procfs.tagged(RUN_VARIABLE, value=self._tag)

    def terminate(self) -> None:
        """Ask the first process to end, as a service manager would."""
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


def supervise(
    tree: Tree,
    *,
    group: Sequence[cgroups.Folder],
    log: CappedLog,
    commands: Commands,
    signals: Signals,
) -> None:
    """Serve commands until no process of the tree is left."""
    servelab = os.getppid()
    pause_s = 0.0
    while not tree.is_gone():
        ready, _, _ = select.select([commands.descriptor, signals.descriptor], [], [], pause_s)
        asked = commands.taken() if commands.descriptor in ready else []
        stopped = not signals.taken().isdisjoint(_ENDING) or os.getppid() != servelab
        if asked is None or stopped or "kill" in asked:
            if not tree.kill():
                return
        elif "terminate" in asked:
            tree.terminate()
        tree.reap()
        pause_s = log.trim()
    counted = cgroups.figures(group) if group else None
    if counted is not None:
        emit("group", **counted._asdict())
    emit("gone", killed=tree.killed)


def main() -> None:
    """Take the order, start the server, stay until it is gone."""
    commands, signals = Commands(0), Signals()
    prctl.become_subreaper()
    line = commands.wait_for_line()
    if line is None:
        return
    order = parse_order(json.loads(line))
    log = CappedLog(order.log, limit_bytes=order.log_limit_bytes)
    try:
        cgroups.create(order.group)
        server = start(order, log=log)
    except (OSError, subprocess.SubprocessError) as error:
        cgroups.remove(order.group)
        emit("failed", reason=explain(error, argv=order.argv))
        return
    # It cannot vanish before it is reaped, so its line is there even if it has ended.
    stat = procfs.parse_stat(Path(f"/proc/{server.pid}/stat").read_bytes())
    emit("started", pid=stat.pid, start_ticks=stat.start_ticks)
    tree = Tree(stat.identity, tag=order.tag)
    supervise(tree, group=order.group, log=log, commands=commands, signals=signals)
    cgroups.remove(order.group)
    os._exit(0)


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
