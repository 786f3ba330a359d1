import subprocess
import sys
from pathlib import Path

import servelab

ORPHANS = """
import os, signal, sys
sys.path.append(sys.argv[1])
from servelab.linux import prctl
prctl.become_subreaper()
pipe = os.pipe()
middle = os.fork()
if middle == 0:
    if os.fork() == 0:
        os.setsid()
        os.close(pipe[1])
        os.read(pipe[0], 1)
        os._exit(7)
    os._exit(0)
os.waitpid(middle, 0)
os.close(pipe[1])
_, status = os.wait()
print(os.waitstatus_to_exitcode(status))
"""

PARENT_DIES = """
import os, signal, sys
sys.path.append(sys.argv[1])
from servelab.linux import prctl
if os.fork() == 0:
    prctl.die_with_parent(signal.SIGKILL)
    print("bound", flush=True)
    signal.pause()
signal.pause()
"""


def source() -> str:
    assert servelab.__file__ is not None
    return str(Path(servelab.__file__).parents[1])


def test_an_orphan_with_a_session_of_its_own_comes_to_the_subreaper() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ORPHANS, source()],
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == b"7\n"


def test_a_bound_process_dies_with_its_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", PARENT_DIES, source()], stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"bound\n"
        parent.kill()
        # The child holds the pipe as well: it ends when both are gone.
        assert parent.stdout.read() == b""
