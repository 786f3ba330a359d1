"""uv, which builds the environments: the program, and what it gets to see of our variables."""

from collections.abc import Mapping
from pathlib import Path

from servelab.environment.pip_settings import configuration_files, uv_settings

# What says where packages come from and how to reach it. Variables that say which packages are
# installed, or into which interpreter, are servelab's to set.
_HONOURED = (
    "UV_CACHE_DIR",
    "UV_CONCURRENT_",
    "UV_CONFIG_FILE",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_HTTP_",
    "UV_INDEX",
    "UV_INSECURE_HOST",
    "UV_KEYRING_PROVIDER",
    "UV_LINK_MODE",
    "UV_NATIVE_TLS",
    "UV_NO_CACHE",
    "UV_NO_CONFIG",
    "UV_OFFLINE",
    "UV_PYTHON_INSTALL_DIR",
    "UV_REQUEST_TIMEOUT",
    "UV_SYSTEM_CERTS",
)
_HIDDEN = ("CONDA_", "PIP_", "PYTHON", "UV_", "VIRTUAL_ENV")


def uv_program() -> Path:
    """Return the uv that servelab was installed with."""
    from uv import find_uv_bin  # only where something is built

    return Path(find_uv_bin())


def uv_variables(own: Mapping[str, str]) -> dict[str, str]:
    """Return uv's whole environment: ours, without what would change what is built."""
    kept = {
        name: value
        for name, value in own.items()
        if name.startswith(_HONOURED) or not name.startswith(_HIDDEN)
    }
    translated = dict(uv_settings(own, files=configuration_files(own)).variables)
    return {**kept, **translated, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}


def install_arguments(own: Mapping[str, str]) -> tuple[str, ...]:
    """Return what pip's settings add to the command line of ``uv pip install``."""
    return uv_settings(own, files=configuration_files(own)).arguments
