"""Several processes of one gRPC application."""

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType


def run_in_processes(serve: Callable[[], None], *, processes: int) -> None:
    """Serve in this process, or in children which end together and with this one's SIGTERM."""
    if processes == 1:
        serve()
        return
    # Until the handler is there, SIGTERM must wait: it would end the parent and leave children.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    children = {_fork(serve) for _ in range(processes)}

    def stop(_number: int, _frame: FrameType | None) -> None:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    sys.exit(_wait(children, lambda: stop(signal.SIGTERM, None)))


def _fork(serve: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        serve()
        status = 0
    except BaseException:  # noqa: BLE001 - a forked child must never return into the parent's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _wait(children: set[int], stop: Callable[[], None]) -> int:
    """Wait for all children; one that fails takes the others with it. Return the exit status."""
    status = 0
    while children:
        child, wait_status = os.wait()
        children.discard(child)
        if os.waitstatus_to_exitcode(wait_status) != 0:
            status = 1
            stop()
    return status
