"""A configuration that the platform has ordered: checked and kept, before it is put on trial.

It lies beside the database, as its signature: a database that was set back must not make an older number new again.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.protocol.fields import MAX_NUMBER
from agent.storage.paths import ORDERED
from drivers.disk import replace_file
from drivers.files.privileges import read_file
from wording.known_errors import words_of

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config.schema import Configuration

PROTECTED = (
    *("site.tenant", "site.device_id", "site.gbt_28181_id"),
    *("uplink.broker", "uplink.topic_prefix", "uplink.username", "uplink.password_file"),
    *("uplink.ca_file", "uplink.certificate_file", "uplink.key_file"),
    *("evidence.upload_hosts", "evidence.upload_ca_file"),
    *("authorities", "storage.state_dir", "storage.run_dir"),
)
"""Who the device is, where its broker is, whom it trusts, where its keys lie, where pictures may go: only at the
device."""

_log = logging.getLogger(__name__)


class OrderedConfiguration(BaseModel):
    """What was ordered last.

    Attributes:
        number: Of the configuration.
        jws: The order as it came: both files are in its payload.
        key: Whose key signed it.
        order: The command's id.
    """

    model_config = ConfigDict(frozen=True)

    version: int = 1
    number: int = Field(ge=1, le=MAX_NUMBER)
    jws: str
    key: str
    order: str


def ordered(state_dir: Path) -> OrderedConfiguration | None:
    """The configuration that was ordered last; None: none was, or its file cannot be read."""
    try:
        return OrderedConfiguration.model_validate_json(read_file(state_dir / ORDERED))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        _log.error("%s cannot be used: %s", state_dir / ORDERED, words_of(error))
        return None


def keep_ordered(state_dir: Path, configuration: OrderedConfiguration) -> None:
    """Keep a configuration that was ordered; it is on the disk when this returns.

    Raises:
        OSError: The disk did not take it.
    """
    replace_file(state_dir / ORDERED, configuration.model_dump_json())


def protected_changes(now: Configuration, then: Configuration) -> tuple[str, ...]:
    """Which settings a configuration would change that only a technician may change."""
    before, after = now.model_dump(mode="json"), then.model_dump(mode="json")
    return tuple(name for name in PROTECTED if _at(before, name) != _at(after, name))


def _at(tables: dict[str, Any], name: str) -> Any:
    found: Any = tables
    for key in name.split("."):
        found = found[key]
    return found
