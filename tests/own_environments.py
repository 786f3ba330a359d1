"""Virtual environments as users have them, made by uv."""

import os
import subprocess
from pathlib import Path

from servelab.environment import own_interpreter
from servelab.environment.uv import install_arguments, uv_program, uv_variables


def make_environment(directory: Path, *requirements: str) -> Path:
    """Make a virtual environment with these packages, uncompiled as uv leaves them."""
    uv("venv", "--no-project", "--python", str(own_interpreter().path), str(directory))
    if requirements:
        install(directory, *requirements)
    return directory


def install(directory: Path, *requirements: str) -> None:
    python = str(directory / "bin" / "python")
    uv("pip", "install", "--python", python, *install_arguments(os.environ), *requirements)


def uv(*arguments: str) -> None:
    subprocess.run(
        [uv_program(), "--quiet", *arguments],
        env=uv_variables(os.environ),
        stdin=subprocess.DEVNULL,
        check=True,
    )
