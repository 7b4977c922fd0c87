"""The device of the tests, as brokers and platforms know it."""

from __future__ import annotations

PREFIX, TENANT, DEVICE = "kerbwatch/v2", "city", "corner-1"
EVENTS, STATE = f"{PREFIX}/{TENANT}/{DEVICE}/events", f"{PREFIX}/{TENANT}/{DEVICE}/state"
