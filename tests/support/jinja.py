"""Jinja as the desk has it, to read its templates by."""

from __future__ import annotations

from jinja2 import Environment


def environment() -> Environment:
    """Parses; nothing is rendered with it."""
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
