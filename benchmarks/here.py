"""What the pages of results say of where they were measured."""

from datetime import UTC, datetime

from servelab.host import facts


def machine() -> str:
    """Return the machine in words."""
    found = facts.read()
    return f"{found.cpu_model}, {found.cpus_allowed:g} CPUs"


def today() -> str:
    """Return the date, ISO 8601."""
    return f"{datetime.now(UTC):%Y-%m-%d}"
