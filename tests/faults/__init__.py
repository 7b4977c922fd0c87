"""Faults, each seeded and reproducible alone: ``python -m tests.faults --help``.

A fault is a function in a module of this package with ``@fault(…)`` above it; see ``suite.py``.
"""
