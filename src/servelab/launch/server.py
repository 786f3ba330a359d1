"""Start a server, learn that it is ready, stop it; what is started here is stopped here."""

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from servelab.errors import ServerExited, ServerFailed, ServerNotReady, TrialInvalid
from servelab.launch import limiting, notes, supervisor
from servelab.launch.supervisor import RUN_VARIABLE, Order
from servelab.linux import cgroups, ports, procfs, sockets
from servelab.model.address import Address
from servelab.model.launch import PYTHON_PATH, LaunchCommand, StopReport
from servelab.model.limits import Limits

LOG_LIMIT_BYTES = 4 << 20
"""What is kept of a server's output."""

Probe = Callable[[], str | None]
"""Asks the server once, within a time-out of its own; returns None, or what is wrong."""

_INHERITED = ("HOME", "LANG", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER")
_POLL_S = 0.02
_PROBE_PAUSE_S = 0.05
_START_PATIENCE_S = 10.0
_KILL_PATIENCE_S = 10.0
_ANSWER_PATIENCE_S = 10.0
"""How long a supervisor may take to pass a word on, which it does at once."""
_CLOSE_PATIENCE_S = 20.0
"""Longer than a guard takes to replace a supervisor, and to kill what can be killed."""
_PROBE_PATIENCE_S = 10.0
"""How long the last probe may take to notice that nobody is left to answer it."""
_TREE_GRACE_S = 1.0
_TAIL_LINES = 12
_TAIL_BYTES = 64 << 10
_CONTROL_CODES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b.|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Exit(Struct, frozen=True, kw_only=True):
    """The end of a server's first process."""

    code: int | None
    """Negative is the number of the signal that ended it; None where nobody saw it."""
    at_s: float
    """Monotonic clock when servelab learnt of it."""

    def __str__(self) -> str:
        if self.code is None:
            return "an unknown exit code, because its supervisor was killed"
        if self.code >= 0:
            return f"exit code {self.code}"
        try:
            return f"signal {signal.Signals(-self.code).name}"
        except ValueError:
            return f"signal {-self.code}"


class RunningServer:
    """A server under its supervisor; made by `launched`."""

    def __init__(
        self,
        command: LaunchCommand,
        *,
        order: Order,
        address: Address | None,
        unix_socket: Path | None = None,
        grace_s: float,
    ) -> None:
        self.command = command
        self.address = address
        self.unix_socket = unix_socket
        self.log = Path(order.log)
        self._tag = order.tag
        self._grace_s = grace_s
        self._group = order.group
        self._last_counted = cgroups.GroupFigures()
        self._changed = threading.Condition()
        self._first: procfs.Identity | None = None
        self._failure: str | None = None
        self._exit: Exit | None = None
        self._is_asked_to_end = False
        self._terminated_s: float | None = None
        self._has_exited_unasked = False
        self._gone_s: float | None = None
        self._killed = 0
        self._unkillable: tuple[int, ...] = ()
        self._supplanted: int | None = None
        self._is_gone = False
        self._seen: frozenset[procfs.Identity] = frozenset()
        self._report: StopReport | None = None
        self._readiness: _Readiness | None = None
        self._note = order.note
        self._supervisor: procfs.Identity | None = None
        self._guard = _start_guard(order)
        self._reader = threading.Thread(target=self._follow, name="supervisor events", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Return the number of the server's first process."""
        return self._first.pid if self._first else 0

    @property
    def supervisor_pid(self) -> int:
        """Return the number of the supervisor, which is the root of the tree, and not in it."""
        return self._supervisor.pid if self._supervisor else 0

    @property
    def guard_pid(self) -> int:
        """Return the number of the supervisor's parent."""
        return self._guard.pid

    @property
    def terminated_s(self) -> float | None:
        """Return when SIGTERM was sent, by the monotonic clock; None before."""
        return self._terminated_s

    @property
    def exit(self) -> Exit | None:
        """Return how the first process ended; None while it runs."""
        return self._exit

    def is_alive(self) -> bool:
        """Tell whether the first process runs; once it does not, `exit` is known.

        The kernel is asked: the word of a supervisor who gets no CPU time comes late.
        """
        if self._first is None or self._exit is not None:
            return False
        if procfs.is_same(self._first):
            return True
        self._wait(lambda: self._exit is not None, timeout_s=_ANSWER_PATIENCE_S)
        return False

    def is_gone(self) -> bool:
        """Tell whether no process of the tree is left."""
        return self._is_gone

    def process_ids(self) -> frozenset[int]:
        """List the living processes of the server's tree."""
        if self._is_gone or self._supervisor is None:
            return frozenset()
        below = procfs.descendants((self.supervisor_pid,), stats=procfs.all_stats())
        living = frozenset(stat.identity for stat in below if stat.is_alive)
        self._seen |= living
        return frozenset(identity.pid for identity in living)

    def worker_ids(self) -> frozenset[int]:
        """List the processes that take connections at its address or its unix socket.

        Those are the ones that hold a listener there, but for parents who only keep it for their
        children.
        """
        inodes = frozenset[int]() if self._is_gone else self._inodes()
        if not inodes:
            return frozenset()
        stats = procfs.all_stats()
        living = [
            stat
            for stat in procfs.descendants((self.supervisor_pid,), stats=stats)
            if stat.is_alive and not inodes.isdisjoint(sockets.socket_inodes((stat.pid,)))
        ]
        parents = {stat.parent for stat in living}
        return frozenset(stat.pid for stat in living if stat.pid not in parents)

    def listens(self) -> bool:
        """Tell whether somebody listens where it is to; True where it is told of no place."""
        return (self.address is None and self.unix_socket is None) or bool(self._inodes())

    def _inodes(self) -> frozenset[int]:
        """Return the inodes of all sockets that listen where it is to."""
        if self.unix_socket is not None:
            return sockets.unix_inodes(self.unix_socket)
        address = self.address
        if address is None:
            return frozenset()
        found = sockets.listeners(port=address.port)
        return frozenset(each.inode for each in found if each.takes(address))

    def log_tail(self, lines: int = _TAIL_LINES) -> tuple[str, ...]:
        """Return the last lines that the server wrote, without control codes."""
        try:
            with self.log.open("rb") as log:
                content = b""
                while not content and (size := log.seek(0, os.SEEK_END)):
                    # It is empty where the file was cut between the two.
                    log.seek(max(0, size - _TAIL_BYTES))
                    content = log.read()
        except FileNotFoundError:
            return ()
        text = content.decode(errors="replace")
        written = [_CONTROL_CODES.sub("", line).rstrip() for line in text.splitlines()]
        return tuple(line for line in written if line)[-lines:]

    def foreign_listeners(self) -> tuple[sockets.OwnedListener, ...]:
        """Return listeners which may take the server's connections and are not of its tree."""
        suspects = self._strangers()
        # A listener closed between two looks belongs to nobody, and would look foreign.
        confirmed = self._strangers() if suspects else ()
        return sockets.with_owners([each for each in confirmed if each in suspects])

    def wide_listeners(self) -> tuple[sockets.Listener, ...]:
        """Return the tree's listeners which other machines could reach, unless asked for."""
        return tuple(
            each for each in self._listeners() if not each.is_loopback and not self._asked_for(each)
        )

    def wait_ready(self, probe: Probe, *, timeout_s: float) -> None:
        """Return once the probe is content and the address is the server's alone.

        Raise ServerExited within a second of the server's end, ServerNotReady at the time-out or
        when it listens wider than on loopback, TrialInvalid when a foreign program shares its
        port.
        """
        waiting = self._readiness = _Readiness(self, probe=probe)
        deadline = time.monotonic() + timeout_s
        with contextlib.closing(waiting):
            while not waiting.is_done(within_s=_POLL_S):
                if self._exit is not None:
                    raise self._exited()
                if time.monotonic() > deadline:
                    raise self._not_ready(timeout_s, reason=waiting.reason)
        if self._exit is not None:
            raise self._exited()

    def group_figures(self) -> cgroups.GroupFigures:
        """Return what the kernel counted of its control group; zeros where it has none."""
        if not self._group:
            return self._last_counted
        if (counted := cgroups.figures(self._group)) is None:
            # The supervisor tells what was counted before it removes the group.
            self._wait(lambda: self._is_gone, timeout_s=_KILL_PATIENCE_S)
            return self._last_counted
        return counted

    def terminate(self) -> None:
        """Ask the first process to end, as a service manager would."""
        self._is_asked_to_end = True
        self._tell("terminate")

    def kill(self) -> None:
        """Have every process of the tree killed."""
        self._tell("kill")

    def stop(self) -> StopReport:
        """Terminate, kill what outlives the grace period; return when tree and port are gone.

        A server that was asked to end before is not asked again; its grace period counts from then.
        Raise ServerFailed where something cannot be killed, TrialInvalid where the supervisor did
        not do its work, after it was killed with the server.
        """
        if self._report is None:
            self._report = self._stop()
        return self._report

    def _stop(self) -> StopReport:
        started_s = self._terminated_s or time.monotonic()
        exited_before_stop = self._has_exited_unasked
        try:
            if not exited_before_stop:
                if not self._is_asked_to_end:
                    self.terminate()
                self._wait(self._has_answered, timeout_s=_ANSWER_PATIENCE_S)
            if self._has_answered():
                self._await_end_or_kill(started_s)
        finally:
            # Whatever interrupts us, the end of its input makes the supervisor kill the tree; one
            # that stands still is killed by its guard, which then does it.
            self._close()
        self._require_gone()
        self._require_supervisor()
        exit_code = self._exit.code if self._exit else None
        # That it had ended by itself may be told only after it was to be asked.
        exited_before_stop |= self._has_exited_unasked and exit_code is not None
        return StopReport(
            seconds=max(0.0, (self._gone_s or time.monotonic()) - started_s),
            exit_code=exit_code,
            exited_before_stop=exited_before_stop,
            was_killed=self._killed > 0,
        )

    def _has_answered(self) -> bool:
        """Tell whether the supervisor has said anything since the server was to end."""
        return self._terminated_s is not None or self._exit is not None or self._is_gone

    def _await_end_or_kill(self, started_s: float) -> None:
        left_s = max(0.0, self._grace_s - (time.monotonic() - started_s))
        self._wait(lambda: self._exit is not None or self._is_gone, timeout_s=left_s)
        left_s = self._grace_s - (time.monotonic() - started_s)
        # Workers get a moment to follow their master, as their service manager gives them.
        self._wait(lambda: self._is_gone, timeout_s=max(0, min(_TREE_GRACE_S, left_s)))
        if not self._is_gone:
            self.kill()
            self._wait(lambda: self._is_gone, timeout_s=_KILL_PATIENCE_S)

    def _abort(self) -> None:
        self.kill()
        self._close()

    def _close(self) -> None:
        stdin = self._guard.stdin
        if stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                stdin.close()
        self._reader.join(_CLOSE_PATIENCE_S)
        if self._reader.is_alive():
            self._guard.kill()
            if self._supervisor is not None:
                procfs.send_signal(self._supervisor, number=signal.SIGKILL)
            self._reader.join(_KILL_PATIENCE_S)
        # It is let go, for it holds what the probe does, such as the lock of a results folder.
        readiness, self._readiness = self._readiness, None
        if readiness is not None:
            readiness.join(_PROBE_PATIENCE_S)

    def _require_gone(self) -> None:
        if self._unkillable:
            pids = ", ".join(str(pid) for pid in self._unkillable)
            raise ServerFailed(
                f"{self._program} left processes that could not be killed ({pids}); "
                "end them by hand before the next trial."
            )

    def _require_supervisor(self) -> None:
        if self._supplanted is not None:
            raise TrialInvalid(
                f"The supervisor of {self._program} (process {self._supplanted}) did not respond, "
                "as one that was sent SIGSTOP; it was killed, and the server with it. "
                "See who stopped it, then measure again."
            )

    def _tell(self, verb: str) -> None:
        stdin = self._guard.stdin
        # A broken pipe or a closed one: the supervisor is gone, and with it the tree.
        with contextlib.suppress(BrokenPipeError, ValueError):
            if stdin is not None:
                stdin.write(f"{verb}\n".encode())
                stdin.flush()

    def _await_start(self) -> None:
        self._wait(
            lambda: self._first is not None or self._failure is not None or self._is_gone,
            timeout_s=_START_PATIENCE_S,
        )
        if self._failure is not None:
            raise ServerExited(
                f"{self._program} could not be started: {self._failure}; "
                "see that the command's program exists in its environment."
            )
        if self._first is None:
            tail = self._tail_text()
            raise ServerFailed(f"The supervisor of {self._program} did not start it{tail}")

    def _wait(self, condition: Callable[[], bool], *, timeout_s: float) -> None:
        with self._changed:
            self._changed.wait_for(condition, timeout_s)

    def _follow(self) -> None:
        """Take the events of supervisor and guard until both have ended."""
        assert self._guard.stdout is not None  # noqa: S101  # it was made a pipe
        with self._guard.stdout as events:
            for line in events:
                self._take(json.loads(line))
        self._guard.wait()
        if not self._is_gone and self._first is not None and not self._unkillable:
            self._kill_abandoned()
            if cgroups.remove(self._group):
                notes.Note(self._note).remove()
        with self._changed:
            self._note_end(killed=0, at_s=time.monotonic())
            self._changed.notify_all()

    def _note_end(self, *, killed: int, at_s: float) -> None:
        self._killed += killed
        self._gone_s = self._gone_s or at_s
        self._is_gone = True
        if self._first is not None and self._exit is None:
            self._note_exit(None)

    def _note_exit(self, code: int | None) -> None:
        self._exit = Exit(code=code, at_s=time.monotonic())
        self._has_exited_unasked = self._terminated_s is None

    def _take(self, event: Mapping[str, Any]) -> None:
        with self._changed:
            match event["event"]:
                case "started":
                    self._first = procfs.Identity(event["pid"], event["start_ticks"])
                    self._supervisor = procfs.Identity(*event["supervisor"])
                case "failed":
                    self._failure = event["reason"]
                case "terminating":
                    self._terminated_s = self._terminated_s or event["at_s"]
                case "exited":
                    self._note_exit(event["code"])
                case "unkillable":
                    self._unkillable = tuple(event["pids"])
                case "supplanted":
                    self._supplanted = event["pid"]
                case "group":
                    counted = {name: value for name, value in event.items() if name != "event"}
                    self._last_counted = cgroups.GroupFigures(**counted)
                case "gone":
                    self._note_end(killed=event["killed"], at_s=event["at_s"])
            self._changed.notify_all()

    def _kill_abandoned(self) -> None:
        """Kill what a killed supervisor left: by tag, and what was seen of the tree before."""
        deadline = time.monotonic() + _KILL_PATIENCE_S
        while time.monotonic() < deadline:
            stats = procfs.all_stats()
            known = [each for each in self._seen if each.pid in stats and procfs.is_same(each)]
            below = procfs.descendants([each.pid for each in known], stats=stats)
            found = {*known, *(stat.identity for stat in below if stat.is_alive)}
            found.update(stat.identity for stat in procfs.tagged(RUN_VARIABLE, value=self._tag))
            if not found:
                return
            self._seen |= found
            self._killed += sum(procfs.send_signal(each, number=signal.SIGKILL) for each in found)
            time.sleep(_POLL_S)
        self._unkillable = tuple(each.pid for each in found)

    def _strangers(self) -> tuple[sockets.Listener, ...]:
        if self.address is None:
            return ()
        found = [
            each for each in sockets.listeners(port=self.address.port) if each.takes(self.address)
        ]
        own = sockets.socket_inodes(self.process_ids())
        return tuple(each for each in found if each.inode not in own)

    def _asked_for(self, listener: sockets.Listener) -> bool:
        asked = self.address
        return asked is not None and (listener.host, listener.port) == (asked.host, asked.port)

    @property
    def _program(self) -> str:
        return Path(self.command.argv[0]).name

    def _listeners(self) -> tuple[sockets.Listener, ...]:
        own = sockets.socket_inodes(self.process_ids())
        return tuple(each for each in sockets.listeners() if each.inode in own)

    def _elsewhere(self) -> str:
        """Say where it listens, if that is not at its address."""
        found = self._listeners()
        if self.address is None or not found or any(each.takes(self.address) for each in found):
            return ""
        return f"; it listens on {', '.join(sorted({str(each) for each in found}))} instead"

    def _exited(self) -> ServerExited:
        return ServerExited(
            f"{self._program} ended with {self._exit} before it was ready{self._tail_text()}"
        )

    def _not_ready(self, timeout_s: float, *, reason: str) -> ServerNotReady:
        return ServerNotReady(
            f"{self._program} gave no correct answer within {timeout_s:g} s "
            f"({reason}{self._elsewhere()})"
            f"{self._tail_text()}"
        )

    def _tail_text(self) -> str:
        tail = self.log_tail()
        if not tail:
            return f"; it wrote nothing to its output ({self.log})."
        return f"; the end of its output ({self.log}):\n" + "\n".join(f"  {line}" for line in tail)


class _Readiness:
    """Probes in a thread of its own, so that a probe that hangs delays no verdict."""

    def __init__(self, server: RunningServer, *, probe: Probe) -> None:
        self.reason = "it was not asked yet"
        self._server = server
        self._probe = probe
        self._error: BaseException | None = None
        self._is_over = threading.Event()
        self._is_cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="readiness", daemon=True)
        self._thread.start()

    def is_done(self, *, within_s: float) -> bool:
        """Tell whether the server is ready; raise what makes waiting pointless."""
        if not self._is_over.wait(within_s):
            return False
        if self._error is not None:
            raise self._error
        return True

    def close(self) -> None:
        """Ask no more; a question that is under way goes on."""
        self._is_cancelled.set()

    def join(self, patience_s: float) -> None:
        """Wait for the question that is under way."""
        self._thread.join(patience_s)

    def _run(self) -> None:
        try:
            while not self._is_cancelled.is_set():
                reason = self._attempt()
                if reason is None:
                    break
                self.reason = reason
        except BaseException as error:  # noqa: BLE001  # raised again where it is waited for
            self._error = error
        self._is_over.set()

    def _attempt(self) -> str | None:
        if not self._server.listens():
            # Nobody is asked before somebody listens: a connection to a closed port can be
            # answered by its own socket.
            self._is_cancelled.wait(_POLL_S)
            return f"nothing listens on {self._server.unix_socket or self._server.address}"
        self._require_own_port()
        reason = self._probe()
        if reason is None:
            self._require_own_port()
        else:
            self._is_cancelled.wait(_PROBE_PAUSE_S)
        return reason

    def _require_own_port(self) -> None:
        if foreign := self._server.foreign_listeners():
            raise TrialInvalid(
                f"{foreign[0]} listens on {foreign[0].listener}, too, and would get a part of the "
                "requests; stop it, or choose another port with --port."
            )
        if wide := self._server.wide_listeners():
            raise ServerNotReady(
                f"The server listens on {wide[0]}, which other machines can reach; "
                "bind it to 127.0.0.1."
            )


@contextlib.contextmanager
def launched(
    command: LaunchCommand,
    *,
    programs: Path | None,
    directory: Path,
    python_path: tuple[Path, ...] = (),
    variables: Mapping[str, str] | None = None,
    log: Path,
    address: Address | None,
    unix_socket: Path | None = None,
    cpus: frozenset[int] | None = None,
    limits: Limits | None = None,
    grace_s: float = 10.0,
) -> Iterator[RunningServer]:
    """Run a server while the block lasts.

    ``programs`` goes first on its PATH, ``directory`` is its working folder, ``python_path`` its
    PYTHONPATH, ``log`` takes its output; ``cpus`` limits where it runs, ``limits`` what it
    may use. It is told to listen at the ``address`` or on the ``unix_socket``; without either, it
    is only kept from listening for other machines. Raise PortBusy or CannotRunHere before anything
    is started, ServerExited when the command cannot be started.
    """
    if address is not None:
        ports.refuse_if_busy(address)
    tag = secrets.token_hex(8)
    environment = server_environment(
        os.environ,
        programs=programs,
        python_path=python_path,
        variables={**dict(command.variables), **(variables or {}), RUN_VARIABLE: tag},
        module_folder=command.module_folder,
    )
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    order = Order(
        argv=list(command.argv),
        directory=str(directory),
        environment=environment,
        tag=tag,
        log=str(log),
        log_limit_bytes=LOG_LIMIT_BYTES,
        cpus=None if cpus is None else sorted(cpus),
        group=[] if limits is None else limiting.folders_of(limits, name=f"servelab-{tag}"),
        note=str(notes.notes_folder() / f"{tag}{notes.SUFFIX}"),
    )
    server = RunningServer(
        command, order=order, address=address, unix_socket=unix_socket, grace_s=grace_s
    )
    try:
        server._await_start()  # noqa: SLF001  # only here is it made
        yield server
    except Exception:
        server.stop()
        raise
    except BaseException:  # an interrupt does not wait for the grace period
        server._abort()  # noqa: SLF001
        raise
    else:
        server.stop()


def inherited(own: Mapping[str, str]) -> dict[str, str]:
    """Return what every server has of servelab's own environment."""
    return {
        name: value for name, value in own.items() if name in _INHERITED or name.startswith("LC_")
    }


def server_environment(
    own: Mapping[str, str],
    *,
    programs: Path | None,
    python_path: tuple[Path, ...],
    variables: Mapping[str, str],
    module_folder: str = "",
) -> dict[str, str]:
    """Return a server's whole environment: little of our own, then what it was given.

    `module_folder` goes on PYTHONPATH after all else.
    """
    environment = inherited(own)
    if programs is not None and (programs.parent / "pyvenv.cfg").exists():
        environment["VIRTUAL_ENV"] = str(programs.parent)
    if python_path:
        environment[PYTHON_PATH] = os.pathsep.join(str(path) for path in python_path)
    environment |= variables
    if module_folder:
        before = environment.get(PYTHON_PATH)
        environment[PYTHON_PATH] = (
            f"{before}{os.pathsep}{module_folder}" if before else module_folder
        )
    if programs is not None:
        # Whatever path it was given: the server is looked for in its own environment first.
        given = environment.get("PATH", os.defpath)
        environment["PATH"] = f"{programs}{os.pathsep}{given}"
    return environment


def _start_guard(order: Order) -> "subprocess.Popen[bytes]":
    with Path(order.log).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", supervisor.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    assert process.stdin is not None  # noqa: S101  # it was made a pipe
    with contextlib.suppress(BrokenPipeError):  # one that is gone already starts no server
        process.stdin.write(json.dumps(order._asdict()).encode() + b"\n")
        process.stdin.flush()
    return process
