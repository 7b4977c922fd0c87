"""What the operator of a platform chooses: one TOML file, checked whole."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import click
import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

PATH = Path("/etc/kerbwatch-platform/settings.toml")
"""Where they lie unless a command is told otherwise."""


class SettingsError(Exception):
    """A file is no settings.

    Attributes:
        path: The file.
        faults: Each place in it, and what is wrong there; the place is empty where it is the whole file.
    """

    def __init__(self, path: Path, faults: tuple[tuple[str, str], ...]) -> None:
        super().__init__(path, faults)
        self.path, self.faults = path, faults


def _broker(url: str) -> str:
    """Nothing of the URL is repeated: a password may be in it."""
    told = urlsplit(url)
    if told.scheme not in {"mqtt", "mqtts", "amqp", "amqps"} or not told.hostname:
        raise ValueError("no broker: mqtt[s]://[USER:PASSWORD@]HOST[:PORT], or amqp[s]://…")
    if told.port == 0:  # one that is out of range is refused as it is read
        raise ValueError("Port out of range 1-65535")
    return url


def _database(told: str) -> str:
    try:
        conninfo_to_dict(told)
    except psycopg.Error as error:
        raise ValueError("no connection string of libpq: host=… user=… dbname=…") from error
    return told


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError) as error:  # there is none of that name, or it is no name
        raise ValueError("no time zone: a name such as Asia/Shanghai") from error
    except LookupError as error:
        raise ValueError("there is no such time zone; Asia/Shanghai is one") from error
    return name


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Web(_Section):
    """Where the desk answers: on this machine alone unless told otherwise."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8480
    public_url: str | None = None
    """``https://…`` of a proxy with TLS on this machine, where people come through one."""


class Webhook(_Section):
    """A system of the city's own that is told; its secret lies in a file that only the platform reads.

    ``form`` is one of ``kerbwatch-platform export --help``'s that a case has; ``events`` are the types that are told.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    url: Annotated[str, Field(pattern=r"^https?://[!-~]{1,2000}$")]
    secret_file: Path
    form: Literal["reported-matter", "running-systems", "12345", "cloudevents"] = "reported-matter"
    events: tuple[Annotated[str, Field(pattern=r"^case\.[a-z]{1,40}$")], ...] = (
        "case.opened",
        "case.cleared",
        "case.withdrawn",
    )


class Uploads(_Section):
    """Where devices put pictures that were asked for by HTTPS; without it they come in pieces.

    ``url`` is how devices reach it (a site names its host in ``evidence.upload_hosts``, by name and not by address);
    ``host`` and ``port`` are where it answers on this machine.
    """

    url: Annotated[str, Field(pattern=r"^https://[a-z0-9.-]+(:[0-9]{1,5})?$", max_length=300)]
    host: str = "0.0.0.0"  # noqa: S104 - devices have to reach it; the desk itself stays on loopback
    port: Annotated[int, Field(ge=0, le=65535)] = 8443
    certificate_file: Path
    key_file: Path


class Limits(_Section):
    """What one device may send to one worker: so much at once, and so much a second after that."""

    burst_messages: Annotated[int, Field(ge=1)] = 20_000
    messages_per_s: Annotated[float, Field(gt=0)] = 200.0
    burst_bytes: Annotated[int, Field(ge=1)] = 64_000_000
    """Of messages as they are read: unpacked."""
    bytes_per_s: Annotated[float, Field(gt=0)] = 2_000_000.0


_Days = Annotated[float, Field(gt=0, le=36_500, allow_inf_nan=False)]


class Retention(_Section):
    """How long things are kept, in days that the platform lives through. The city's choice: no law is behind a figure.

    Of pictures they count from the last that happened to a case: it ended, was decided, or was handed over.
    """

    open_days: _Days = 365
    """Of a case that is open, after its device said anything of it."""
    undecided_days: _Days = 180
    false_days: _Days = 30
    duplicate_days: _Days = 180
    valid_days: _Days = 365
    handed_over_days: _Days = 1095
    others_days: _Days = 30
    """Of snapshots, and of pictures that no manifest names."""
    access_log_days: Annotated[float, Field(ge=184, le=36_500, allow_inf_nan=False)] = 365
    """At least six calendar months."""
    notes_days: _Days = 180
    """Of messages in quarantine that were dealt with, and of notes: limits, orders, webhooks, links, sessions."""

    def days(self, outcome: str) -> float:
        """The period of an outcome of :meth:`by_outcome`."""
        return self.by_outcome()[outcome]

    def by_outcome(self) -> dict[str, float]:
        """The period of each outcome that a case may have."""
        return {
            "undecided": self.undecided_days,
            "false": self.false_days,
            "duplicate": self.duplicate_days,
            "valid": self.valid_days,
            "handed_over": self.handed_over_days,
        }


class Timestamps(_Section):
    """The authority that signs when an hour's records were there (RFC 3161)."""

    url: Annotated[str, Field(pattern=r"^https?://[!-~]{1,2000}$")]
    certificates_file: Path


class Settings(_Section):
    """All of it.

    ``database`` is a libpq connection string; ``broker`` an URL, ``mqtt[s]://`` or ``amqp[s]://``.
    """

    database: Annotated[str, AfterValidator(_database)]
    broker: Annotated[str, AfterValidator(_broker)]
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", max_length=200)] = (
        "kerbwatch/v2"
    )
    share: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")] = "platform"
    """Name of the group of workers in shared subscriptions; of the queue in AMQP."""
    workers: Annotated[int, Field(ge=1, le=64)] = 2
    evidence_folder: Path
    archive_folder: Path | None = None
    """Parquet by month goes here every night (``figures/archive.py``)."""
    signing_key_file: Path
    """Ed25519, PEM: signs verdicts, orders and hand-overs. Made at the first start, never sent."""
    time_zone: Annotated[str, AfterValidator(_time_zone)] = "Asia/Shanghai"
    web: Web = Web()
    limits: Limits = Limits()
    retention: Retention = Retention()
    timestamps: Timestamps | None = None
    uploads: Uploads | None = None
    webhooks: tuple[Webhook, ...] = ()


def load(path: Path) -> Settings:
    """Read the file.

    Raises:
        SettingsError: It cannot be read, or what it says is no configuration; every fault at once.
    """
    try:
        return Settings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        faults = [
            (".".join(str(part) for part in each["loc"]), each["msg"])
            for each in error.errors(include_input=False, include_url=False)
        ]
        raise SettingsError(path, tuple(faults)) from error
    except OSError as error:
        raise SettingsError(path, (("", error.strerror or str(error)),)) from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise SettingsError(path, (("", str(error)),)) from error


def passed(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command what the settings say as its first argument, read when it runs.

    Which file that is, ``--settings`` before the command's name says (:mod:`kerbwatch_platform.cli`).
    """

    @click.pass_context
    @functools.wraps(command)
    def run(context: click.Context, *args: Any, **options: Any) -> Any:
        told = context.find_object(Path)
        return context.invoke(command, load(told or PATH), *args, **options)

    return run
