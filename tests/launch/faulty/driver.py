"""Start a server with servelab's own means and wait to be killed."""

import sys
import time
from pathlib import Path

from servelab.launch.server import launched
from servelab.model.address import Address
from servelab.model.launch import LaunchCommand

fault, port, log = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
script = str(Path(__file__).with_name("server.py"))
command = LaunchCommand(argv=(sys.executable, "-S", script, fault, str(port)))
with launched(
    command,
    programs=None,
    directory=log.parent,
    log=log,
    address=Address("127.0.0.1", port),
) as server:
    server.wait_ready(lambda: None, timeout_s=30)
    watchers = (server.guard_pid, server.supervisor_pid)
    print(*watchers, *sorted(server.process_ids()), flush=True)  # noqa: T201  # the test reads it
    time.sleep(600)
