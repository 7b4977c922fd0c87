"""What the page's tests share."""

from __future__ import annotations

from tests.support.phone import chromium

__all__ = ["chromium"]
