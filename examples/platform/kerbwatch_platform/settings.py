"""What the operator of a platform chooses: one TOML file, checked whole."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Web(_Section):
    """Where the desk answers: on this machine alone unless told otherwise."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8480


class Webhook(_Section):
    """A system of the city's own that is told; its secret lies in a file that only the platform reads."""

    name: str
    url: str
    secret_file: Path
    form: str = "reported-matter"


class Timestamps(_Section):
    """The authority that signs when an hour's records were there (RFC 3161)."""

    url: str
    certificates_file: Path


class Settings(_Section):
    """All of it.

    ``database`` is a libpq connection string; ``broker`` an URL, ``mqtt[s]://`` or ``amqp[s]://``.
    """

    database: str
    broker: str
    prefix: str = "kerbwatch/v2"
    share: str = "platform"
    """Name of the group of workers in shared subscriptions; of the queue in AMQP."""
    workers: Annotated[int, Field(ge=1, le=64)] = 2
    evidence_folder: Path
    signing_key_file: Path
    """Ed25519, PEM: signs verdicts, orders and hand-overs. Made at the first start, never sent."""
    time_zone: str = "Asia/Shanghai"
    web: Web = Web()
    timestamps: Timestamps | None = None
    webhooks: tuple[Webhook, ...] = ()


def load(path: Path) -> Settings:
    """Read the file.

    Raises:
        OSError: It cannot be read.
        ValueError: What it says is no configuration; every fault at once.
    """
    return Settings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
