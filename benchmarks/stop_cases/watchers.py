"""How long a server outlives those who watch over it, when they are killed under load."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from servelab.linux import procfs, sockets

VICTIMS = (
    ("servelab",),
    ("generator",),
    ("supervisor",),
    ("guard",),
    ("servelab", "supervisor"),
    ("servelab", "guard"),
    ("supervisor", "guard"),
)
"""Who is killed at once; the death of servelab, supervisor and guard together leaves workers."""

_POLL_S = 0.002
_PATIENCE_S = 30.0
_ROOT = Path(__file__).resolve().parent.parent


def outlived_s(victims: tuple[str, ...], *, deployment: str, folder: Path) -> float:
    """Return how many seconds after their SIGKILL the server was gone, its port closed."""
    with _loading(deployment, folder=folder) as parts:
        doomed = [pid for victim in victims for pid in parts[victim]]
        # Stopped first, so that none of them sees another go.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in doomed:
                os.kill(pid, number)
        return _seconds_until_gone(parts["server"], port=parts["port"])


def _seconds_until_gone(pids: list[int], *, port: int) -> float:
    began_s = time.monotonic()
    while any(_is_alive(pid) for pid in pids) or sockets.listeners(port=port):
        if time.monotonic() > began_s + _PATIENCE_S:
            sys.exit(f"the server on port {port} outlived them by more than {_PATIENCE_S:g} s")
        time.sleep(_POLL_S)
    return time.monotonic() - began_s


def _is_alive(pid: int) -> bool:
    stat = procfs.read_stat(pid)
    return stat is not None and stat.is_alive


@contextmanager
def _loading(deployment: str, *, folder: Path) -> Iterator[dict[str, Any]]:
    driver = subprocess.Popen(
        [sys.executable, "-m", "stop_cases.driver", deployment, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=_ROOT,
    )
    assert driver.stdout is not None  # noqa: S101 - it was made a pipe
    with driver.stdout:
        line = driver.stdout.readline()
        if not line:
            sys.exit(f"{deployment} was not loaded; try: servelab run {deployment} io -n 10")
        try:
            yield json.loads(line)
        finally:
            with suppress(ProcessLookupError):
                driver.send_signal(signal.SIGINT)
            driver.wait(_PATIENCE_S)
