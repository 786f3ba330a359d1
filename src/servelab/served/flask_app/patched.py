"""The same application on greenlets: gevent must replace blocking calls before other imports."""

# ruff: noqa: E402
from gevent import monkey

monkey.patch_all()

from app import app

__all__ = ["app"]
