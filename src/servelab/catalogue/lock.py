"""Renew the locks of the servers' environments: ``python -m servelab.catalogue.lock``.

One lock for each server, universal for the supported interpreters, with hashes, without the
addresses of package indexes. ``--check`` compares with what the locks were made from, and asks
no index: a new release of some package is no reason to fail.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from servelab.catalogue.discovery import servers
from servelab.catalogue.environments import (
    CONSTRAINTS,
    DIGEST_PREFIX,
    LOCKS,
    MINIMUM_PYTHON,
    inputs_digest,
    lock_path,
    locked_requirements,
    recorded_digest,
)

_COMMAND = "python -m servelab.catalogue.lock"


def stale_locks() -> tuple[str, ...]:
    """Return the servers whose lock is missing, or was made from something else."""
    names = (server.name for server in servers())
    return tuple(name for name in names if recorded_digest(name) != inputs_digest(name))


def orphaned_locks() -> tuple[Path, ...]:
    """Return the locks of servers that are gone."""
    expected = {lock_path(server.name) for server in servers()}
    return tuple(path for path in sorted(LOCKS.glob("*.txt")) if path not in expected)


def renew(server_name: str) -> None:
    """Resolve a server's requirements anew and write its lock."""
    head = f"# {_COMMAND}\n{DIGEST_PREFIX}{inputs_digest(server_name)}\n"
    resolved = _resolve(locked_requirements(server_name))
    LOCKS.mkdir(exist_ok=True)
    lock_path(server_name).write_text(head + resolved)


def _resolve(requirements: tuple[str, ...]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.in"
        wanted.write_text("\n".join(requirements) + "\n")
        resolution = subprocess.run(
            [
                *(sys.executable, "-m", "uv", "pip", "compile", "--universal", "--generate-hashes"),
                *("--no-emit-index-url", "--no-header", "--no-annotate", "--quiet"),
                *("--python-version", MINIMUM_PYTHON, "--constraints", str(CONSTRAINTS)),
                str(wanted),
            ],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    return resolution.stdout


def main() -> int:
    """Read the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog=_COMMAND, description="Renew the servers' locks.")
    parser.add_argument("--check", action="store_true", help="only tell which are out of date")
    parser.add_argument("servers", nargs="*", help="servers to lock; default: all")
    arguments = parser.parse_args()
    if arguments.check:
        return _report(*stale_locks(), *(path.stem for path in orphaned_locks()))
    for name in arguments.servers or [server.name for server in servers()]:
        renew(name)
    for path in orphaned_locks():
        path.unlink()
    return 0


def _report(*stale: str) -> int:
    for name in stale:
        sys.stderr.write(f"The lock of {name} is out of date; run {_COMMAND}.\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
