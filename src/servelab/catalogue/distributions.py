"""Names of distributions, as requirements and environments have them."""

import re

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def canonical(name: str) -> str:
    """Return the normal form of a distribution's name.

    https://packaging.python.org/en/latest/specifications/name-normalization/
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def required_name(requirement: str) -> str:
    """Return the normal form of the name with which a requirement begins; empty without one."""
    found = _NAME.match(requirement)
    return "" if found is None else canonical(found[1])
