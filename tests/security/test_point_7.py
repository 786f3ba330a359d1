"""Point 7: between hosts, mutual TLS. There is nothing between hosts yet; this says so."""

import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


def test_point_7_nothing_goes_between_hosts_yet() -> None:
    """Fail when it does: then this file is the place for the tests of its transport."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "cluster" not in project["optional-dependencies"]
    needed = (project["dependencies"], *project["optional-dependencies"].values())
    assert not [
        each for part in needed for each in part if each.startswith(("dask", "distributed"))
    ]
