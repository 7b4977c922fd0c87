"""The checks' names for people."""

from __future__ import annotations

from wording.messages import said

NAMES = {
    "configuration": said("configuration"),
    "applied": said("applied configuration"),
    "models": said("models"),
    "installation": said("installation"),
    "imports": said("packages"),
    "disk": said("disk"),
    "clock": said("clock"),
    "time source": said("time source"),
    "speed": said("speed"),
    "hardening": said("hardening"),
    "memory": said("memory"),
    "temperature": said("temperature"),
    "cameras": said("cameras"),
    "broker": said("broker"),
    "units": said("units"),
    "audit": said("audit log"),
    "card": said("card"),
    "agent": said("agent"),
    "rights": said("rights"),
    "delivery": said("delivery"),
    "versions": said("versions"),
    "seeding": said("first boot"),
}


def name_of(check: str) -> str:
    """A check's name, as a text that can be translated; its own word if it has none."""
    return NAMES.get(check, check)
