"""The Python environment of Locust and grpc.aio, apart from servelab's; run it to build it."""

import os
import subprocess
import sys
from pathlib import Path

from servelab.environment.cache import cache_directory
from servelab.environment.uv import install_arguments, uv_program, uv_variables

_PACKAGES = ("grpcio>=1.85", "locust>=2.40")


def folder() -> Path:
    """Return where the environment is, below the user's cache folder."""
    return cache_directory().parent / "benchmarks"


def program(name: str) -> str:
    """Return the path of one of its programs."""
    return str(folder() / "bin" / name)


def build() -> None:
    """Make the environment, or renew it; CalledProcessError."""
    uv, variables = str(uv_program()), uv_variables(os.environ)
    at = str(folder())
    subprocess.run(
        [uv, "venv", "--clear", "--python", sys.executable, at], env=variables, check=True
    )
    install = [uv, "pip", "install", "--python", at, *install_arguments(os.environ), *_PACKAGES]
    subprocess.run(install, env=variables, check=True)


if __name__ == "__main__":
    build()
