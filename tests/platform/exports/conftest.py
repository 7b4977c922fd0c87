"""The platform's database, for what is exported out of it."""

from __future__ import annotations

from tests.support.platform_database import connection, settings, with_tables

__all__ = ["connection", "settings", "with_tables"]
