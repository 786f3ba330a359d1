from pathlib import Path

import pytest

from tests.own_environments import make_environment

FRAMEWORKS = ("flask", "fastapi", "django", "falcon", "bottle", "quart", "litestar", "aiohttp")


@pytest.fixture(scope="session")
def user_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a virtual environment with the frameworks."""
    return make_environment(tmp_path_factory.mktemp("user") / ".venv", *FRAMEWORKS)
