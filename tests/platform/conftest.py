"""What the tests of the platform share."""

from __future__ import annotations

from tests.support.platform_stores import server, store

__all__ = ["server", "store"]
