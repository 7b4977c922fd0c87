"""What keeps the desk from starting, in words that a person can act on."""

from __future__ import annotations


class DeskError(Exception):
    """The desk cannot start or go on; the text says why, and what to do."""
