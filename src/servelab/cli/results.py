"""Where the results of a command go."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from servelab import __version__

if TYPE_CHECKING:
    from servelab.store.folder import RunFolder


def new_folder(out: Path | None, *, name: str) -> "RunFolder":
    """Make a results folder, named by the time and ``name`` where none was asked for."""
    from servelab.host import facts
    from servelab.store import folder, redaction

    now = datetime.now(UTC)
    return folder.create(
        out,
        name=name,
        now=now,
        facts=folder.RunFacts(
            servelab=__version__,
            started_at=f"{now:%Y-%m-%dT%H:%M:%SZ}",
            arguments=redaction.arguments(sys.argv[1:]),
            host=facts.read(),
        ),
    )
