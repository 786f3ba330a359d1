"""An application of the user's in the deterministic world: known, and answered by scripts."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from servelab.cli import requested_service
from servelab.environment.interpreters import own_interpreter
from servelab.load.fetch import Answer
from servelab.model.deployment import Interface
from servelab.model.load import Asked, Request
from servelab.model.service import Service
from tests.fake_world import Script

RIGHT = Answer(status=200, body=b"hello")
OTHER = Answer(status=200, body=b"good-bye")
CPUS = 2


def serving(**different: Any) -> Script:
    """Return the script of a server that answers what it is asked."""
    return Script(**{"service_s": 0.1, "answers": {"/": RIGHT}, **different})


def know(monkeypatch: pytest.MonkeyPatch, project: Path, **different: Any) -> None:
    """Have the application `shop:app` found in a project, without asking an interpreter."""
    service = Service(
        name="shop:app",
        application="shop:app",
        interface=Interface.WSGI,
        framework="flask",
        directory=str(project),
        asked=(Asked(request=Request(path="/")),),
    )
    found = requested_service.Found(
        service=msgspec.structs.replace(service, **different), interpreter=own_interpreter()
    )
    monkeypatch.setattr(requested_service, "find", lambda _typed: found)
