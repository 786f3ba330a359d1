"""Stands in for servelab: loads a deployment for a long while, tells who is who, is killed.

    python -m stop_cases.driver DEPLOYMENT FOLDER

Prints one line of JSON once the load goes on: the processes by their part, and the port.
"""

import json
import os
import sys
from pathlib import Path

from servelab import catalogue
from servelab.launch.server import RunningServer
from stop_cases.trials import Case, generators

_LOAD_S = 60.0


def main() -> None:
    """Load until killed."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    (deployment,) = catalogue.find_deployments(name)
    Case(deployment=deployment, folder=folder, load_s=_LOAD_S).attempt(_tell)


def _tell(server: RunningServer, _counters: Path) -> None:
    parts = {
        "servelab": [os.getpid()],
        "guard": [server.guard_pid],
        "supervisor": [server.supervisor_pid],
        "generator": list(generators(os.getpid())),
        "server": sorted(server.process_ids()),
        "port": server.address.port if server.address else 0,
    }
    print(json.dumps(parts), flush=True)


if __name__ == "__main__":
    main()
