"""A device that hears what is signed, with a key for each role; the private halves are the contract's test keys."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from agent.audit import OF_PLATFORM, records
from agent.config.schema import UplinkSection
from agent.delivery.received_messages import Delivery
from agent.identity.authorities import Authorities, Authority
from agent.protocol.vectors import public_key, signed_by
from tests.support.delivering_device import uplink_of
from tests.support.housekeeping import housekeeping_of
from tests.support.state_folder import StateFolder
from tests.support.topics import DEVICE, TENANT

if TYPE_CHECKING:
    from pathlib import Path

    from agent.protocol.commands import Answer, Role

ROLES: tuple[Role, ...] = ("operator", "reviewer", "evidence")
ALL = Authorities(Authority(role, public_key(role)) for role in ROLES)


class Corner:
    """A device that hears the platform, and whose site names a key for each role."""

    def __init__(
        self, folder: Path, authorities: Authorities = ALL, *, upload_hosts: tuple[str, ...] = ()
    ) -> None:
        self.device, self.folder = StateFolder(folder), folder
        self.housekeeping = housekeeping_of(self.device, folder, upload_hosts=upload_hosts)
        self.uplink = uplink_of(
            UplinkSection(broker="mqtts://broker.example"),
            self.device.database,
            self.device.outbox,
            self.device.clock,
            handlers=self.housekeeping.handlers,
            record=self.housekeeping.record_order,
            authorities=authorities,
        )

    def end(self) -> None:
        self.uplink._wake.close()
        self.device.database.close()

    def hear(self, document: dict[str, Any]) -> Answer:
        downlink = self.uplink._downlink
        payload = json.dumps(document).encode()
        with closing(self.device.database.read()) as reader:
            answer = downlink.heed(Delivery(downlink.commands_topic, payload), reader)
        assert answer is not None
        return answer

    def ordinary(self, command: str, **told: Any) -> dict[str, Any]:
        later = self.device.clock.now() + timedelta(hours=1)
        bound = {"tenant": TENANT, "device_id": DEVICE, "expires_at": later.isoformat()}
        return {"command": command, "command_id": "c-1"} | bound | told

    def signed(self, by: str, command: str, **told: Any) -> Answer:
        return self.hear({"contract": 2, "jws": signed_by(by, self.ordinary(command, **told))})

    def recorded(self) -> list[tuple[str, dict[str, Any]]]:
        found = records(self.folder / "audit" / OF_PLATFORM)
        return [(each.what, dict(each.facts)) for each in found]
